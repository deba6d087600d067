"""Which client a workspace's settings ask for: servers by default, the model in this process if `offline` names one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from seedgate.generator.clients.base import Client
from seedgate.generator.clients.offline import OfflineClient
from seedgate.generator.clients.room import START
from seedgate.generator.clients.server import ServerClient
from seedgate.workspace import Workspace

if TYPE_CHECKING:
    from seedgate.generator.writing import Writer

__all__ = ["client_for", "offline_client"]


def client_for(
    ws: Workspace, *, connections: int | None, writer: Writer | None = None, served: str = ""
) -> Client:
    """A client of the model that `[vllm]` names, not started.

    Args:
        connections: Most requests in flight at a time; None: as many as the servers have room for.
        writer: A model that requests may name besides.
        served: What servers call it.

    Raises:
        InputError: The model to load is not there.
        ServiceError: It could not be fetched, an address is no address, or the embedded stack is not up.
    """
    if ws.vllm_offline:
        return offline_client(ws, adapters={writer.name: (writer.folder, writer.rank)} if writer else {})
    return ServerClient(
        ws.vllm_urls(),
        ws.config.vllm.model,
        api_key=ws.vllm_key(),
        timeout_s=ws.config.generation.timeout_s,
        connections=connections or START,
        adapts=connections is None,
        adapters={writer.name: served} if writer else {},
    )


def offline_client(
    ws: Workspace, *, adapters: Mapping[str, tuple[Path, int]] | None = None, model: str = ""
) -> OfflineClient:
    """The client of a model in this process.

    Args:
        adapters: See `OfflineClient`.
        model: What to load in place of what `[vllm] offline` names.
    """
    from seedgate.services.embedded_model import model_named

    config = ws.config.vllm
    folder = model or model_named(config.offline, ws.root, lambda _: None, setting="[vllm] offline")
    return OfflineClient(folder, name=config.model, adapters=adapters, engine=config.engine)
