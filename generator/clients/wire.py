"""vLLM's OpenAI-compatible HTTP API: bodies of requests, and what an answer means.

How the server behaves was read in vLLM 0.32: structured output is `response_format`
(`entrypoints/openai/chat_completion/protocol.py`); a dead engine is a 500 that names EngineCore and a 503 of
`/health`, after which the process ends (`entrypoints/serve/exception_handling/handlers/vllm_error.py`); an
unknown model is a 404, an unfit request a 400, a missing key a 401 on everything under `/v1`. A request for the
prompt's log-probabilities never reads the prefix cache, which does not hold them (`sampling_params.py`): each is
computed from its first token on.
"""

from __future__ import annotations

import json
from typing import Any

import httpx

from seedgate.errors import ServiceError
from seedgate.generator.clients.base import Choice, Completion, Request

__all__ = [
    "EndpointError",
    "NotThereError",
    "TransientError",
    "advice",
    "body_of",
    "completion_of",
    "refusal",
    "route_of",
]

MOST_RETRY_AFTER_S = 60.0
_BUSY = (408, 425, 429)


class TransientError(Exception):
    """An answer that another try may mend.

    Attributes:
        retry_after_s: How long the server asked to wait, if it did.
        busy: Whether the server has more requests than it takes.
    """

    def __init__(self, what: str, *, retry_after_s: float | None = None, busy: bool = False) -> None:
        self.retry_after_s = retry_after_s
        self.busy = busy
        super().__init__(what)


class EndpointError(TransientError):
    """The endpoint itself is not usable now; others may be."""


class NotThereError(TransientError):
    """The endpoint is well but has not loaded the adapter that was asked for; another may have it."""


def route_of(request: Request) -> str:
    """The path under `/v1`: text is continued, messages are answered."""
    return "/completions" if isinstance(request.prompt, str) else "/chat/completions"


def body_of(request: Request, model: str) -> dict[str, Any]:
    """The JSON body of a request."""
    body: dict[str, Any] = {"model": model, **request.sampling.as_dict()}
    if isinstance(request.prompt, str):
        body["prompt"] = request.prompt
    else:
        body["messages"] = [dict(message) for message in request.prompt]
    if request.choices:
        body["structured_outputs"] = {"choice": list(request.choices)}
    elif request.json_schema is not None:
        schema = {"name": "example", "schema": request.json_schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.prompt_logprobs:
        body["prompt_logprobs"] = 0  # of the prompt's own tokens, and of no others
    if request.logprobs and isinstance(request.prompt, str):
        body["logprobs"] = request.logprobs
    elif request.logprobs:
        body |= {"logprobs": True, "top_logprobs": request.logprobs}
    return body


def completion_of(request: Request, answer: httpx.Response) -> Completion:
    """Reads an answer.

    Raises:
        TransientError: It is no complete answer, but another may be; `EndpointError` if its server is dead.
        ServiceError: Asking again will not help.
    """
    if answer.status_code == 404 and request.model:
        raise NotThereError(f"the adapter of {request.model} is not loaded (404)")
    if answer.status_code != 200:
        raise _fault(answer)
    try:
        data = json.loads(answer.content)
        usage = data.get("usage") or {}
        choices = tuple(_choice(request, item) for item in data["choices"])
        tokens = int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0))
        own = _prompt_logprobs(data["choices"]) if request.prompt_logprobs else ()
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise TransientError(
            f"the answer is not the JSON of a completion ({type(error).__name__}: {error})"
        ) from None
    if not choices:
        raise TransientError("the answer has no choices")
    return Completion(request.id, choices, *tokens, own)


def refusal(answer: httpx.Response, url: str) -> ServiceError:
    """The error for an answer that asking again cannot mend."""
    status, said = answer.status_code, _message(answer)
    if status in (401, 403):
        return ServiceError(
            f"{url}: the API key was refused ({status})",
            hint="set SEEDGATE_VLLM_API_KEY to the server's key, or mend vllm_api_key in .seedgate/secrets.json",
        )
    if status == 404:
        return ServiceError(
            f"{url}: not found (404): {said}", hint="give a URL that ends in /v1 and a model that is served"
        )
    return ServiceError(f"{url}: the request was refused ({status}): {said}", hint=advice(said))


def advice(said: str) -> str:
    """What to do about a request that vLLM refuses with these words."""
    if any(
        word in said for word in ("max_model_len", "context length", "max_tokens", "maximum model length")
    ):
        return "lower shots or max_tokens in [generation], or serve the model with a longer context"
    return "look at [generation] in seedgate.toml"


def _choice(request: Request, item: dict[str, Any]) -> Choice:
    text = item["text"] if isinstance(request.prompt, str) else item["message"]["content"] or ""
    if not isinstance(text, str):
        raise TypeError("the text of a choice is no string")
    told = _logprobs(item.get("logprobs") or {}) if request.logprobs else ()
    # Unpaired surrogates are no Unicode and could not be stored.
    return Choice(
        int(item["index"]), text.encode("utf-8", "replace").decode(), item.get("finish_reason"), told
    )


def _logprobs(said: dict[str, Any]) -> tuple[dict[str, float], ...]:
    """Of messages, a list of tokens; of text, lists of the tokens, of their own, and of the likeliest ones' values."""
    if "content" in said:
        return tuple(
            {str(each["token"]): float(each["logprob"])}
            | {str(top["token"]): float(top["logprob"]) for top in each.get("top_logprobs") or ()}
            for each in said["content"] or ()
        )
    own = said.get("tokens") or (), said.get("token_logprobs") or ()
    return tuple(
        {str(token): float(value)} | {str(name): float(number) for name, number in (top or {}).items()}
        for token, value, top in zip(*own, said.get("top_logprobs") or (), strict=True)
    )


def _prompt_logprobs(choices: list[dict[str, Any]]) -> tuple[float, ...]:
    """The first of each place is the prompt's own token; the first place has none."""
    said = choices[0].get("prompt_logprobs") if choices else None
    return tuple(float(list(each.values())[0]["logprob"]) for each in (said or ())[1:])  # noqa: RUF015


def _fault(answer: httpx.Response) -> Exception:
    status, said = answer.status_code, _message(answer)
    if status in _BUSY:
        return TransientError(f"busy ({status}): {said}", retry_after_s=_retry_after(answer), busy=True)
    if status >= 500:
        if "EngineCore" in said or "EngineDead" in said:
            return EndpointError(f"its engine died ({status}: {said})")
        return TransientError(f"failed ({status}): {said}", retry_after_s=_retry_after(answer))
    return refusal(answer, str(answer.request.url))


def _message(answer: httpx.Response) -> str:
    """What the server says is wrong, in one line of at most 300 characters."""
    try:
        error = json.loads(answer.content)
        for key in ("error", "message", "detail"):
            error = error.get(key, error) if isinstance(error, dict) else error
        said = error if isinstance(error, str) else json.dumps(error)
    except ValueError:
        said = answer.content[:300].decode("utf-8", "replace")
    said = " ".join(said.split())
    return said[:297] + "..." if len(said) > 300 else said or answer.reason_phrase


def _retry_after(answer: httpx.Response) -> float | None:
    """Seconds of a `Retry-After` header; the form with a date is rare and left to the usual backoff."""
    try:
        return min(MOST_RETRY_AFTER_S, max(0.0, float(answer.headers["retry-after"])))
    except (KeyError, ValueError):
        return None
