"""A model behind `/v1/embeddings`, as vLLM and others serve it (https://platform.openai.com/docs/api-reference/embeddings)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from seedgate.errors import ServiceError

if TYPE_CHECKING:
    import numpy as np
    from httpx import Client
    from numpy.typing import NDArray

__all__ = ["ServedModel"]

BATCH = 256
ATTEMPTS = 4
TIMEOUT_S = 120.0
_NOT_AS_BYTES = (400, 422)


class ServedModel:
    """An `Embedder`; the model's name is what locks are bound to, its address may change.

    Args:
        url: Base URL, ending in `/v1`.
        model: As the server knows it.
        key: API key, never shown.
    """

    def __init__(self, url: str, model: str, key: str | None = None) -> None:
        self.identity = f"served:{model}"
        self._url, self._model, self._key = url.rstrip("/"), model, key

    def __repr__(self) -> str:
        return f"ServedModel({self._url!r}, {self._model!r})"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Embedder.embed`."""
        import numpy as np

        if not texts:
            return np.zeros((0, 0), np.float32)
        # By length, since a server pads a batch to its longest.
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        parts = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
        found = [self._ask([texts[place] for place in part]) for part in parts]
        if len({vectors.shape[1] for vectors in found}) > 1:
            raise self._wrong("vectors of several widths")
        out = np.zeros((len(texts), found[0].shape[1]), np.float32)
        for part, vectors in zip(parts, found, strict=True):
            out[part] = vectors
        return out

    @cached_property
    def _http(self) -> Client:
        """One for all calls: each new one reads the machine's certificates, which takes longer than an answer."""
        import httpx

        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        return httpx.Client(headers=headers, timeout=TIMEOUT_S, trust_env=False)

    def _ask(self, texts: list[str]) -> NDArray[np.float32]:
        import httpx
        import stamina

        # As bytes, since numbers in decimals take longer to write and read than many a model to compute.
        body = {"model": self._model, "input": texts, "encoding_format": "base64"}
        try:
            for attempt in stamina.retry_context(on=_passing, attempts=ATTEMPTS, wait_initial=0.2):
                with attempt:
                    response = self._http.post(f"{self._url}/embeddings", json=body)
                    if response.status_code in _NOT_AS_BYTES:
                        response = self._http.post(
                            f"{self._url}/embeddings", json=body | {"encoding_format": "float"}
                        )
                    response.raise_for_status()
        except httpx.HTTPStatusError as error:
            answer = " ".join(error.response.text.split())[:200]
            raise ServiceError(
                f"embeddings of {self._model} at {self._url}: HTTP {error.response.status_code}: {answer}",
                hint="check [embeddings] in seedgate.toml, and SEEDGATE_EMBEDDINGS_API_KEY",
            ) from error
        except httpx.HTTPError as error:
            raise ServiceError(
                f"embeddings of {self._model} at {self._url}: no answer ({type(error).__name__})",
                hint="start the server, or correct [embeddings] url",
            ) from error
        return self._vectors(response, len(texts))

    def _vectors(self, response: Any, count: int) -> NDArray[np.float32]:
        """Checked: servers have been known to answer in another order, or with less."""
        import numpy as np

        try:
            items = response.json()["data"]
            places = [int(item["index"]) for item in items]
            vectors = np.asarray([_numbers(item["embedding"]) for item in items], np.float32)
        except (ValueError, KeyError, TypeError) as error:
            raise self._wrong(f"no list of vectors ({type(error).__name__})") from error
        if sorted(places) != list(range(count)) or vectors.ndim != 2:
            raise self._wrong(f"{len(places)} vectors for {count} texts")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(vectors).all() and (lengths > 0).all()):
            raise self._wrong("a vector without direction")
        out = np.empty_like(vectors)
        out[places] = vectors / lengths
        return out

    def _wrong(self, what: str) -> ServiceError:
        return ServiceError(
            f"embeddings of {self._model} at {self._url}: the answer has {what}",
            hint="serve a model for embeddings",
        )


def _numbers(embedding: Any) -> Any:
    """A server may answer with numbers though it was asked for bytes (little-endian float32)."""
    import numpy as np

    return np.frombuffer(base64.b64decode(embedding), "<f4") if isinstance(embedding, str) else embedding


def _passing(error: Exception) -> bool:
    """Whether a second try may do better."""
    import httpx

    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in (408, 425, 429) or error.response.status_code >= 500
    return isinstance(error, httpx.TransportError)
