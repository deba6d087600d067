"""`release diff`: what one release has that another has not, and what that means.

Both are verified first, as `train` does; one that may not be trained on today is compared all the same, and said to be
so. Rows are told apart by their ids, which are their content. All else is read from the ledger, a batch at a time: what
both releases have is counted, never held.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from seedgate.errors import InputError, RefusedError
from seedgate.finetune.departures import departures
from seedgate.finetune.diff_records import (
    AddedRow,
    EditedRow,
    FieldChange,
    ReleaseDiff,
    ReleaseSide,
    RemovedRow,
    Shift,
)
from seedgate.finetune.novelty import Nearest, novelty
from seedgate.finetune.records import Manifest, ManifestRow
from seedgate.finetune.releasing import Progress
from seedgate.finetune.verifying import ReleaseAsMade, release_event, releases_as_made
from seedgate.ledger import Event
from seedgate.records import Example
from seedgate.review.wording import word_diff
from seedgate.seeds.coverage import values_of
from seedgate.task import Task
from seedgate.workspace import Workspace

__all__ = ["release_diff"]

BATCH = 500
STEPS = 4
_ORIGINS = {"seed.added": "seed", "candidate.created": "approved"}

Rows = Mapping[str, ManifestRow]


def release_diff(
    ws: Workspace,
    before: str | None = None,
    after: str | None = None,
    *,
    on_progress: Progress | None = None,
) -> ReleaseDiff:
    """What changed from one release to another.

    Args:
        ws: The workspace.
        before: Name of the first; the one made before the second if not given.
        after: Name of the second; the newest if not given.
        on_progress: Told of each step.

    Raises:
        InputError: No release can have such a name, or both are the same.
        RefusedError: The ledger knows no such release, there is nothing to compare, or one is damaged.
    """
    tell = on_progress or (lambda *_: None)
    names = _names(ws, before, after)
    tell(0, STEPS, f"verifying {' and '.join(names)}")
    first, second = releases_as_made(ws, names)
    old, new = _rows(first.manifest), _rows(second.manifest)
    tell(1, STEPS, "reading what rows came from")
    shifts, parents = _counted(ws, (old, new))
    gone = {id_: row for id_, row in old.items() if id_ not in new}
    come = {id_: row for id_, row in new.items() if id_ not in old}
    texts = ws.ledger.bodies([*gone, *come])
    edited = _edited(ws.task, gone, come, parents, texts)
    for each in edited:
        del gone[each.before], come[each.after]
    tell(2, STEPS, "asking why rows went")
    why = departures(ws, gone, second.manifest)
    tell(3, STEPS, "comparing in meaning")
    whole, nearest = novelty(ws, list(old), {id_: texts[id_] for id_ in come if id_ in texts})
    tell(STEPS, STEPS, "")
    return ReleaseDiff(
        before=_side(first),
        after=_side(second),
        kept=len(old.keys() & new.keys()),
        reattested=sum(old[id_].row_hash != new[id_].row_hash for id_ in old.keys() & new.keys()),
        added=tuple(_added(id_, row, texts.get(id_), nearest.get(id_)) for id_, row in come.items()),
        removed=tuple(RemovedRow(id_, row.origin, texts.get(id_), *why[id_]) for id_, row in gone.items()),
        edited=edited,
        why=dict(Counter(why[id_].why for id_ in gone).most_common()),
        shifts=shifts,
        novelty=whole,
    )


def _names(ws: Workspace, before: str | None, after: str | None) -> tuple[str, str]:
    made = [event.subject for event in ws.ledger.events("release.created")]
    if not made:
        raise RefusedError("there is no release yet", hint="run `seedgate release`")
    for name in (before, after):
        if name is not None:
            release_event(ws, name)
    if len(made) == 1:
        raise RefusedError(
            f"there is only one release, {made[0]}: nothing to compare it with",
            hint="`seedgate release` makes the next when more is approved",
        )
    after = after or made[-1]
    if before is None:
        place = made.index(after)
        if not place:
            raise InputError(f"{after} is the first release", hint="name the one to compare it with first")
        before = made[place - 1]
    if before == after:
        raise InputError(f"{before} is compared with itself", hint=f"releases are {', '.join(made[-5:])}")
    return before, after


def _rows(manifest: Manifest) -> dict[str, ManifestRow]:
    return {row.id: row for row in manifest.rows}


def _added(id_: str, row: ManifestRow, fields: dict[str, Any] | None, nearest: Nearest | None) -> AddedRow:
    return AddedRow(id_, row.origin, fields, *(nearest or ()))


def _side(release: ReleaseAsMade) -> ReleaseSide:
    manifest = release.manifest
    return ReleaseSide(
        name=manifest.name,
        at=release.at,
        manifest_hash=release.manifest_hash,
        counts=manifest.counts,
        error_bound=manifest.error_bound,
        refused=release.refused,
    )


# -- what rows came from ---------------------------------------------------------------------------------


class _Origin(NamedTuple):
    """What the ledger's event about a row says."""

    id: str
    kind: str
    tags: tuple[str, ...]
    strategy: str
    cycle: int | None
    parent: str | None
    labels: tuple[str, ...]


