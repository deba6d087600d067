"""Pull: read every response over REST and write down what is new about it.

A response is recorded once per content, so pulling again adds nothing, and a pull that was killed goes on
where it stopped. Nothing here decides: that is the gate's work, on what is recorded.
"""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from seedgate.review.board import Board
from seedgate.review.case_reading import CaseReading
from seedgate.review.connect import connect
from seedgate.review.delivery import Progress
from seedgate.review.quarantine import quarantine_due
from seedgate.review.reading import Reading
from seedgate.review.seed_verdicts import SeedCorrections, settled_seeds
from seedgate.review.state import ReviewState, read_state
from seedgate.review.status import open_assignments

if TYPE_CHECKING:
    from seedgate.ledger import NewEvent
    from seedgate.workspace import Workspace

__all__ = ["PullReport", "pull"]


@dataclass(frozen=True)
class PullReport:
    """What a pull found.

    Attributes:
        datasets: Datasets that were read.
        recorded: Verdicts that are new in the ledger.
        decisions: Those by their decision; `malformed` where there is none.
        changed: Verdicts and adjudications that were changed or taken back since an earlier pull.
        rulings: Adjudications that are new in the ledger.
        corrected: New candidates and seeds made of edits.
        dropped: Edits that a filter refused.
        skipped: Records that their reviewer discarded.
        drafts: Answers that are saved but not submitted; they never count.
        recalled: Released rows whose verdict changed.
        seeds_verified, seeds_withdrawn: Seeds that reviewers approved; that they no longer do.
        seeds_refused: Seeds that were approved and still can't be verified, and why, one line each.
        anomalies: What is new and wrong, one line each.
        quarantined: Reviewers whose approvals are set aside from now on, and why.
        open: Records that still wait for an answer.
        dry_run: Whether this only says what would be recorded.
    """

    datasets: int = 0
    recorded: int = 0
    decisions: dict[str, int] = field(default_factory=dict)
    changed: int = 0
    rulings: int = 0
    corrected: int = 0
    dropped: int = 0
    skipped: int = 0
    drafts: int = 0
    recalled: int = 0
    seeds_verified: int = 0
    seeds_withdrawn: int = 0
    seeds_refused: tuple[str, ...] = ()
    anomalies: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()
    open: int = 0
    dry_run: bool = False

    def __str__(self) -> str:
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(self.decisions.items()))
        parts = [
            f"{'would record ' if self.dry_run else ''}{self.recorded} new verdicts"
            + (f" ({kinds})" if kinds else "")
        ]
        for count, what in (
            (self.changed, "changed or taken back"),
            (self.rulings, "adjudicated"),
            (self.corrected, "corrected into new examples"),
            (self.dropped, "corrections dropped by a filter"),
            (self.skipped, "skipped"),
            (self.recalled, "released rows recalled"),
            (self.seeds_verified, "seeds verified"),
            (self.seeds_withdrawn, "seeds verified no more"),
            (self.drafts, "drafts, which do not count"),
        ):
            parts += [f"{count} {what}"] if count else []
        parts.append(f"{self.open} open")
        apart = [f"in quarantine from now on: {each}" for each in self.quarantined]
        return "; ".join([", ".join(parts), *self.seeds_refused, *self.anomalies, *apart])


def pull(
    ws: Workspace, *, on_progress: Progress | None = None, board: Board | None = None, dry_run: bool = False
) -> PullReport:
    """Reads all responses to this workspace's rounds into the ledger.

    Args:
        ws: The workspace.
        on_progress: Called with datasets done, of how many, and whose was read.
        board: Where to pull from; the workspace's Argilla if not given.
        dry_run: Read, and write nothing; what would follow from new verdicts (seeds, quarantines) is not worked out.

    Raises:
        ServiceError: Argilla cannot be used; what was read before is kept.
        BusyError: Another pull is running.
    """
    with nullcontext() if dry_run else ws.ledger.lease("pull") as lease:
        state, seeds = read_state(ws.ledger), read_state(ws.ledger, purpose="seeds")
        places, seed_places = _places(state), _places(seeds)
        written: Counter[str] = Counter()
        anomalies: list[str] = []
        drafts = 0
        refused: tuple[str, ...] = ()
        if places or seed_places or state.pushed_dockets:
            with connect(ws, board) as argilla:
                reading, cases = Reading(ws, state, argilla), CaseReading(ws, state, argilla)
                of_seeds = Reading(ws, seeds, argilla, SeedCorrections(ws))
                found = [
                    *((place[1], of_seeds.dataset(*place)) for place in seed_places),
                    *((place[1], reading.dataset(*place)) for place in places),
                    *((p.docket.by, cases.docket(p)) for p in state.pushed_dockets.values()),
                ]
                for done, (whose, events) in enumerate(found, 1):
                    new = list(events)
                    for event in _unknown(ws, new) if lease is None else ws.ledger.append(new, lease=lease):
                        written[_counted(event.kind, event.payload)] += 1
                        if event.kind == "review.anomaly":
                            anomalies.append(f"{event.payload['what']}: {event.payload['detail']}")
                    if on_progress is not None:
                        on_progress(done, len(found), whose)
                drafts = reading.drafts + of_seeds.drafts
            if lease is not None:
                settled, refused = settled_seeds(ws)
                written.update(event.kind for event in ws.ledger.append(settled, lease=lease))
        quarantined = quarantine_due(ws, lease) if lease is not None else ()
    datasets = len(places) + len(seed_places) + len(state.pushed_dockets)
    report = _report(ws, written, anomalies, datasets, drafts)
    return replace(report, seeds_refused=refused, quarantined=quarantined, dry_run=dry_run)


def _unknown(ws: Workspace, new: list[NewEvent]) -> list[NewEvent]:
    """Those that an append would write."""
    known = ws.ledger.existing_keys([event.key for event in new if event.key is not None])
    return [event for event in new if event.key not in known]


def _places(state: ReviewState) -> list[tuple[str, str, str]]:
    """(round, reviewer, dataset id) of everything that was pushed."""
    return [
        (round_id, reviewer, dataset_id)
        for round_id, datasets in state.datasets.items()
        for reviewer, dataset_id in datasets.items()
    ]


def _counted(kind: str, payload: Any) -> str:
    return f"verdict {payload.get('decision') or 'malformed'}" if kind == "verdict.recorded" else kind


def _report(
    ws: Workspace, written: Counter[str], anomalies: list[str], datasets: int, drafts: int
) -> PullReport:
    verdicts = {
        kind.removeprefix("verdict "): n for kind, n in written.items() if kind.startswith("verdict ")
    }
    return PullReport(
        datasets=datasets,
        recorded=sum(verdicts.values()),
        decisions=verdicts,
        changed=written["verdict.changed"] + written["adjudication.changed"],
        rulings=written["adjudication.recorded"],
        corrected=written["candidate.created"] + written["seed.added"],
        dropped=written["candidate.dropped"],
        skipped=written["record.skipped"],
        drafts=drafts,
        seeds_verified=written["seed.verified"],
        seeds_withdrawn=written["seed.withdrawn"],
        recalled=written["row.recalled"],
        anomalies=tuple(anomalies),
        open=open_assignments(ws),
    )
