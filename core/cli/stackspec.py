"""Which parts of the embedded stack a workspace needs: those that it has no other address for."""

from __future__ import annotations

import os
from collections.abc import Collection

from seedgate.errors import InputError
from seedgate.services import StackSpec, served_rank
from seedgate.workspace import Workspace

__all__ = ["stack_spec"]


def stack_spec(ws: Workspace, only: Collection[str] = ()) -> StackSpec | None:
    """The stack to start for `ws`; None if every service has an address elsewhere.

    Args:
        only: Limits the stack to these services.
    """
    unknown = set(only) - {"vllm", "argilla"}
    if unknown:
        raise InputError(f"no service {sorted(unknown)[0]!r}", hint="use argilla or vllm")
    elsewhere = {
        "vllm": bool(os.environ.get("SEEDGATE_VLLM_URLS") or ws.config.vllm.urls or ws.vllm_offline),
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
            "max_lora_rank": served_rank(ws.config.training.lora_rank),
        }
    )
