"""Who is trained in an ablation: the base model itself, or a cheap student on the embeddings of the input.

A student is trained, measured on the locked set and forgotten. Its rows may be ones that nobody approved, so nothing of
it may stay: no adapter, no event that `train`, `promote` or a server could take for a model.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from seedgate.canonical import content_hash
from seedgate.config import TrainingConfig
from seedgate.errors import InputError, RefusedError
from seedgate.finetune.asking import answers_of
from seedgate.finetune.records import TrainedModel
from seedgate.finetune.sft import fit
from seedgate.finetune.training import base_model
from seedgate.records import Example
from seedgate.seeds import Meanings

if TYPE_CHECKING:
    from seedgate.finetune.releasing import Progress
    from seedgate.workspace import Workspace

__all__ = ["Student", "StudentKind", "student_of", "wants_label"]

StudentKind = Literal["embeddings", "model"]
STRENGTH = 10.0
"""Inverse regularisation, as of the classifiers that order the queue and look for label errors."""


class Student(Protocol):
    """Trained on rows, measured on the locked set.

    Attributes:
        title: What it is, in a sentence's end.
        trains: Whether it exists untrained, and is trained in steps and epochs.
    """

    title: str
    trains: bool

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that its scores depend on besides rows and number."""

    def scores(self, rows: Sequence[Example], number: int, steps: int, tell: Progress) -> list[float]:
        """What it scores on each row of the evaluation set, in its order, 0 to 1.

        Args:
            rows: To train on; none for the untrained student.
            number: Of the repetition: its seed.
            steps: Of training; -1 for the configured epochs.
            tell: Told how far it is.
        """

    def steps_for(self, rows: int) -> int:
        """Steps that the configured epochs take over so many rows; 0 if it knows no steps."""


def wants_label(ws: Workspace) -> bool:
    """Whether the task's whole answer is one label, which a classifier can give."""
    return ws.task.choices is not None and ws.task.chat_field is None


def student_of(ws: Workspace, kind: StudentKind | None, evaluation: Sequence[Example]) -> Student:
    """The student of that kind; by default the cheap one where the task allows it.

    Raises:
        InputError: There is no such student.
        RefusedError: The cheap one was asked for, and the answer is not one label.
    """
    if kind is None:
        kind = "embeddings" if wants_label(ws) else "model"
    if kind == "model":
        return ModelStudent(ws, evaluation)
    if kind != "embeddings":
        raise InputError(f"there is no student {kind!r}", hint="choose `embeddings` or `model`")
    if not wants_label(ws):
        raise RefusedError(
            f"task {ws.task.name}: its answer is not one label, which a classifier could give",
            hint="use --student model, which trains the base model itself",
        )
    return EmbeddedStudent(ws, evaluation)


class EmbeddedStudent:
    """Logistic regression on the vectors of the input, fitted until it stands still: seconds, not hours."""

    title = "logistic regression on embeddings"
    trains = False

    def __init__(self, ws: Workspace, evaluation: Sequence[Example]) -> None:
        self._label = str(ws.task.label_field and ws.task.label_field.name)
        self._meanings = Meanings.for_workspace(ws)
        self._evaluation = evaluation

    @property
    def settings(self) -> dict[str, Any]:
        """See `Student.settings`."""
        return {"student": "embeddings", "space": self._meanings.space, "strength": STRENGTH}

    def scores(self, rows: Sequence[Example], number: int, steps: int, tell: Progress) -> list[float]:
        """See `Student.scores`; the same rows give the same answers, whatever the number."""
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        given = [str(each.fields[self._label]) for each in rows]
        wanted = [str(each.fields[self._label]) for each in self._evaluation]
        if len(set(given)) < 2:  # nothing to tell apart: the one label is all it can say
            return [float(answer in given) for answer in wanted]
        with threadpool_limits(1):  # threads wait for each other at this size (see `seedgate.seeds.minilm`)
            model = LogisticRegression(C=STRENGTH, max_iter=1000, tol=1e-3)
            model.fit(self._meanings.vectors(rows), given)
            said = model.predict(self._meanings.vectors(self._evaluation))
        return [float(a == b) for a, b in zip(said, wanted, strict=True)]

    def steps_for(self, rows: int) -> int:
        """See `Student.steps_for`."""
        return 0


class ModelStudent:
    """The base model, fine-tuned as `[training]` says and asked through vLLM; its adapter is deleted at once."""

    title = "the base model, fine-tuned"
    trains = True

    def __init__(self, ws: Workspace, evaluation: Sequence[Example]) -> None:
        self._ws = ws
        self._evaluation = evaluation
        self._training = ws.config.training

    @property
    def settings(self) -> dict[str, Any]:
        """See `Student.settings`."""
        told = self._training.model_dump(mode="json", exclude={"report_to", "seed", "max_steps"})
        asked = self._ws.config.evaluation.model_dump(mode="json", exclude={"confidence", "judge"})
        return {
            "student": "model",
            "training": told,
            "evaluation": asked,
            "served": self._ws.config.vllm.model,
        }

    def scores(self, rows: Sequence[Example], number: int, steps: int, tell: Progress) -> list[float]:
        """See `Student.scores`."""
        if not rows:
            return self._asked(None, tell)
        changed = {"seed": number, "max_steps": steps, "report_to": "none"}
        settings = self._training.model_copy(update=changed)
        scratch = self._ws.state_dir / "ablation"
        shutil.rmtree(scratch, ignore_errors=True)  # of a run that was killed
        try:
            scratch.mkdir(parents=True)
            return self._asked(self._trained(rows, settings, tell), tell)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def steps_for(self, rows: int) -> int:
        """See `Student.steps_for`."""
        if self._training.max_steps > 0:
            return self._training.max_steps
        return math.ceil(math.ceil(rows / self._training.batch_size) * self._training.epochs)

    def _trained(self, rows: Sequence[Example], settings: TrainingConfig, tell: Progress) -> TrainedModel:
        weights: Literal["adapter", "model"] = "adapter" if settings.method == "lora" else "model"
        scratch = self._ws.state_dir / "ablation"
        chats = [row for each in rows for row in self._ws.task.training_rows(each.fields)]
        base = base_model(self._ws, settings.base_model, tell)
        metrics = fit(chats, base_model=base, settings=settings, out=scratch / weights, on_step=tell)
        return TrainedModel(
            name=f"ablation-{content_hash([each.id for each in rows])[:12]}",
            path=scratch,
            weights=weights,
            release="",
            manifest_hash="",
            ledger_head="",
            base_model=settings.base_model,
            settings=settings.model_dump(mode="json"),
            metrics=metrics,
            files={},
        )

    def _asked(self, model: TrainedModel | None, tell: Progress) -> list[float]:
        return [said.score for said in answers_of(self._ws, model, self._evaluation, tell)]
