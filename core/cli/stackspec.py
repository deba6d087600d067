"""Which parts of the embedded stack a workspace needs: those that it has no other address for."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import get_args

from seedgate.errors import ConfigError, InputError
from seedgate.services import StackSpec
from seedgate.workspace import Workspace

__all__ = ["stack_spec"]

LORA_RANKS: tuple[int, ...] = get_args(StackSpec.model_fields["max_lora_rank"].annotation)


def stack_spec(ws: Workspace, only: Collection[str] = ()) -> StackSpec | None:
    """The stack to start for `ws`; None if every service has an address elsewhere.

    Args:
        only: Limits the stack to these services.
    """
    unknown = set(only) - {"vllm", "argilla"}
    if unknown:
        raise InputError(f"no service {sorted(unknown)[0]!r}", hint="use argilla or vllm")
    elsewhere = {
        "vllm": bool(os.environ.get("SEEDGATE_VLLM_URLS") or ws.config.vllm.urls),
        "argilla": bool(os.environ.get("SEEDGATE_ARGILLA_URL") or ws.config.argilla.url),
    }
    services = tuple(name for name, away in elsewhere.items() if (name in only if only else not away))
    if not services:
        return None
    return StackSpec.model_validate(
        {
            "services": services,
            "model": ws.config.training.base_model,
            "served_model": ws.config.vllm.model,
            "max_lora_rank": _served_rank(ws.config.training.lora_rank),
        }
    )


def _served_rank(lora_rank: int) -> int:
    """The smallest rank that vLLM serves and these adapters fit into: what a request costs grows with it."""
    fitting = [rank for rank in LORA_RANKS if rank >= lora_rank]
    if not fitting:
        raise ConfigError(
            f"[training] lora_rank {lora_rank}: vLLM serves adapters up to rank {max(LORA_RANKS)}"
        )
    return min(fitting)
