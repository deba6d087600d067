"""`train`: a release in, a model in `models/<name>` out, with the proof of what it was trained on.

Only a release that verifies against the ledger is read (G10). The same release with the same settings is
trained once: its name comes from both.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from seedgate.canonical import content_hash
from seedgate.config import TrainingConfig
from seedgate.errors import BusyError, InputError, RefusedError
from seedgate.finetune.card import model_card
from seedgate.finetune.checkpointing import Checkpoints
from seedgate.finetune.folders import build_beside, file_entries, folder_faults, place, remove_leftovers
from seedgate.finetune.records import FileEntry, TrainedModel, is_writer
from seedgate.finetune.releasing import Progress
from seedgate.finetune.sft import fit, merge_adapter
from seedgate.finetune.verifying import VerifiedRelease, newest_release, release_event, verified_release
from seedgate.generator.writing import Writing
from seedgate.ledger import Event, Lease, NewEvent
from seedgate.workspace import Workspace

__all__ = [
    "TrainingPlan",
    "base_model",
    "merge",
    "plan_training",
    "present_settings",
    "refuse_changed",
    "told_of",
    "train",
    "trained_model",
]

RECORD = "model.json"


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What `train` would do.

    Attributes:
        rows: Of the training, one for each answer.
        settings: Everything that training depends on besides the release.
        trained: Whether the model is there already.
    """

    name: str
    release: str
    rows: int
    base_model: str
    settings: dict[str, Any]
    trained: bool

    def __str__(self) -> str:
        if self.trained:
            return f"model {self.name} was trained before, on release {self.release}"
        how = f"{self.settings['method']}, {self.settings['epochs']} epochs"
        return f"would train {self.name}: {self.base_model} on {self.rows} rows of release {self.release} ({how})"


def plan_training(
    ws: Workspace, release_name: str | None = None, *, writer: bool = False, **overrides: Any
) -> TrainingPlan:
    """What `train` would do; verifies the release, loads no model and writes nothing.

    Raises: as `train` does.
    """
    settings = _settings(ws.config.training, overrides)
    release = release_name or newest_release(ws)
    verified = verified_release(ws, release)
    told = told_of(ws, settings, writer=writer)
    name = _default_name(ws, release, told)
    return TrainingPlan(
        name=name,
        release=release,
        rows=len(_rows(ws, verified, writer=writer)),
        base_model=settings.base_model,
        settings=told,
        trained=_trained_before(ws, name, verified.manifest_hash, told) is not None,
    )


def train(
    ws: Workspace,
    release_name: str | None = None,
    *,
    output_name: str | None = None,
    writer: bool = False,
    on_progress: Progress | None = None,
    **overrides: Any,
) -> TrainedModel:
    """Fine-tunes the base model on a release, or finds the model that was trained so before.

    Args:
        release_name: The newest release if not given.
        output_name: Name of the model; by default the release's and a short hash of the settings.
        writer: The other way round: a model that writes examples, for the strategy `writer`.
        overrides: Settings that differ from `[training]` in `seedgate.toml`, by name.

    Raises:
        RefusedError: The release does not verify against the ledger, or the name is another model's.
        InputError: A setting is unknown, or the base model cannot be used.
    """
    settings = _settings(ws.config.training, overrides)
    release = release_name or newest_release(ws)
    manifest_hash = str(release_event(ws, release).payload["manifest_hash"])
    told = told_of(ws, settings, writer=writer)
    name = _model_name(output_name) if output_name else _default_name(ws, release, told)
    tell = on_progress or (lambda *_: None)
    with ws.ledger.lease("train") as lease:
        tell(0, 0, f"verifying {release}")
        verified = verified_release(ws, release)
        before = _trained_before(ws, name, manifest_hash, told)
        if before is not None:
            return before
        remove_leftovers(ws.models_dir)
        return _train(ws, lease, name, verified, settings, told, tell)


def merge(ws: Workspace, name: str) -> Path:
    """The folder `models/<name>/merged`: base model and adapter as one, for servers that load no adapters.

    Raises:
        InputError: There is no such model.
        RefusedError: Its files are not those that were trained.
    """
    model = trained_model(ws, name)
    refuse_changed(model)
    target = model.path / "merged"
    if model.weights == "model":
        return model.weights_path
    with ws.ledger.lease("train") as lease:
        if _merged_before(ws, model, target):
            return target
        remove_leftovers(model.path)
        with build_beside(target) as folder:
            base = base_model(ws, model.base_model)
            merge_adapter(base, model.weights_path, folder)
            files = {path: entry.model_dump() for path, entry in file_entries(folder).items()}
            place(folder, target)
        ws.ledger.append([NewEvent("model.merged", name, {"files": files})], lease=lease)
    return target


def _merged_before(ws: Workspace, model: TrainedModel, target: Path) -> bool:
    """Whether the folder is what was merged from the weights that count, and not what somebody put there."""
    merged, trained = (ws.ledger.last(kind, subject=model.name) for kind in ("model.merged", "model.trained"))
    if merged is None or trained is None or merged.seq < trained.seq:
        return False
    files = {path: FileEntry.model_validate(entry) for path, entry in merged.payload["files"].items()}
    return next(folder_faults(target, files, where=model.name), None) is None


def trained_model(ws: Workspace, name: str) -> TrainedModel:
    """A model that was trained here, as the ledger knows it.

    Raises:
        InputError: There is none of that name; suggests the near one.
    """
    event = ws.ledger.last("model.trained", subject=name)
    if event is None:
        known = list(dict.fromkeys(event.subject for event in ws.ledger.events("model.trained")))
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none yet'}"
        raise InputError(f"no model called {name!r} was trained here", hint=hint)
    return _from_event(ws, event)


