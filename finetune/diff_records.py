"""What `release diff` tells: two releases beside each other, and each row that only one of them has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from seedgate.finetune.records import Counts, Origin
from seedgate.review.release_bound import ErrorBound

__all__ = [
    "AddedRow",
    "Distance",
    "EditedRow",
    "FieldChange",
    "Novelty",
    "ReleaseDiff",
    "ReleaseSide",
    "RemovedRow",
    "Shift",
    "WhyRemoved",
]

WhyRemoved = Literal[
    "redacted",
    "verdict changed",
    "adjudicated wrong",
    "rejected",
    "conflict",
    "guidelines",
    "quarantine",
    "evaluation set",
    "seed conflict",
    "seed withdrawn",
    "not approved",
    "not there yet",
    "left out",
]
"""Why a row of one release is not in the other, as of the event at which that one was made.

`guidelines`: approved under a version that nobody declared compatible. `quarantine`: its reviewer's approvals are set
aside. `evaluation set`: it leaks. `seed conflict`: it clashes with a seed. `not there yet`: the other release is the
older one. `left out`: entitled, and kept out by a relative or by what the settings were.
"""


@dataclass(frozen=True)
class ReleaseSide:
    """One of the two releases.

    Attributes:
        at: When it was made.
        error_bound: How many of its generated rows may be wrong, as its manifest says; None without such rows.
        refused: Why `train` refuses it today (recalled rows, a redaction); empty if it does not.
    """

    name: str
    at: str
    manifest_hash: str
    counts: Counts
    error_bound: ErrorBound | None
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class AddedRow:
    """A row that only the second release has.

    Attributes:
        fields: Its content; None if it was redacted since.
        nearest: Id of the first release's row that is nearest in meaning; None where there is none to compare with.
        cosine: How near that is.
        near: Whether it says what `nearest` says, by the cosine from which texts count as repetitions.
        agrees: Whether a near row has the same output.
    """

    id: str
    origin: Origin
    fields: dict[str, Any] | None
    nearest: str | None = None
    cosine: float | None = None
    near: bool = False
    agrees: bool | None = None


@dataclass(frozen=True)
class RemovedRow:
    """A row that only the first release has, and why; `fields` is None if it was redacted."""

    id: str
    origin: Origin
    fields: dict[str, Any] | None
    why: WhyRemoved
    reason: str


@dataclass(frozen=True)
class FieldChange:
    """A field before and after; `words`: the change word by word, empty where that would help nobody."""

    field: str
    before: str
    after: str
    words: str


@dataclass(frozen=True)
class EditedRow:
    """A row in place of another that reviewers corrected into it, or that comes from the same original."""

    before: str
    after: str
    origin: Origin
    changes: tuple[FieldChange, ...]


@dataclass(frozen=True)
class Shift:
    """Rows of one kind in the first release and in the second."""

    name: str
    before: int
    after: int


@dataclass(frozen=True)
class Distance:
    """1 minus the cosine of the nearest row: mean, median and greatest over `rows` rows."""

    rows: int
    mean: float
    median: float
    greatest: float


@dataclass(frozen=True)
class Novelty:
    """How far the added rows are from the first release in meaning.

    Attributes:
        model: What the vectors come from.
        threshold: Cosine from which two texts say the same, the one that generation filters by.
        new, near: Added rows below it, and at or over it; `conflicting` of the near ones have another output.
        added: From the added rows to the first release's.
        within: From a sample of the first release's rows to its others: what is usual there.
    """

    model: str
    threshold: float
    new: int
    near: int
    conflicting: int
    added: Distance
    within: Distance | None


@dataclass(frozen=True)
class ReleaseDiff:
    """What changed from one release to another.

    Attributes:
        kept: Rows that both have; `reattested` of them rest on other evidence (other approvals, a seed now).
        added, removed, edited: The rows, in the order of the release that has them.
        why: How many were removed, by reason.
        shifts: `label`, `tag`, `strategy`, `cycle` and `reviewer` to the counts of both.
        novelty: None if nothing was added, or there is nothing to compare it with.
    """

    before: ReleaseSide
    after: ReleaseSide
    kept: int
    reattested: int
    added: tuple[AddedRow, ...]
    removed: tuple[RemovedRow, ...]
    edited: tuple[EditedRow, ...]
    why: dict[WhyRemoved, int]
    shifts: dict[str, tuple[Shift, ...]]
    novelty: Novelty | None
