"""Writers among the trained models: those that write examples, where the others answer them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from seedgate.errors import InputError
from seedgate.finetune.adapters import served_model
from seedgate.finetune.folders import folder_faults
from seedgate.finetune.recalled import affected_models
from seedgate.finetune.records import TrainedModel, is_writer
from seedgate.finetune.training import refuse_changed, told_of, trained_model
from seedgate.generator.writing import Writer, Writing
from seedgate.services import served_rank
from seedgate.workspace import Workspace

__all__ = ["newest_writer", "refuse_writer", "writer_needed"]


def refuse_writer(model: TrainedModel) -> None:
    """Refuses what writes examples where a model is wanted that answers them.

    Raises:
        InputError: It is a writer.
    """
    if is_writer(model.settings):
        raise InputError(
            f"model {model.name} writes examples: it cannot be measured on the evaluation set",
            hint="give a model of `seedgate train`; a writer is asked by the strategy `writer` of [generation]",
        )


def newest_writer(ws: Workspace) -> Writer | None:
    """The last that was trained of the present base model on the prompts that it would get now; None if there is none.

    One that learnt a row which was recalled or redacted since could write it again, and is not asked.

    Raises:
        RefusedError: Its files are not those that were trained.
    """
    wanted = ws.config.training.base_model, Writing(ws).told
    affected = {each.model for each in affected_models(ws)}
    for event in ws.ledger.events("model.trained", newest_first=True):
        settings = event.payload.get("settings", {})
        if event.subject not in affected and (settings.get("base_model"), settings.get("writes")) == wanted:
            model = trained_model(ws, event.subject)
            refuse_changed(model)
            rank = served_rank(int(str(model.settings["lora_rank"])))
            return Writer(model.name, model.weights_path, rank, partial(_served, ws, model))
    return None


def writer_needed(ws: Workspace, release: str) -> bool:
    """Whether no writer was trained on a release under the present settings, or its files are not there any more."""
    wanted = told_of(ws, ws.config.training, writer=True)
    for event in ws.ledger.events("model.trained", newest_first=True):
        if (event.payload["release"], event.payload.get("settings")) == (release, wanted):
            model = trained_model(ws, event.subject)
            return any(folder_faults(model.weights_path, model.files, where=""))
    return True


@asynccontextmanager
async def _served(ws: Workspace, model: TrainedModel) -> AsyncIterator[str]:
    async with served_model(ws.vllm_urls(), ws.vllm_key(), model) as served:
        yield served.name