def present_settings(ws: Workspace) -> dict[str, Any]:
    """The settings of `[training]` that make a difference to a model, as `model.trained` has them."""
    return told_of(ws, ws.config.training)


def told_of(ws: Workspace, settings: TrainingConfig, *, writer: bool = False) -> dict[str, Any]:
    """What makes a difference to a model, as `model.trained` has it.

    Raises:
        InputError: A writer is wanted that is no adapter.
    """
    told = settings.model_dump(mode="json", exclude={"report_to"})
    if not writer:
        return told
    if settings.method != "lora":
        raise InputError(
            "a writer is an adapter, which the servers load", hint='set [training] method = "lora"'
        )
    return told | {"writes": Writing(ws).told}


def refuse_changed(model: TrainedModel) -> None:
    """Refuses a model whose weights are not those that were trained.

    Raises:
        RefusedError: Names the file.
    """
    for fault in folder_faults(model.weights_path, model.files, where=f"model {model.name}"):
        again = "seedgate train --writer" if is_writer(model.settings) else "seedgate train"
        raise RefusedError(f"{fault.where}: {fault.what}", hint=f"train it again with `{again}`")


def _train(
    ws: Workspace,
    lease: Lease,
    name: str,
    verified: VerifiedRelease,
    settings: TrainingConfig,
    told: dict[str, Any],
    tell: Progress,
) -> TrainedModel:
    base = base_model(ws, settings.base_model, tell)
    rows = _rows(ws, verified, writer=is_writer(told))
    target = ws.models_dir / name
    weights = "adapter" if settings.method == "lora" else "model"
    with build_beside(target) as folder:
        tell(0, 0, "loading the base model")
        kept = Checkpoints(ws, lease, name, verified.manifest_hash, told)
        metrics = fit(
            rows,
            base_model=base,
            settings=settings,
            out=folder / weights,
            on_step=tell,
            checkpoints=kept,
        )
        model = TrainedModel(
            name=name,
            path=target,
            weights=weights,
            release=verified.manifest.name,
            manifest_hash=verified.manifest_hash,
            ledger_head=verified.manifest.ledger_head,
            base_model=settings.base_model,
            settings=told,
            metrics=metrics,
            files=file_entries(folder / weights),
        )
        record = _record(model)
        (folder / RECORD).write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n")
        (folder / "README.md").write_text(model_card(model))
        place(folder, target)
    # A model that was lost or changed is trained anew under its name: the newest event is the one that counts.
    count = sum(1 for _ in ws.ledger.events("model.trained", subject=name))
    event = NewEvent("model.trained", name, record, f"model:{name}:{count}")
    if not ws.ledger.append([event], lease=lease):
        raise BusyError(f"another process trained {name} at the same time", hint="run it again")
    kept.remove()
    return model


def _settings(configured: TrainingConfig, overrides: dict[str, Any]) -> TrainingConfig:
    known = list(TrainingConfig.model_fields)
    for key in overrides:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise InputError(f"unknown training setting {key!r}", hint=hint)
    try:
        return TrainingConfig.model_validate(configured.model_dump() | overrides)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InputError(f"training setting {first['loc'][0]!r}: {first['msg'].lower()}") from None


def _rows(ws: Workspace, verified: VerifiedRelease, *, writer: bool) -> list[Any]:
    """One for each answer, or, for a writer, for each example."""
    if writer:
        return Writing(ws).rows(verified.fields)
    return [row for fields in verified.fields for row in ws.task.training_rows(fields)]


def _default_name(ws: Workspace, release: str, told: dict[str, Any]) -> str:
    what = "writer-" if is_writer(told) else ""
    return _model_name(f"{release}-{what}{content_hash([told, ws.task.hash])[:8]}")


def _model_name(name: str) -> str:
    if name == "base" or not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,59}", name):
        raise InputError(
            f"{name!r} cannot be a model's name",
            hint="use lower-case letters, digits, hyphens and dots, 60 at most, and not 'base'",
        )
    return name


def _trained_before(
    ws: Workspace, name: str, manifest_hash: str, told: dict[str, Any]
) -> TrainedModel | None:
    event = ws.ledger.last("model.trained", subject=name)
    if event is None:
        return None
    model = _from_event(ws, event)
    if (model.manifest_hash, model.settings) != (manifest_hash, told):
        raise RefusedError(
            f"model {name}: was trained on release {model.release} with other settings",
            hint="give the new one another name",
        )
    whole = next(folder_faults(model.weights_path, model.files, where=name), None) is None
    return model.model_copy(update={"trained": False}) if whole else None


def _record(model: TrainedModel) -> dict[str, Any]:
    """What the ledger and `model.json` say: the path within the workspace, so that it may be moved."""
    return model.model_dump(mode="json", exclude={"name", "trained"}) | {"path": f"models/{model.name}"}


def _from_event(ws: Workspace, event: Event) -> TrainedModel:
    return TrainedModel.model_validate(
        {**event.payload, "name": event.subject, "path": ws.models_dir / event.subject}
    )


def base_model(ws: Workspace, name: str, tell: Progress = lambda *_: None) -> str:
    """What the name of a base model stands for; see `model_named`."""
    from seedgate.services.embedded_model import model_named

    return model_named(name, ws.root, lambda line: tell(0, 0, line), setting="[training] base_model")
