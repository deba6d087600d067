"""What the generation stream asks of a model, whoever serves it.

A client takes one request and gives its completion, any number of them at a time; queues, limits and the
ledger are the stream's. So an HTTP server, an engine in this process and a cluster fit behind the same three
methods. There is no per-request seed on purpose: it kills vLLM's CPU engine under chunked prefill ("CPU
Generator does not use offset"), and what makes a run reproducible is the stored completion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Choice", "Client", "Completion", "ModelInfo", "Request", "Sampling"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn, as vLLM names it; `stop` ends a completion and is not part of its text."""

    n: int
    temperature: float
    top_p: float
    max_tokens: int
    stop: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The parameters as JSON, without those that say nothing."""
        stop = {"stop": list(self.stop)} if self.stop else {}
        return {
            "n": self.n,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
        } | stop


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt to be completed `sampling.n` times.

    Attributes:
        id: The same for the same plan entry, in every run.
        prompt: Text to be continued, or messages (`{"role", "content"}`) to be answered.
        json_schema: What every answer must fit, for servers that can constrain it.
        choices: The answers that are possible, if not all are; goes before `json_schema`.
        prompt_logprobs: Whether to say how likely the prompt itself is; for text.
        logprobs: For how many of the likeliest tokens at each place of an answer to say how likely they are.
        model: The adapter that is to answer, by the name that the client knows it by; the client's own model if empty.
    """

    id: str
    prompt: str | tuple[Mapping[str, str], ...]
    sampling: Sampling
    json_schema: Mapping[str, Any] | None = None
    choices: tuple[str, ...] = ()
    prompt_logprobs: bool = False
    logprobs: int = 0
    model: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a request's completions, as returned.

    Attributes:
        logprobs: For each token, itself and others that were likely, to their log-probability (nats); itself first.
            Empty unless asked for, and where the server does not say.
    """

    index: int
    text: str
    finish_reason: str | None
    logprobs: tuple[Mapping[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back for a request; tokens are of the whole request.

    Attributes:
        prompt_logprobs: Log-probability (nats) of each of the prompt's tokens but the first, given those before it.
            Empty unless asked for, and where the server does not say.
    """

    request_id: str
    choices: tuple[Choice, ...]
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_logprobs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The model behind a client.

    Attributes:
        revision: What the server says it loaded, if that differs from the name.
        max_tokens: Longest prompt and completion together, in tokens, if known.
    """

    name: str
    revision: str = ""
    max_tokens: int | None = None


class Client(Protocol):
    """Something that completes prompts. `complete` may be called many times at once."""

    @property
    def room(self) -> int | None:
        """How many requests may be in flight now, where the client finds that out; None: as many as it is told."""
        ...

    async def start(self) -> ModelInfo:
        """Makes ready and says what is served.

        Raises:
            ServiceError: Nothing usable is there; says what to do.
        """
        ...

    async def complete(self, request: Request) -> Completion:
        """The completion of one request.

        Raises:
            ServiceError: It cannot be had, retries included.
        """
        ...

    async def aclose(self) -> None:
        """Gives back what `start` took."""
        ...
