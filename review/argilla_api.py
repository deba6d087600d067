"""Argilla's REST transport: one place for the key, the timeouts, the retries and what a refusal means."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import httpx
import stamina

from seedgate.errors import ServiceError

__all__ = ["Api", "RefusalError", "TransientError", "retrying"]

TIMEOUT = httpx.Timeout(60.0, connect=5.0)
ATTEMPTS = 5
MAX_DETAIL = 300
_TRANSIENT_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""409 is a race: somebody made the same thing between our look and our try; the next look finds it."""

_log = logging.getLogger(__name__)
T = TypeVar("T")


class TransientError(Exception):
    """No answer, or one that may be another when asked again."""


class RefusalError(Exception):
    """A 4xx answer: `status` and what the server said."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        self.detail = detail
        super().__init__(f"{status}: {detail}")


def retrying(call: Callable[[], T], url: str) -> T:
    """Runs `call`, again on TransientError, with growing pauses.

    A call that creates something must look first whether it is there: the attempt before may have
    arrived although its answer did not.

    Raises:
        ServiceError: It never worked, or Argilla refused in a way that no caller handles.
    """
    try:
        for attempt in stamina.retry_context(
            on=TransientError, attempts=ATTEMPTS, timeout=120.0, wait_initial=0.2, wait_max=5.0
        ):
            with attempt:
                return call()
    except TransientError as error:
        raise ServiceError(
            f"Argilla at {url} does not answer: {error}", hint="check that it is up (`seedgate status`)"
        ) from error
    except RefusalError as error:
        if error.status == 401:
            raise ServiceError(
                f"Argilla at {url} does not accept the API key", hint="check SEEDGATE_ARGILLA_API_KEY"
            ) from None
        raise ServiceError(f"Argilla at {url} refused: {error.detail}") from error
    raise AssertionError("a retry loop ends by returning or raising")


class Api:
    """HTTP calls below `/api/v1`, JSON in and out."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.url = url.rstrip("/")
        # Not from the environment: a proxy must never see keys meant for a loopback service.
        self._client = httpx.Client(
            base_url=f"{self.url}/api/v1/", headers=headers, timeout=TIMEOUT, trust_env=False
        )

    def __repr__(self) -> str:
        return f"Api({self.url!r})"

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def call(self, method: str, path: str, **options: Any) -> Any:
        """One request, its answer's JSON.

        Raises:
            TransientError: Network trouble, overload, or an answer that is not Argilla's.
            RefusalError: A 4xx answer.
        """
        try:
            answer = self._client.request(method, path, **options)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise TransientError(str(error) or type(error).__name__) from error
        if answer.status_code in _TRANSIENT_STATUS:
            raise TransientError(f"{answer.status_code} from {method} {path}")
        if answer.status_code >= 400:
            raise RefusalError(answer.status_code, _detail(answer))
        try:
            return answer.json()
        except (ValueError, RecursionError):
            raise RefusalError(
                answer.status_code, f"{method} {path} gave no JSON; is this Argilla?"
            ) from None


def _detail(answer: httpx.Response) -> str:
    try:
        detail = answer.json().get("detail", answer.text)
    except (ValueError, AttributeError):
        detail = answer.text
    if isinstance(detail, dict):
        detail = detail.get("params", detail)
    return str(detail)[:MAX_DETAIL]
