"""`seeds verify`: a person vouches for the seeds, once, before anything is generated.

After the first generation this door is shut: seeds could otherwise carry generated rows around the gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from seedgate.errors import RefusedError
from seedgate.ledger import Ledger, NewEvent
from seedgate.records import Example
from seedgate.seeds.checking import check
from seedgate.seeds.content import text_of
from seedgate.seeds.findings import CheckReport
from seedgate.seeds.leakage import LeakCheck
from seedgate.seeds.locking import evaluation_set
from seedgate.seeds.near import NearIndex
from seedgate.seeds.reading import Progress, read_examples
from seedgate.seeds.verified import verified_seeds
from seedgate.workspace import Workspace

__all__ = ["added", "candidate_index", "seed_rows", "verify"]


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

    A sign-off is of the file as it is: rows that are new in it are added to the ledger first, a row that
    was signed off before and is no longer in it (corrected, say) is withdrawn, and a row that somebody has
    vouched for already stays theirs.

    Returns:
        How many seeds became verified (with `dry_run`: would become).

    Raises:
        InputError: `seeds.jsonl` cannot be read.
        RefusedError: Generation has begun, the check finds errors, a row is a stored candidate, or a reviewer
            rejected it in Argilla.
    """
    if not by.strip() or not statement.strip():
        raise RefusedError("a sign-off needs a name and a statement", hint="say who vouches, and for what")
    if dry_run:
        return len(_changes(ws, _checked(ws, on_progress))[0])
    # Generation holds this lease too, so that it cannot begin between the check and the append.
    with ws.ledger.lease("generate") as lease:
        fresh, gone = _changes(ws, _checked(ws, on_progress))
        ws.ledger.append(_events(ws.ledger, fresh, gone, by.strip(), statement.strip()), lease=lease)
    return len(fresh)


def _changes(ws: Workspace, seeds: Sequence[Example]) -> tuple[list[Example], list[str]]:
    """The rows that nobody has vouched for yet, and the ids signed off before that left the file."""
    verified, _ = verified_seeds(ws)
    signed = {e.subject for e in ws.ledger.events("seed.verified") if e.payload["method"] == "sign-off"}
    in_file = {seed.id for seed in seeds}
    fresh = [seed for seed in seeds if seed.id not in verified]
    rejected = _rejected(ws.ledger)
    for seed in fresh:
        if seed.id in rejected:
            raise RefusedError(
                f"{seed.source}: {rejected[seed.id]} rejected this seed in Argilla",
                hint="take it out of seeds.jsonl, correct it, or have it approved in Argilla after all",
            )
    return fresh, [id_ for id_ in verified if id_ in signed and id_ not in in_file]


def _rejected(ledger: Ledger) -> dict[str, str]:
    """Id of each seed with a standing rejection in Argilla, and whose it is; nobody signs that off by the way."""
    standing: dict[str, tuple[str, str]] = {}
    for event in ledger.events("verdict.recorded", "verdict.changed"):
        standing.pop(event.payload["response_id"], None)
        if event.kind == "verdict.recorded" and event.payload["decision"] == "reject":
            standing[event.payload["response_id"]] = (event.subject, event.payload["reviewer"])
    return dict(standing.values())


def _events(
    ledger: Ledger, fresh: Sequence[Example], gone: Sequence[str], by: str, statement: str
) -> list[NewEvent]:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    keys = [f"verified:{seed.id}" for seed in fresh]
    # A seed that was withdrawn and is back has its key in the ledger already.
    used = ledger.existing_keys(keys)
    payload = {"method": "sign-off", "by": by, "statement": statement, "at": at}
    return [
        *(NewEvent("seed.withdrawn", id_, {"by": by, "at": at}) for id_ in gone),
        *map(added, fresh),
        *(
            NewEvent("seed.verified", seed.id, payload, key=None if key in used else key)
            for seed, key in zip(fresh, keys, strict=True)
        ),
    ]


def _checked(ws: Workspace, on_progress: Progress | None) -> list[Example]:
    """The rows of `seeds.jsonl`, or a refusal."""
    refuse_after_generation(ws.ledger)
    return seed_rows(ws, on_progress)


def seed_rows(ws: Workspace, on_progress: Progress | None = None) -> list[Example]:
    """The rows of `seeds.jsonl`, checked; the same whichever way they are to be verified.

    Raises:
        InputError: It cannot be read.
        RefusedError: The check finds errors, or a row that is not verified yet resembles a stored candidate.
    """
    seeds = read_examples(str(ws.seeds_path), ws.task, on_progress=on_progress)
    threshold, evaluation = ws.config.policy.near_duplicate, evaluation_set(ws)
    leaks = LeakCheck.for_workspace(ws, evaluation)
    refuse_errors(
        check(seeds, evaluation, ws.task, near_duplicate=threshold, leaks=leaks, on_progress=on_progress)
    )
    verified, _ = verified_seeds(ws)
    _refuse_candidates(ws, [seed for seed in seeds if seed.id not in verified])
    return seeds


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


def candidate_index(ws: Workspace) -> NearIndex:
    """Every stored candidate's input, to find what is equal or near to one."""
    index = NearIndex(ws.config.policy.near_duplicate)
    ids = [event.subject for event in ws.ledger.events("candidate.created")]
    for candidate, fields in ws.ledger.bodies(ids).items():
        index.add(candidate, text_of(ws.task, fields))
    return index


def _refuse_candidates(ws: Workspace, seeds: Sequence[Example]) -> None:
    index = candidate_index(ws) if seeds else NearIndex(ws.config.policy.near_duplicate)
    for seed in seeds:
        found = index.nearest(text_of(ws.task, seed.fields))
        if found is not None:
            raise RefusedError(
                f"{seed.source}: {found[1]:.0%} like the generated candidate {found[0][:12]}",
                hint="only review in Argilla can approve generated content",
            )
