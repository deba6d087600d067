"""What the stack shall run, what it was running, and how it is now: the records that `up` and `status` exchange."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seedgate.errors import ConfigError, ServiceError
from seedgate.files import atomic_write
from seedgate.services.layout import Layout
from seedgate.services.processes import Identity

__all__ = ["Health", "ServiceStatus", "StackSpec", "StackState", "State", "served_rank"]

State = Literal["stopped", "starting", "running", "backoff", "stopping", "fatal"]
"""`backoff`: died and will be started again; `fatal`: died too often, and is left alone until `up`."""

Health = Literal["ok", "bad", "unknown"]
"""What the service itself answers; `unknown` when there is no process to ask."""


Rank = Literal[8, 16, 32, 64, 128, 256]
"""The greatest rank of adapters that vLLM can be told to serve."""


class StackSpec(BaseModel):
    """What `up` shall run.

    `model` is the path of a Hugging Face model folder, or `embedded` for SmolLM2-135M-Instruct. Ports are
    preferences: a port that others use is avoided, and a chosen one is kept from then on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    services: tuple[Literal["vllm", "argilla"], ...] = ("vllm", "argilla")
    model: str = "embedded"
    served_model: str = Field("smollm2-135m", pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")
    max_model_len: int = Field(2048, ge=64)
    kv_cache_gib: int = Field(2, ge=1)
    lora: bool = True
    max_lora_rank: Rank = 16
    max_loras: int = Field(4, ge=1)  # loaded at the same time; unload what is not needed any more
    vllm_args: tuple[str, ...] = ()
    vllm_port: int = Field(8000, ge=1, le=65535)
    argilla_port: int = Field(6900, ge=1, le=65535)

    def beside(self, earlier: StackSpec, running: Collection[str]) -> StackSpec:
        """This, with what `earlier` wanted besides and still runs: `up` adds to a stack and takes nothing away."""
        kept = tuple(name for name in earlier.services if name in running and name not in self.services)
        if not kept:
            return self
        settings = {
            field: getattr(earlier, field)
            for field in type(self).model_fields
            if field not in ("services", "argilla_port") and "vllm" in kept
        }
        return self.model_copy(update={**settings, "services": (*self.services, *kept)})


class StackState(BaseModel):
    """Where the stack answers. Never holds secrets.

    The addresses are None for what is not running, and after `down`; ports are remembered.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: str
    moved_from: str | None = None  # the folder it had when these processes were started
    spec: StackSpec
    ports: dict[str, int]
    supervisor: Identity | None = None
    socket: str | None = None
    stop_order: tuple[tuple[str, ...], ...] = ()  # what uses others stops before them
    argilla_url: str | None = None
    vllm_url: str | None = None  # ends in /v1
    served_model: str | None = None

    @classmethod
    def load(cls, layout: Layout) -> StackState | None:
        """The state as last written, None before the first `up`.

        A state file that was copied along with the workspace tells of processes of the folder it came from;
        they are ours only if that folder is gone, that is, if the workspace was moved.
        """
        path = layout.stack / "state.json"
        try:
            state = cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise ServiceError(
                f"{path}: cannot be read as the stack's state",
                hint="delete it and run `seedgate down`, then `seedgate up`; Argilla's data is elsewhere",
            ) from error
        if state.root == str(layout.root):
            return state
        moved_from = None if Path(state.root).exists() else state.root
        return state.stopped().model_copy(update={"root": str(layout.root), "moved_from": moved_from})

    def stopped(self) -> StackState:
        """The same, with nothing running."""
        none = ("moved_from", "supervisor", "socket", "argilla_url", "vllm_url", "served_model")
        return self.model_copy(update=dict.fromkeys(none))

    def save(self, layout: Layout) -> None:
        """Writes the state file, whole or not at all."""
        with atomic_write(layout.stack / "state.json", mode=0o600) as file:
            file.write(self.model_dump_json(indent=2).encode() + b"\n")


@dataclass(frozen=True)
class ServiceStatus:
    """How one service is.

    Attributes:
        name: `redis`, `search`, `argilla`, `worker` or `vllm`.
        pid: Of its first process, None when there is none.
        state: As the supervisor sees it.
        health: As its own answer says.
        url: Where it answers over HTTP, None for the rest.
        log: Its log file.
        uptime_s: Seconds since its process started.
        detail: What is wrong and what to do, None when all is well.
    """

    name: str
    pid: int | None
    state: State
    health: Health
    url: str | None
    log: Path
    uptime_s: float | None
    detail: str | None = None


def served_rank(lora_rank: int) -> int:
    """The smallest rank that vLLM serves and these adapters fit into: what a request costs grows with it.

    Raises:
        ConfigError: There is none.
    """
    ranks: tuple[int, ...] = get_args(Rank)
    fitting = [rank for rank in ranks if rank >= lora_rank]
    if not fitting:
        raise ConfigError(f"[training] lora_rank {lora_rank}: vLLM serves adapters up to rank {max(ranks)}")
    return min(fitting)
