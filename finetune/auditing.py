"""`audit`: the whole ledger, every body it speaks of, and every release, recomputed; all faults, not the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from seedgate.errors import InputError, LedgerError, RefusedError
from seedgate.finetune.integrity import (
    evidence_faults,
    file_faults,
    read_manifest,
    read_rows,
    row_faults,
    withdrawn_files,
)
from seedgate.finetune.releasing import Progress
from seedgate.finetune.rows import reviewed_seeds, sign_offs
from seedgate.ledger import Event, Fault
from seedgate.review.state import read_state
from seedgate.seeds.locking import evaluation_set
from seedgate.workspace import Workspace

__all__ = ["audit"]

_BATCH = 500

_BODIES: dict[str, Callable[[str, Any], list[Any]]] = {
    "seed.added": lambda subject, _: [subject],
    "candidate.created": lambda subject, _: [subject],
    "request.completed": lambda _, payload: [payload.get("raw_hash")],
    "round.opened": lambda _, payload: [
        payload["round"].get("guidelines"),
        *(assignment.get("shown_hash") for assignment in payload["assignments"]),
    ],
    "rereview.drawn": lambda _, payload: [payload.get("joined")],
    "control.made": lambda _, payload: [payload["candidate_id"]],
    "verdict.recorded": lambda _, payload: [payload.get("comment_hash")],
    "docket.opened": lambda _, payload: [
        payload["docket"].get("guidelines"),
        *(case.get("shown_hash") for case in payload["cases"]),
    ],
    "adjudication.recorded": lambda _, payload: [payload.get("comment_hash")],
    "release.created": lambda _, payload: [payload["ids"]],
    "model.evaluated": lambda _, payload: [
        payload["predictions_hash"],
        (payload.get("unconstrained") or {}).get("predictions_hash"),
    ],
}
"""Kind of event to the hashes of the bodies it cannot do without."""

_ONCE = {
    "workspace.created": False,
    "round.opened": True,
    "round.pushed": True,
    "candidate.created": True,
    "release.created": True,
}
"""Kind of event that happens once: for each subject, or at all."""


def audit(
    ws: Workspace, *, expect_head: str | None = None, on_progress: Progress | None = None
) -> list[Fault]:
    """Everything that is wrong with the ledger and the releases; an empty list is a clean audit.

    Rows that were recalled after a release are no fault: they are on record, and `train` refuses them.

    Args:
        expect_head: A head noted earlier; it must still be in the chain.
    """
    tell = on_progress or (lambda *_: None)
    tell(0, 0, "recomputing the ledger's chain")
    faults = list(ws.ledger.verify(expect_head=expect_head))
    faults += _within(_rest(ws, tell), bool(faults))
    return faults


def _rest(ws: Workspace, tell: Progress) -> Iterator[Fault]:
    releases = list(ws.ledger.events("release.created"))
    total = 2 + len(releases)
    tell(1, total, "reading what the ledger says")
    for purpose in ("candidates", "seeds"):
        read_state(ws.ledger, purpose=purpose)  # an event that cannot be read ends the audit here, named
    tell(1, total, "looking for the bodies of events")
    yield from _missing_bodies(ws)
    yield from _repeated(ws)
    yield from _evaluation_faults(ws)
    yield from _seed_faults(ws)
    for number, event in enumerate(releases, 2):
        tell(number, total, f"recomputing release {event.subject}")
        yield from _release_faults(ws, event)
    yield from _strangers(ws, {event.subject for event in releases})
    tell(total, total, "")


def _within(faults: Iterator[Fault], damaged: bool) -> Iterator[Fault]:
    """The faults, up to where a damaged ledger cannot be read any further."""
    try:
        yield from faults
    except LedgerError as error:
        yield Fault("ledger", f"cannot be read any further: {error.message}")
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        if not damaged:
            raise
        yield Fault("ledger", f"cannot be read any further ({type(error).__name__})")


def _release_faults(ws: Workspace, event: Event) -> Iterator[Fault]:
    manifest = read_manifest(ws, event)
    files = list(file_faults(ws, event))
    yield from files
    if isinstance(manifest, Fault):
        return
    yield from evidence_faults(ws, event, manifest)
    if not files and not withdrawn_files(ws, event.subject):
        try:
            yield from row_faults(ws, manifest, read_rows(ws, manifest))
        except RefusedError as error:
            yield Fault(f"release {event.subject}", error.message)


def _evaluation_faults(ws: Workspace) -> Iterator[Fault]:
    if ws.ledger.last("eval.locked") is None:
        return
    yield from _lock_faults(ws)
    try:
        evaluation_set(ws)
    except (InputError, RefusedError) as error:
        yield Fault(ws.eval_path.name, error.message)


def _seed_faults(ws: Workspace) -> Iterator[Fault]:
    """Seeds said to be verified in Argilla that no verdict there approves; no release takes them."""
    seq, _ = ws.ledger.head()
    asked = {id_ for id_, by in sign_offs(ws.ledger, up_to=seq).items() if by is None}
    known = reviewed_seeds(ws, asked, up_to=seq, guideline_hash=ws.guidelines()[1])
    for id_ in sorted(asked - known):
        yield Fault(f"seed {id_[:12]}", "is said to be verified in Argilla, and no verdict there approves it")


def _lock_faults(ws: Workspace) -> Iterator[Fault]:
    """A locked set may shrink by rows that were redacted, and change in no other way."""
    redacted, known = ws.ledger.redacted(), None
    for event in ws.ledger.events("eval.locked"):
        ids = set(event.payload["ids"])
        if known is not None and not (ids < known and known - ids <= redacted):
            yield Fault(
                f"event {event.seq} (eval.locked)",
                "locks a set again: it can happen only once, but for leaving redacted rows out",
            )
        known = ids


def _repeated(ws: Workspace) -> Iterator[Fault]:
    """Events that can happen once and are there again: our own commands can't have written the second."""
    seen: dict[tuple[str, str], int] = {}
    for event in ws.ledger.events(*_ONCE):
        first = seen.setdefault((event.kind, event.subject if _ONCE[event.kind] else ""), event.seq)
        if first != event.seq:
            yield Fault(
                f"event {event.seq} ({event.kind})", f"repeats event {first}: it can happen only once"
            )


def _missing_bodies(ws: Workspace) -> Iterator[Fault]:
    events, redacted = ws.ledger.events(*_BODIES), ws.ledger.redacted()
    while batch := list(islice(events, _BATCH)):
        wanted = {
            digest: event
            for event in batch
            for digest in _BODIES[event.kind](event.subject, event.payload)
            if digest and digest not in redacted
        }
        present = _present(ws, list(wanted))
        for digest, event in wanted.items():
            if digest not in present:
                yield Fault(f"event {event.seq} ({event.kind})", f"its body {digest[:12]} is gone")


def _present(ws: Workspace, digests: list[str]) -> set[str]:
    """Those that are there, changed or not: the chain's check has named the changed ones already."""
    try:
        return set(ws.ledger.bodies(digests))
    except LedgerError:
        return {digest for digest in digests if _there(ws, digest)}


def _there(ws: Workspace, digest: str) -> bool:
    try:
        return bool(ws.ledger.bodies([digest]))
    except LedgerError:
        return True


def _strangers(ws: Workspace, known: set[str]) -> Iterator[Fault]:
    if not ws.releases_dir.is_dir():
        return
    for path in sorted(ws.releases_dir.iterdir()):
        if path.name not in known and not path.name.startswith("."):
            yield Fault(f"releases/{path.name}", "the ledger knows no release of this name")
