"""The arms of an ablation: what could have been trained on for the same seeds, had there been no gate.

Rows that no human approved are among them. They are read to be measured: nothing here makes a release or a model that
stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seedgate.canonical import content_hash
from seedgate.errors import InputError, RefusedError
from seedgate.finetune.verifying import newest_release, release_event, verified_release
from seedgate.generator import candidates
from seedgate.generator.filters.evaluation import EvaluationFilter
from seedgate.records import Example
from seedgate.review import reviewed
from seedgate.seeds import Meanings, baseline, read_examples

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["ARMS", "Arm", "Material", "arms_of", "material_of", "written_rows"]

ARMS = {
    "base": "the model untrained",
    "seeds": "seeds alone",
    "gated": "seeds + approved rows",
    "random": "seeds + as many candidates, drawn at random, without review",
    "scored": "seeds + as many candidates, the best by a classifier on the seeds, without review",
    "shown": "seeds + all that reviewers decided, as it was generated, without their decisions",
    "all": "seeds + every candidate, without review",
    "all_epochs": "seeds + every candidate, as many epochs as the approved rows had",
    "written": "seeds + rows that experts wrote in the same time",
}
"""Name of an arm to what it is trained on, in the order of reports."""


@dataclass(frozen=True)
class Material:
    """What arms are made of.

    Attributes:
        gated: Rows of the release that the gate approved, as they were released; `simulated` of them by a program.
        ungated: Candidates as generated, up to the release; none that a reviewer wrote by correcting another.
        shown: Those of them that the gate has decided.
        minutes: Reviewers' minutes on them; None if no pace is known, or only that of a program.
        written: Rows that experts wrote instead, as many as these minutes would have allowed.
    """

    release: str
    seeds: tuple[Example, ...]
    gated: tuple[Example, ...]
    simulated: int
    ungated: tuple[Example, ...]
    shown: tuple[Example, ...]
    minutes: float | None = None
    written: tuple[Example, ...] = ()


@dataclass(frozen=True)
class Arm:
    """One arm: what is added to the seeds in each repetition.

    Attributes:
        added: Repetition to the rows; the same ones each time, but for what is drawn.
        left_out: Why this arm cannot be had; empty if it can.
    """

    name: str
    added: Callable[[int], tuple[Example, ...]] = field(repr=False, default=lambda _: ())
    left_out: str = ""

    @property
    def title(self) -> str:
        """What it is trained on."""
        return ARMS[self.name]


def material_of(ws: Workspace, release: str | None = None) -> Material:
    """What a release and the ledger hold; the release is verified first (G10).

    Raises:
        RefusedError: There is no such release, it does not verify, or it has no approved row.
    """
    name = release or newest_release(ws)
    verified = verified_release(ws, name)
    listed = list(zip(verified.manifest.rows, verified.fields, strict=True))
    seeds = tuple(Example(fields=fields) for row, fields in listed if row.origin == "seed")
    gated = tuple(Example(fields=fields) for row, fields in listed if row.origin == "approved")
    if not gated:
        raise RefusedError(
            f"release {name}: holds seeds alone, so there is nothing to compare",
            hint="review candidates in Argilla, then `seedgate pull` and `seedgate release`",
        )
    head = int(release_event(ws, name).payload["head"]["seq"])
    before = {event.subject for event in ws.ledger.events("candidate.created") if event.seq <= head}
    born = [each for each in candidates(ws.ledger) if each.example.id in before]
    ungated = tuple(each.example for each in born if each.provenance.edited_from is None)
    said = reviewed(ws, up_to=head)
    decided = {id_ for id_, outcome in said.outcomes.items() if outcome in ("approved", "rejected")}
    times = [each.seconds for each in said.decided if each.seconds is not None and not each.simulated]
    return Material(
        release=name,
        seeds=seeds,
        gated=gated,
        simulated=sum(row.simulated for row, _ in listed),
        ungated=ungated,
        shown=tuple(each for each in ungated if each.id in decided),
        minutes=sum(times) / 60 if times else None,
    )


def written_rows(ws: Workspace, source: str, minutes: float, allowed: float | None) -> tuple[Example, ...]:
    """The rows of a file that experts would have written in the reviewers' time.

    Args:
        source: As for `read_examples`.
        minutes: What writing all of the file took.
        allowed: Reviewers' minutes; the same share of the rows is taken, all of them if it is None.

    Raises:
        InputError: The file cannot be read, or a row leaks from the evaluation set.
    """
    if minutes <= 0:
        raise InputError(f"{minutes} minutes cannot be what writing {source} took")
    rows = read_examples(source, ws.task)
    leaks = EvaluationFilter.for_workspace(ws, baseline(ws).evaluation)
    leaks.prepare(rows)
    for each in rows:
        leak = leaks.check(each)
        if leak is not None:
            raise InputError(f"{each.source}: {leak.detail}", hint="take it out: it would prove nothing")
    share = 1.0 if allowed is None else min(1.0, allowed / minutes)
    return tuple(rows[: round(share * len(rows))])


def arms_of(ws: Workspace, material: Material, *, trains: bool) -> Iterator[Arm]:
    """The arms in the order of reports, those that cannot be had with the reason.

    Args:
        trains: Whether the student is a model that exists untrained and is trained in steps and epochs.
    """
    size = len(material.gated)
    yield Arm("base") if trains else Arm("base", left_out="this student knows nothing before it is trained")
    yield Arm("seeds")
    yield Arm("gated", lambda _: material.gated)
    yield Arm("random", lambda number: _drawn(material.ungated, size, number))
    yield _scored(ws, material, size)
    yield Arm("shown", lambda _: material.shown)
    yield Arm("all", lambda _: material.ungated)
    yield (
        Arm("all_epochs", lambda _: material.ungated)
        if trains
        else Arm("all_epochs", left_out="this student is fitted until it stands still, whatever the epochs")
    )
    if material.written:
        yield Arm("written", lambda _: material.written)
    else:
        yield Arm("written", left_out="no rows that experts wrote were given (--written)")


def label_counts(ws: Workspace, rows: Sequence[Example]) -> dict[str, int]:
    """How many rows each label has; empty for a task without one."""
    label = ws.task.label_field
    if label is None:
        return {}
    counts = Counter(str(each.fields[label.name]) for each in rows)
    return {name: counts[name] for name in label.labels}


def _drawn(rows: Sequence[Example], size: int, number: int) -> tuple[Example, ...]:
    """In the order of a hash: what is drawn depends on the rows, not on where they stand."""
    return tuple(sorted(rows, key=lambda each: content_hash([number, each.id]))[:size])


def _scored(ws: Workspace, material: Material, size: int) -> Arm:
    """As the label agreement of the queue, over all candidates at once."""
    import numpy as np

    from seedgate.generator.scores import LabelAgreement, Pool

    label = ws.task.label_field
    if label is None:
        return Arm("scored", left_out="the task has no label that a classifier on the seeds could look at")
    meanings = Meanings.for_workspace(ws)
    found = LabelAgreement().score(
        Pool(
            vectors=meanings.vectors(material.ungated),
            seeds=meanings.vectors(material.seeds),
            earlier=meanings.vectors(()),
            labels=[str(each.fields[label.name]) for each in material.ungated],
            seed_labels=[str(each.fields[label.name]) for each in material.seeds],
        )
    )
    if np.isnan(found).all():
        return Arm("scored", left_out="the seeds do not suffice for a classifier")
    ranked = sorted(zip(found, material.ungated, strict=True), key=lambda pair: (-float(pair[0]), pair[1].id))
    best = tuple(each for _, each in ranked[:size])
    return Arm("scored", lambda _: best)
