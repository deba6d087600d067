"""`seeds verify`: a person vouches for the seeds, once, before anything is generated.

After the first generation this door is shut: seeds could otherwise carry generated rows around the gate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from seedgate.errors import RefusedError
from seedgate.ledger import Ledger, NewEvent
from seedgate.records import Example
from seedgate.seeds.checking import CheckReport, check
from seedgate.seeds.content import text_of
from seedgate.seeds.near import NearIndex
from seedgate.seeds.reading import Progress, read_examples
from seedgate.workspace import Workspace

__all__ = ["added", "verify"]


def added(example: Example) -> NewEvent:
    """The event that puts a seed into the ledger."""
    return NewEvent(
        "seed.added",
        example.id,
        {"tags": list(example.tags), "source": example.source},
        key=f"seed:{example.id}",
        bodies=(example.fields,),
    )


def verify(
    ws: Workspace,
    *,
    by: str,
    statement: str,
    dry_run: bool = False,
    on_progress: Progress | None = None,
) -> int:
    """Signs off the rows of `seeds.jsonl`: `by` vouches for every one of them.

    Rows that are new in the file are added to the ledger first; rows that left the file are not verified;
    a row that somebody has vouched for already stays theirs.

    Returns:
        How many seeds became verified (with `dry_run`: would become).

    Raises:
        InputError: `seeds.jsonl` cannot be read.
        RefusedError: Generation has begun, the check finds errors, or a row is a stored candidate.
    """
    if not by.strip() or not statement.strip():
        raise RefusedError("a sign-off needs a name and a statement", hint="say who vouches, and for what")
    refuse_after_generation(ws.ledger)
    seeds = read_examples(str(ws.seeds_path), ws.task, on_progress=on_progress)
    evaluation = read_examples(str(ws.eval_path), ws.task) if ws.eval_path.is_file() else []
    threshold = ws.config.policy.near_duplicate
    refuse_errors(check(seeds, evaluation, ws.task, near_duplicate=threshold, on_progress=on_progress))
    _refuse_candidates(ws, seeds, threshold)
    known = ws.ledger.existing_keys([f"verified:{seed.id}" for seed in seeds])
    fresh = [seed for seed in seeds if f"verified:{seed.id}" not in known]
    if dry_run:
        return len(fresh)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    payload = {"method": "sign-off", "by": by.strip(), "statement": statement.strip(), "at": at}

    def events() -> Iterator[NewEvent]:
        for seed in seeds:
            yield added(seed)
            yield NewEvent("seed.verified", seed.id, payload, key=f"verified:{seed.id}")

    written = ws.ledger.append(events())
    return sum(event.kind == "seed.verified" for event in written)


def refuse_after_generation(ledger: Ledger) -> None:
    """RefusedError once anything was generated."""
    if ledger.last("run.started") is not None:
        raise RefusedError(
            "seeds cannot be signed off after the first generation",
            hint="put new seeds before a reviewer in Argilla",
        )


def refuse_errors(report: CheckReport) -> None:
    """RefusedError naming the first error of a check."""
    if not report.ok:
        first, more = report.errors[0], len(report.errors) - 1
        others = f" (and {more} more; `seedgate seeds check` lists them)" if more else ""
        raise RefusedError(f"{first}{others}")


def _refuse_candidates(ws: Workspace, seeds: Sequence[Example], threshold: float) -> None:
    index = NearIndex(threshold)
    ids = [event.subject for event in ws.ledger.events("candidate.created")]
    for candidate, fields in ws.ledger.bodies(ids).items():
        index.add(candidate, text_of(ws.task, fields))
    for seed in seeds if ids else ():
        found = index.nearest(text_of(ws.task, seed.fields))
        if found is not None:
            raise RefusedError(
                f"{seed.source}: {found[1]:.0%} like the generated candidate {found[0][:12]}",
                hint="only review in Argilla can approve generated content",
            )
