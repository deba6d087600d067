"""What this room hands on: releases and trained models; frozen, and readable as one line. Figures: `figures`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from seedgate.review.release_bound import ErrorBound
from seedgate.seeds import SemanticBound

__all__ = [
    "Counts",
    "FileEntry",
    "Manifest",
    "ManifestRow",
    "Omission",
    "Origin",
    "Release",
    "TrainedModel",
    "is_writer",
]

Origin = Literal["seed", "approved"]
"""`seed`: a verified seed. `approved`: a candidate that the gate approved."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(_Record):
    """One file as it was written: hex SHA-256 of its bytes, and how many they are."""

    sha256: str
    size: int


class ManifestRow(_Record):
    """One row of a release, with what allowed it in.

    Attributes:
        id: Content hash of its task fields.
        row_hash: Content hash of the whole row of `train.parquet`, provenance columns included.
        vouched_by: Who signed off a seed; None for seeds verified in Argilla and for candidates.
        responses: Ids of the Argilla responses that an approval rests on; `rounds` they were given in.
        edited_from: Id of the candidate that a reviewer corrected into this one.
    """

    id: str
    row_hash: str
    origin: Origin
    vouched_by: str | None = None
    responses: tuple[str, ...] = ()
    rounds: tuple[str, ...] = ()
    approvers: tuple[str, ...] = ()
    reason: str = ""
    quorum: int | None = None
    guideline_hash: str | None = None
    simulated: bool = False
    edited_from: str | None = None


class Counts(_Record):
    """How many rows a release has of each kind.

    Attributes:
        vouched: Seeds that somebody signed off, rather than reviewed in Argilla.
        approved: Candidates; `approved_simulated` of them rest on a program's approval, `approved_human`
            on people's alone; `edited` were made by a reviewer's correction.
    """

    rows: int
    seeds: int
    vouched: int
    approved: int
    approved_human: int
    approved_simulated: int
    edited: int


class Manifest(_Record):
    """`manifest.json` of a release.

    Attributes:
        previous: Name of the release before this one.
        policy: What the gate demanded when the release was made.
        guideline_hash: The guidelines in force when it was decided what is approved.
        ledger_seq, ledger_head: The last event that was taken into account, and its hash.
        content_hash: Hash of the rows, the task and the evaluation set; equal content is not released twice.
        semantic: The model and the cosine by which rows were compared in meaning with the evaluation set, as locked.
        error_bound: How many of the approved rows may be wrong, as of `ledger_seq`; None without such rows.
        files: Every other file of the folder.
        recalled: What recalled or redacted rows since the release before, and how many.
        rows: In the order of `train.parquet`.
    """

    schema_version: Literal[1] = 1
    name: str
    previous: str | None
    task: str
    task_hash: str
    policy: dict[str, JsonValue]
    guideline_hash: str
    eval_hash: str
    ledger_seq: int
    ledger_head: str
    content_hash: str
    counts: Counts
    recalled: dict[str, int] = {}
    semantic: SemanticBound | None = None
    error_bound: ErrorBound | None = None
    files: dict[str, FileEntry]
    rows: tuple[ManifestRow, ...]


class Omission(_Record):
    """A row that was verified or approved and still stays out, and why."""

    id: str
    reason: str


class Release(_Record):
    """What `release` did.

    Attributes:
        created: False if the newest release has this content already, or for a dry run.
        error_bound: As of now, also where the release was made earlier; None without approved rows.
    """

    name: str
    path: Path
    created: bool
    dry_run: bool = False
    counts: Counts
    manifest_hash: str
    omitted: tuple[Omission, ...] = ()
    error_bound: ErrorBound | None = None

    def __str__(self) -> str:
        did = (
            "made"
            if self.created
            else ("has this content already" if self.manifest_hash else "would be made")
        )
        c = self.counts
        simulated = f", {c.approved_simulated} of them SIMULATED" if c.approved_simulated else ""
        left_out = f"; {len(self.omitted)} left out" if self.omitted else ""
        return (
            f"release {self.name} {did}: {c.rows} rows, {c.seeds} seeds and"
            f" {c.approved} approved{simulated}{left_out}"
            + (f"; {self.error_bound}" if self.error_bound else "")
        )


def is_writer(settings: Mapping[str, Any]) -> bool:
    """Whether a model with these settings of its training writes examples, where others answer them."""
    return "writes" in settings


class TrainedModel(_Record):
    """A fine-tuned model in `models/<name>`.

    Attributes:
        path: The model's folder; the adapter (or, for `full`, the model) is in `weights` below it.
        settings: Everything that training depended on besides the release.
        metrics: `train_loss`, `steps`, `tokens`, `seconds`, `dtype`, `device`.
        files: Every file below the folder but `model.json`.
        trained: False if the model was there already.
    """

    name: str
    path: Path
    weights: Literal["adapter", "model"]
    release: str
    manifest_hash: str
    ledger_head: str
    base_model: str
    settings: dict[str, JsonValue]
    metrics: dict[str, JsonValue]
    files: dict[str, FileEntry]
    trained: bool = True

    @property
    def weights_path(self) -> Path:
        """The folder that a server loads."""
        return self.path / self.weights

    def __str__(self) -> str:
        if not self.trained:
            return f"model {self.name} was trained before, on release {self.release}"
        seconds, loss = self.metrics.get("seconds"), self.metrics.get("train_loss")
        return f"model {self.name} trained on release {self.release} in {seconds} s, loss {loss}"
