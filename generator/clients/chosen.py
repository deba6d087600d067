"""Which client a workspace's settings ask for: servers by default, the model in this process if `offline` names one."""

from __future__ import annotations

from pathlib import Path

from seedgate.generator.clients.base import Client
from seedgate.generator.clients.offline import OfflineClient
from seedgate.generator.clients.room import START
from seedgate.generator.clients.server import ServerClient
from seedgate.workspace import Workspace

__all__ = ["client_for", "offline_client"]


def client_for(ws: Workspace, *, connections: int | None) -> Client:
    """A client of the model that `[vllm]` names, not started.

    Args:
        connections: Most requests in flight at a time; None: as many as the servers have room for.

    Raises:
        InputError: The model to load is not there.
        ServiceError: It could not be fetched, an address is no address, or the embedded stack is not up.
    """
    if ws.vllm_offline:
        return offline_client(ws)
    return ServerClient(
        ws.vllm_urls(),
        ws.config.vllm.model,
        api_key=ws.vllm_key(),
        timeout_s=ws.config.generation.timeout_s,
        connections=connections or START,
        adapts=connections is None,
    )


def offline_client(
    ws: Workspace, *, adapter: tuple[Path, int] | None = None, model: str = ""
) -> OfflineClient:
    """The client of a model in this process.

    Args:
        adapter: Folder and rank of a LoRA adapter to answer with.
        model: What to load in place of what `[vllm] offline` names.
    """
    from seedgate.services.embedded_model import model_named

    config = ws.config.vllm
    folder = model or model_named(config.offline, ws.root, lambda _: None, setting="[vllm] offline")
    return OfflineClient(folder, name=config.model, adapter=adapter, engine=config.engine)