def _counted(ws: Workspace, sides: tuple[Rows, Rows]) -> tuple[dict[str, tuple[Shift, ...]], dict[str, str]]:
    """Counts of both by label, tag, strategy, cycle and reviewer; and which rows were corrected from which."""
    counts: dict[str, tuple[Counter[str], Counter[str]]] = defaultdict(lambda: (Counter(), Counter()))
    parents: dict[str, str] = {}
    for origin in _origins(ws, sides):
        if origin.parent:
            parents[origin.id] = origin.parent
        for side, rows in enumerate(sides):
            row = rows.get(origin.id)
            if row is None or row.origin != origin.kind:
                continue
            counts["label"][side].update(origin.labels)
            counts["tag"][side].update(origin.tags)
            counts["strategy"][side][origin.strategy] += 1
            if origin.cycle is not None:
                counts["cycle"][side][str(origin.cycle)] += 1
            counts["reviewer"][side].update(row.approvers)
    return {
        what: _shifts(what, *counts[what]) for what in ("label", "tag", "strategy", "cycle", "reviewer")
    }, parents


def _shifts(what: str, before: Counter[str], after: Counter[str]) -> tuple[Shift, ...]:
    names: Iterable[str] = before | after
    if what == "cycle":
        names = sorted(names, key=int)
    else:
        names = sorted(names, key=lambda name: (-after[name], -before[name], name))
    return tuple(Shift(name, before[name], after[name]) for name in names)


def _origins(ws: Workspace, sides: tuple[Rows, Rows]) -> Iterator[_Origin]:
    """Of all rows, in the ledger's order; labels only where one of the releases has the row."""
    events = ws.ledger.events(*_ORIGINS)
    labelled = any(field.labels for field in ws.task.outputs)
    while batch := list(islice(events, BATCH)):
        asked = [e.subject for e in batch if labelled and any(e.subject in rows for rows in sides)]
        bodies = ws.ledger.bodies(asked)
        for event in batch:
            fields = bodies.get(event.subject)
            labels = values_of(Example(fields=fields), ws.task) if fields is not None else ()
            yield _origin(event, labels)


def _origin(event: Event, labels: tuple[str, ...]) -> _Origin:
    said: Mapping[str, Any] = event.payload
    kind = _ORIGINS[event.kind]
    if kind == "seed":
        return _Origin(
            event.subject, kind, tuple(said.get("tags", ())), "seed", None, said.get("edited_from"), labels
        )
    made = said["provenance"]
    return _Origin(
        id=event.subject,
        kind=kind,
        tags=tuple(said.get("example", {}).get("tags", ())),
        strategy=str(made.get("strategy", "")),
        cycle=int(made.get("cycle", 0)),
        parent=made.get("edited_from"),
        labels=labels,
    )


# -- rows in place of others -----------------------------------------------------------------------------


def _edited(
    task: Task, gone: Rows, come: Rows, parents: Mapping[str, str], texts: Mapping[str, Mapping[str, Any]]
) -> tuple[EditedRow, ...]:
    """Pairs of the same original; rows whose text is gone cannot be compared."""
    waiting: dict[str, list[str]] = defaultdict(list)
    for id_ in gone:
        if id_ in texts:
            waiting[_root(id_, parents)].append(id_)
    found = []
    for id_, row in come.items():
        family = waiting.get(_root(id_, parents))
        if family and id_ in texts:
            old = family.pop(0)
            found.append(EditedRow(old, id_, row.origin, tuple(_changes(task, texts[old], texts[id_]))))
    return tuple(found)


def _root(id_: str, parents: Mapping[str, str]) -> str:
    seen: set[str] = set()
    while id_ in parents and id_ not in seen:
        seen.add(id_)
        id_ = parents[id_]
    return id_


def _changes(task: Task, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    for field in (*task.inputs, *task.outputs):
        old, new = (_text(fields.get(field.name, "")) for fields in (before, after))
        if old != new:
            yield FieldChange(field.name, old, new, word_diff(old, new) if field.is_text else "")


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
