"""The baseline every later room builds on: verified seeds and a locked evaluation set, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seedgate.errors import RefusedError
from seedgate.ledger import Ledger
from seedgate.records import Example
from seedgate.seeds.locking import evaluation_set, set_hash, standing_lock
from seedgate.workspace import Workspace

__all__ = ["Baseline", "baseline", "verifications", "verified_seeds"]


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a workspace holds before anything is generated.

    Attributes:
        seeds: Verified seeds by id, in the order they were added; their content is the ledger's.
        vouched: Id of a seed to who vouched for it.
        evaluation: The locked evaluation set, in the file's order.
        eval_hash: Its hash, as locked.
    """

    seeds: dict[str, Example]
    vouched: dict[str, str]
    evaluation: tuple[Example, ...]
    eval_hash: str

    @property
    def seed_set_hash(self) -> str:
        """The hash of the set of verified seeds."""
        return set_hash(self.seeds)


def verified_seeds(ws: Workspace) -> tuple[dict[str, Example], dict[str, str]]:
    """The verified seeds by id in the order they were added, and who vouched for each."""
    vouched = {id_: str(payload["by"]) for id_, payload in verifications(ws.ledger).items()}
    bodies = ws.ledger.bodies(vouched)
    seeds = {
        event.subject: Example(
            fields=bodies[event.subject],
            tags=tuple(event.payload.get("tags", ())),
            source=event.payload.get("source", ""),
        )
        for event in ws.ledger.events("seed.added")
        if event.subject in bodies
    }
    return seeds, {id_: vouched[id_] for id_ in seeds}


def verifications(ledger: Ledger, *, up_to: int | None = None) -> dict[str, Mapping[str, Any]]:
    """Id of each verified seed to what its `seed.verified` event says, as of an event of the ledger.

    A sign-off that stands after the first run counts for nothing, whoever put it there: it would be the door
    around the gate.
    """
    found: dict[str, Mapping[str, Any]] = {}
    generated = False
    for event in ledger.events("seed.verified", "seed.withdrawn", "run.started"):
        if up_to is not None and event.seq > up_to:
            break
        if event.kind == "run.started":
            generated = True
        elif event.kind == "seed.withdrawn":
            found.pop(event.subject, None)
        elif not (generated and event.payload["method"] == "sign-off"):
            found[event.subject] = event.payload
    return found


def baseline(ws: Workspace) -> Baseline:
    """The verified seeds and the locked evaluation set.

    Raises:
        RefusedError: Too few seeds are verified, nothing is locked, or `eval.jsonl` is not what was locked.
    """
    seeds, vouched = verified_seeds(ws)
    wanted = ws.config.policy.verified_seeds
    if len(seeds) < wanted:
        raise RefusedError(
            f"{len(seeds)} seeds are verified; the policy wants {wanted}",
            hint="run `seedgate seeds verify`"
            if _rows(ws) >= wanted
            else "add examples to seeds.jsonl, then run `seedgate seeds verify`",
        )
    locked = standing_lock(ws.ledger)
    if locked is None:
        raise RefusedError("the evaluation set is not locked", hint="run `seedgate seeds lock`")
    return Baseline(seeds, vouched, tuple(evaluation_set(ws)), locked.subject)


def _rows(ws: Workspace) -> int:
    """How many rows `seeds.jsonl` has, whether they are good or not; 0 if it cannot be read."""
    try:
        with ws.seeds_path.open("rb") as file:
            return sum(1 for line in file if line.strip())
    except OSError:
        return 0
