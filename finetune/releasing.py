"""`release`: an immutable folder with everything that is approved, bound to the ledger by its manifest's hash.

    releases/r001/train.parquet    the rows
    releases/r001/README.md        the card
    releases/r001/manifest.json    every row with its evidence, every file with its hash

The folder is renamed into place first, then the event that makes it count is appended. A process that is
killed in between leaves a folder without an event, which the next run adopts if it is what it would have
written itself, and replaces otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from seedgate.canonical import content_hash, sha256
from seedgate.errors import BusyError, RefusedError
from seedgate.finetune.card import dataset_card
from seedgate.finetune.folders import build_beside, file_entries, place, remove_leftovers, write_file
from seedgate.finetune.integrity import MANIFEST, file_faults
from seedgate.finetune.recalled import recalled_since
from seedgate.finetune.records import Manifest, Release
from seedgate.finetune.rows import Selection, bound_of, select_rows
from seedgate.finetune.table import table_bytes
from seedgate.ledger import Event, Lease, NewEvent
from seedgate.review.quarantine import quarantine_due
from seedgate.review.release_bound import more_for
from seedgate.workspace import Workspace

__all__ = ["Progress", "release", "release_needed"]

BASELINE = "r000"
STEPS = 4

Progress = Callable[[int, int, str], None]
"""Called with what is done, of how much, and a note."""


def release(ws: Workspace, *, dry_run: bool = False, on_progress: Progress | None = None) -> Release:
    """Releases the verified seeds and the approved candidates.

    The first release without any approved row is `r000`; the others count from `r001`. If the newest
    release has the same content and is whole, nothing is made.

    Raises:
        RefusedError: Too few seeds are verified, the evaluation set is not as it was locked, or the error bound
            is above `[policy] max_error`.
        BusyError: Another process is releasing.
    """
    tell = on_progress or (lambda *_: None)
    if dry_run:
        tell(0, STEPS, "reading the ledger")
        chosen = _bounded(ws, select_rows(ws))
        _check_error(ws, chosen)
        return _plan(ws, chosen)
    with ws.ledger.lease("release") as lease:
        tell(0, STEPS, "reading the ledger")
        # What the last pull could not append any more, it being killed, must not get in here.
        quarantine_due(ws, lease)
        chosen = _bounded(ws, select_rows(ws))
        _check_error(ws, chosen)
        last = ws.ledger.last("release.created")
        if last is not None and last.payload["content_hash"] == chosen.content_hash and _whole(ws, last):
            return _existing(ws, last, chosen)
        return _make(ws, lease, chosen, last, tell)


def _bounded(ws: Workspace, chosen: Selection) -> Selection:
    approved = [row.id for row in chosen.rows if row.origin == "approved"]
    bound = bound_of(ws, approved, up_to=chosen.head[0], guideline_hash=chosen.guideline_hash)
    return replace(chosen, error_bound=bound)


def _check_error(ws: Workspace, chosen: Selection) -> None:
    """Refuses what may hold more wrong rows than the policy allows."""
    limit, bound = ws.config.policy.max_error, chosen.error_bound
    if not limit or bound is None or bound.share <= limit:
        return
    more = more_for(bound, limit)
    if not bound.judged:
        hint = (
            "`seedgate push --rereview N` lets a second person look at approved rows again; name one in [review]"
            " reviewers or adjudicator"
        )
    elif more.least is None:
        hint = (
            "no number of re-reviews would reach it as things are: let re-reviewers answer more controls, or"
            " raise the quorum"
        )
    else:
        probably = (
            f"probably {more.probable}" if more.probable else f"probably more than the {more.rows} there are"
        )
        hint = (
            f"`seedgate push --rereview N`: {more.least} more would do if none is found wrong, {probably} at"
            " the rate so far"
        )
    raise RefusedError(f"[policy] max_error is {limit:.1%}: {bound}", hint=hint)


def release_needed(ws: Workspace) -> bool:
    """Whether what may be released now differs from the newest release.

    Raises:
        RefusedError: The baseline is not in order.
    """
    last = ws.ledger.last("release.created")
    return last is None or last.payload["content_hash"] != select_rows(ws).content_hash


def _make(ws: Workspace, lease: Lease, chosen: Selection, last: Event | None, tell: Progress) -> Release:
    name = _next_name(ws, chosen)
    target = ws.releases_dir / name
    remove_leftovers(ws.releases_dir)
    with build_beside(target) as folder:
        tell(1, STEPS, f"writing {name}")
        manifest_hash = _write(ws, folder, name, chosen, last)
        tell(2, STEPS, f"placing {name}")
        if not _same(folder, target):
            place(folder, target)
    tell(3, STEPS, "recording it in the ledger")
    candidates = [row.id for row in chosen.rows if row.origin == "approved"]
    payload = {
        "manifest_hash": manifest_hash,
        "content_hash": chosen.content_hash,
        "rows": len(chosen.rows),
        "counts": chosen.counts.model_dump(),
        "head": {"seq": chosen.head[0], "hash": chosen.head[1]},
        "eval_hash": chosen.eval_hash,
        "ids": content_hash(candidates),
    }
    event = NewEvent("release.created", name, payload, f"release:{name}", (candidates,))
    if not ws.ledger.append([event], lease=lease):
        raise BusyError(f"another process made release {name} at the same time", hint="run it again")
    tell(STEPS, STEPS, name)
    return Release(
        name=name,
        path=target,
        created=True,
        counts=chosen.counts,
        manifest_hash=manifest_hash,
        omitted=chosen.omitted,
        error_bound=chosen.error_bound,
    )


def _write(ws: Workspace, folder: Path, name: str, chosen: Selection, last: Event | None) -> str:
    """Writes the three files; the manifest, which speaks of the others, comes last. Returns its hash."""
    recalled = recalled_since(ws.ledger, last.payload["head"]["seq"] if last else 0, chosen.head[0])
    table = table_bytes(ws.task, chosen.values)
    card = dataset_card(ws.task, name, chosen, table, stated=ws.config.release, recalled=recalled)
    files = {"train.parquet": table, "README.md": card.encode()}
    manifest = Manifest(
        name=name,
        previous=last.subject if last else None,
        task=ws.task.name,
        task_hash=chosen.task_hash,
        policy={
            **ws.config.policy.model_dump(mode="json"),
            **{name: getattr(ws.config.review, name) for name in ("quorum", "max_miss_rate", "min_pace_s")},
        },
        guideline_hash=chosen.guideline_hash,
        eval_hash=chosen.eval_hash,
        ledger_seq=chosen.head[0],
        ledger_head=chosen.head[1],
        content_hash=chosen.content_hash,
        counts=chosen.counts,
        recalled=recalled,
        semantic=chosen.semantic,
        error_bound=chosen.error_bound,
        files={file_name: write_file(folder / file_name, data) for file_name, data in files.items()},
        rows=chosen.rows,
    )
    text = json.dumps(manifest.model_dump(mode="json"), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    write_file(folder / MANIFEST, text.encode())
    return sha256(text)


def _same(folder: Path, target: Path) -> bool:
    """Whether a killed process left exactly this folder in its place already."""
    if target.is_symlink() or not target.is_dir() or any(path.is_symlink() for path in target.rglob("*")):
        return False
    return file_entries(folder) == file_entries(target)


def _next_name(ws: Workspace, chosen: Selection) -> str:
    taken = [event.subject for event in ws.ledger.events("release.created")]
    if not taken and not chosen.counts.approved:
        return BASELINE
    numbers = [int(name[1:]) for name in taken if re.fullmatch(r"r\d+", name)]
    return f"r{max(numbers, default=0) + 1:03d}"


def _whole(ws: Workspace, last: Event) -> bool:
    return next(file_faults(ws, last), None) is None


def _existing(ws: Workspace, last: Event, chosen: Selection) -> Release:
    return Release(
        name=last.subject,
        path=ws.releases_dir / last.subject,
        created=False,
        counts=chosen.counts,
        manifest_hash=last.payload["manifest_hash"],
        omitted=chosen.omitted,
        error_bound=chosen.error_bound,
    )


def _plan(ws: Workspace, chosen: Selection) -> Release:
    last = ws.ledger.last("release.created")
    if last is not None and last.payload["content_hash"] == chosen.content_hash and _whole(ws, last):
        return _existing(ws, last, chosen).model_copy(update={"dry_run": True})
    name = _next_name(ws, chosen)
    return Release(
        name=name,
        path=ws.releases_dir / name,
        created=False,
        dry_run=True,
        counts=chosen.counts,
        manifest_hash="",
        omitted=chosen.omitted,
        error_bound=chosen.error_bound,
    )
