"""The text of `release diff`. What models and people wrote is shown on one line, invisible characters marked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from seedgate.cli.output import table
from seedgate.finetune.diff_records import (
    AddedRow,
    Distance,
    EditedRow,
    FieldChange,
    Novelty,
    ReleaseDiff,
    ReleaseSide,
    RemovedRow,
    Shift,
)
from seedgate.review.visible import reveal
from seedgate.task import Task

__all__ = ["diff_text"]

WIDEST = 160
"""Characters of a text that are shown."""

MOST_KINDS = 12
"""Labels, tags and so on that are shown, those with the most rows; --json has all."""

Row = TypeVar("Row", AddedRow, EditedRow, RemovedRow)


def diff_text(task: Task, found: ReleaseDiff, limit: int) -> str:
    """For people.

    Args:
        task: Says in what order fields are shown.
        found: What to tell.
        limit: Rows shown of each kind.
    """
    before = found.before.name
    parts = [
        _sides(found),
        "\n".join([*_refused(found.before), *_refused(found.after), _counted(found)]),
        _meaning(found.novelty, before) if found.novelty else "",
        *(_shift(what, shifts, found) for what, shifts in found.shifts.items() if shifts),
        "\n".join(_listed("added", found.added, limit, lambda row: _added(task, row))),
        "\n".join(_listed("edited", found.edited, limit, _edited)),
        "\n".join(_listed("removed", found.removed, limit, lambda row: _removed(task, row))),
    ]
    return "\n\n".join(part for part in parts if part)


def _sides(found: ReleaseDiff) -> str:
    sides = (found.before, found.after)
    counts = [side.counts for side in sides]
    rows: list[list[Any]] = [
        ["made", *(side.at[:16] for side in sides)],
        ["rows", *(each.rows for each in counts)],
        ["seeds", *(each.seeds for each in counts)],
        ["approved", *(each.approved for each in counts)],
        ["of them SIMULATED", *(each.approved_simulated for each in counts)],
        ["of them corrected", *(each.edited for each in counts)],
    ]
    said = [f"{side.name}: {side.error_bound or 'no generated rows'}" for side in sides]
    return "\n".join([table(["release", *(side.name for side in sides)], rows), *said])


def _refused(side: ReleaseSide) -> Iterator[str]:
    if side.refused:
        more = f" (and {len(side.refused) - 1} more)" if len(side.refused) > 1 else ""
        yield f"{side.name}: `seedgate train` refuses it today: {_line(side.refused[0])}{more}"


def _counted(found: ReleaseDiff) -> str:
    kept = f"kept {found.kept}" + (f" ({found.reattested} on other evidence)" if found.reattested else "")
    why = ", ".join(f"{name} {count}" for name, count in found.why.items())
    removed = f"removed {len(found.removed)}" + (f" ({why})" if why else "")
    return f"{kept}, added {len(found.added)}, edited {len(found.edited)}, {removed}"


def _meaning(novelty: Novelty, before: str) -> str:
    near = f"{novelty.near} near to a row of {before}"
    if novelty.conflicting:
        near += f", {novelty.conflicting} of them with another output"
    lines = [
        f"in meaning: {novelty.new} of {novelty.new + novelty.near} added rows are new, {near}"
        f" (cosine from {novelty.threshold:.3f}; {_line(novelty.model)})",
        f"distance from an added row to the nearest of {before}: {_distance(novelty.added)}",
    ]
    if novelty.within is not None:
        lines.append(f"from a row of {before} to its nearest other: {_distance(novelty.within)}")
    return "\n".join(lines)


def _distance(own: Distance) -> str:
    return f"mean {own.mean:.3f}, median {own.median:.3f}, greatest {own.greatest:.3f} ({own.rows} rows)"


def _shift(what: str, shifts: Sequence[Shift], found: ReleaseDiff) -> str:
    totals = (found.before.counts, found.after.counts)
    # Seeds come from no cycle and no reviewer of candidates: the share is of the approved rows.
    before, after = (each.approved if what in ("cycle", "reviewer") else each.rows for each in totals)
    rows: list[list[Any]] = [
        [_line(each.name), each.before, _share(each.before, before), each.after, _share(each.after, after)]
        for each in shifts[:MOST_KINDS]
    ]
    text = table([what, found.before.name, "%", found.after.name, "%"], rows)
    return f"{text}\n... and {len(shifts) - MOST_KINDS} more" if len(shifts) > MOST_KINDS else text


def _share(count: int, total: int) -> int:
    return round(100 * count / total) if total else 0


def _listed(
    title: str, rows: Sequence[Row], limit: int, told: Callable[[Row], Iterator[str]]
) -> Iterator[str]:
    if not rows:
        return
    yield f"{title}:"
    for row in rows[:limit]:
        yield from told(row)
    if len(rows) > limit:
        yield f"... and {len(rows) - limit} more: --limit shows them, --json has all"


def _added(task: Task, row: AddedRow) -> Iterator[str]:
    yield f"+ {row.id[:12]} {row.origin}: {_fields(task, row.fields)}"
    if row.near:
        output = "the same output" if row.agrees else "ANOTHER OUTPUT"
        yield f"    near to {str(row.nearest)[:12]} in meaning ({row.cosine:.3f}), {output}"


def _edited(row: EditedRow) -> Iterator[str]:
    yield f"~ {row.before[:12]} -> {row.after[:12]} {row.origin}"
    for change in row.changes:
        yield f"    {change.field}: {_change(change)}"


def _change(change: FieldChange) -> str:
    return _line(change.words) if change.words else f"{_line(change.before)} -> {_line(change.after)}"


def _removed(task: Task, row: RemovedRow) -> Iterator[str]:
    yield f"- {row.id[:12]} {row.origin}: {_fields(task, row.fields)}"
    yield f"    {row.why}: {_line(row.reason)}"


def _fields(task: Task, fields: Mapping[str, Any] | None) -> str:
    if fields is None:
        return "(its text is gone)"
    names = [field.name for field in (*task.inputs, *task.outputs)]
    return " | ".join(_line(fields[name]) for name in names if fields.get(name))


def _line(value: Any) -> str:
    """A text on one line, cut, with a mark for each character that a terminal would hide or act on."""
    text = " ".join(reveal(", ".join(map(str, value)) if isinstance(value, list) else str(value)).split())
    return text if len(text) <= WIDEST else text[: WIDEST - 3] + "..."
