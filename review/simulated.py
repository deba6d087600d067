"""A program in the place of a reviewer, for demonstrations and tests: everything it approves is marked.

It signs in to Argilla with its own account's password, reads what the page would show, and submits through
Argilla as a person does. It exists only in workspaces that were made for it (`init`), under that account.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seedgate.errors import RefusedError, ServiceError
from seedgate.records import Example
from seedgate.review.argilla_desk import ArgillaDesk
from seedgate.review.board import Desk, DeskRecord
from seedgate.review.delivery import Progress, password_name
from seedgate.review.knowledge import LabelKnowledge, oddity
from seedgate.review.record_view import CORRECTED, DECISION, REASONS
from seedgate.review.state import read_state
from seedgate.review.visible import unshow
from seedgate.seeds import verified_seeds
from seedgate.task import Field

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["SimulatedReport", "SimulatedReviewer"]

BATCH = 50

# With the 200 seeds of the support-desk example as knowledge and its 160 evaluation rows as records, these
# approve 59 % of the rows under their own label and 11 % of those under another one.
FITS = 0.15
FITS_BESIDE_BEST = 0.5
RELABEL = 0.3
RELABEL_TIMES = 3.0


@dataclass(frozen=True)
class SimulatedReport:
    """What the simulated reviewer submitted: how many records, and how many by decision."""

    answered: int = 0
    decisions: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(self.decisions.items()))
        return f"simulated reviewer: {self.answered} records" + (f" ({kinds})" if kinds else "")


class SimulatedReviewer:
    """Decides the records that wait for the workspace's simulated reviewer.

    Approves a text that looks natural under a label that fits; corrects the label where another fits much
    better; rejects the rest with a reason.

    Args:
        ws: A workspace with a simulated reviewer.
        account: The account to answer with; must be that one.
        knowledge: Labelled rows to know labels from; the verified seeds if not given.
        error_rate: Share of records on which it does the wrong thing on purpose, for tests of controls.
        seed: Of the choice of errors.

    Raises:
        RefusedError: The workspace has no simulated reviewer, or it is another account.
    """

    def __init__(
        self,
        ws: Workspace,
        *,
        account: str | None = None,
        knowledge: Iterable[Example] | None = None,
        error_rate: float = 0.0,
        seed: int = 0,
    ) -> None:
        name = ws.simulated_reviewer
        if name is None or (account is not None and account != name):
            raise RefusedError(
                f"{account or 'a program'} may not review here: "
                + (f"the simulated reviewer is {name}" if name else "this workspace's reviewers are people")
            )
        self.name = name
        self._ws = ws
        self._error_rate = error_rate
        self._rng = random.Random(seed)  # noqa: S311 - chooses errors for tests
        rows = list(verified_seeds(ws)[0].values()) if knowledge is None else list(knowledge)
        self._labels = LabelKnowledge(ws.task, rows) if ws.task.label_field else None

    def review(self, *, on_progress: Progress | None = None) -> SimulatedReport:
        """Answers every record of its datasets that it has not answered yet.

        Raises:
            ServiceError: Argilla cannot be used, or does not know the account's password.
        """
        password = self._ws.secrets.get(password_name(self.name))
        if not password:
            raise ServiceError(
                f"no password for {self.name}", hint="run `seedgate push` first: it makes the account"
            )
        with ArgillaDesk(self._ws.argilla_url(), self.name, password) as desk:
            return self._review(desk, on_progress)

    def _review(self, desk: Desk, on_progress: Progress | None) -> SimulatedReport:
        places = [
            opened.datasets[self.name]
            for opened in read_state(self._ws.ledger).opened.values()
            if self.name in opened.datasets
        ]
        todo = [record for place in places for record in desk.records(*place) if not record.answered]
        made: Counter[str] = Counter()
        for start in range(0, len(todo), BATCH):
            part = todo[start : start + BATCH]
            answers = {record.key: answer for record, answer in zip(part, self.decide(part), strict=True)}
            desk.submit(answers)
            made.update(str(answer[DECISION]) for answer in answers.values())
            if on_progress is not None:
                on_progress(min(start + BATCH, len(todo)), len(todo), self.name)
        return SimulatedReport(made.total(), dict(made))

    def decide(self, records: Sequence[DeskRecord]) -> list[dict[str, Any]]:
        """The answers it would submit, from nothing but what the records show."""
        shown = [self._read(record) for record in records]
        odds = self._labels.odds([text for text, _ in shown]) if self._labels else [{} for _ in shown]
        return [
            self._answer(record, text, label, chances)
            for record, (text, label), chances in zip(records, shown, odds, strict=True)
        ]

    def _read(self, record: DeskRecord) -> tuple[str, str]:
        texts = {name: unshow(text) for name, text in record.fields.items()}
        label = self._ws.task.label_field
        text = "\n".join(texts[f.name] for f in self._ws.task.inputs if texts.get(f.name))
        return text, texts[label.name] if label else ""

    def _answer(
        self, record: DeskRecord, text: str, label: str, chances: Mapping[str, float]
    ) -> dict[str, Any]:
        # As the page does: what is pre-filled and left alone is submitted as it is.
        answer = {name: value for name, value in record.suggestions.items() if name.startswith(CORRECTED)}
        wrong = self._rng.random() < self._error_rate
        field_ = self._ws.task.label_field
        odd = oddity(text)
        best = max(chances, key=lambda name: chances[name], default=label)
        if odd is not None:
            return answer | (_approve() if wrong else _reject(odd))
        if field_ is None or self._fits(label, best, chances):
            return answer | (_reject("other") if wrong else _approve())
        if chances[best] >= max(RELABEL, RELABEL_TIMES * chances.get(label, 0.0)):
            return answer | (_approve() if wrong else _relabel(field_, best))
        doubt = "wrong_label" if chances[best] >= RELABEL else "off_topic"
        return answer | (_approve() if wrong else _reject(doubt))

    def _fits(self, label: str, best: str, chances: Mapping[str, float]) -> bool:
        chance = chances.get(label, 0.0)
        return chance >= FITS and chance >= FITS_BESIDE_BEST * chances[best]


def _approve() -> dict[str, Any]:
    return {DECISION: "approve"}


def _reject(reason: str) -> dict[str, Any]:
    return {DECISION: "reject", REASONS: [reason]}


def _relabel(label: Field, value: str) -> dict[str, Any]:
    return {DECISION: "edit", CORRECTED + label.name: value, REASONS: ["wrong_label"]}
