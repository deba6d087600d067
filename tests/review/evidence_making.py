"""Facts for tests of the gate: a sound case to start from, and random ones that are mostly unsound."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from seedgate.records import Adjudication, Assignment, Round, Verdict
from seedgate.review.evidence import Facts, Heard, PushedRound, Settled

CANDIDATE, ORIGINAL, OTHER = "c" * 64, "0" * 64, "e" * 64
NOW, EARLIER, LIKE_NOW = "guideline-now", "guideline-earlier", "guideline-like-now"
PEOPLE = ("anna", "ben", "cleo")
PROGRAM = "simulated-sam"
PUSHER = "user-of-pusher"


def user(name: str) -> str:
    return f"user-of-{name}"


def a_round(
    number: int = 1, *, quorum: int = 1, guideline: str = NOW, simulated: bool = False
) -> PushedRound:
    names = (PROGRAM,) if simulated else PEOPLE
    made = Round(
        id=f"round-{number}",
        cycle=1,
        wave=number,
        guideline_hash=guideline,
        guidelines="body",
        task_hash="task",
        schema_hash="schema",
        quorum=quorum,
        reviewers=names,
        simulated=names if simulated else (),
        datasets=dict.fromkeys(names, ("workspace", "dataset")),
        at="2026-01-01T00:00:00+00:00",
    )
    return PushedRound(made, {name: user(name) for name in names}, PUSHER)


def record_of(pushed: PushedRound, candidate: str, reviewer: str) -> str:
    return f"{pushed.round.id}/{candidate[:4]}/{reviewer}"


def an_assignment(pushed: PushedRound, reviewer: str, candidate: str = CANDIDATE) -> Assignment:
    return Assignment(
        round=pushed.round.id,
        candidate_id=candidate,
        reviewer=reviewer,
        record_id=record_of(pushed, candidate, reviewer),
        shown_hash="shown",
    )


def a_verdict(
    pushed: PushedRound,
    reviewer: str,
    decision: str | None = "approve",
    *,
    candidate: str = CANDIDATE,
    **changes: Any,
) -> Verdict:
    corrected = {"approve": candidate, "edit": OTHER, "reject": candidate, None: None}[decision]
    values: dict[str, Any] = {
        "candidate_id": candidate,
        "round": pushed.round.id,
        "reviewer": reviewer,
        "decision": decision,
        "seen_hash": candidate,
        "corrected_hash": corrected,
        "guideline_hash": pushed.round.guideline_hash,
        "dataset_id": f"dataset-of-{reviewer}",
        "record_id": record_of(pushed, candidate, reviewer),
        "response_id": f"response/{pushed.round.id}/{candidate[:4]}/{reviewer}",
        "user_id": user(reviewer),
        "submitted_at": "2026-01-02T00:00:00+00:00",
        "simulated": reviewer in pushed.round.simulated,
    }
    return Verdict.model_validate(values | changes)


def facts(
    *verdicts: Verdict, rounds: tuple[PushedRound, ...] = (), asked: tuple[str, ...] = (), **changes: Any
) -> Facts:
    """Facts in which these verdicts' records were assigned and delivered, and those `asked` are open."""
    known = {pushed.round.id: pushed for pushed in rounds or (a_round(),)}
    assignments = [
        an_assignment(known[v.round], v.reviewer, v.candidate_id) for v in verdicts if v.round in known
    ]
    assignments += [an_assignment(next(iter(known.values())), name) for name in asked]
    return Facts(
        candidate_id=CANDIDATE,
        guideline_hash=NOW,
        verdicts=tuple(Heard(n, v) for n, v in enumerate(verdicts, 10)),
        assignments={a.record_id: a for a in assignments},
        delivered=frozenset((v.record_id, v.dataset_id) for v in verdicts),
        opened={id_: pushed.round for id_, pushed in known.items()},
        rounds=known,
        compatible=frozenset({LIKE_NOW}),
        **changes,
    )


# -- random facts ----------------------------------------------------------------------------------------
# A sound case with a few things wrong: drawn independently, flaws would add up until nothing was ever approved.

FLAWS: dict[str, Any] = {
    "seen_hash": OTHER,
    "guideline_hash": EARLIER,
    "dataset_id": "strange dataset",
    "record_id": "strange record",
    "user_id": PUSHER,
    "reviewer": "mallory",
    "simulated": "other",
    "problem": "malformed",
    "corrected_hash": "e" * 63 + "0",
    "decision": None,
    "round": "strange round",
}
DEFECTS: dict[str, Any] = {
    "recalled": "changed",
    "unfit": "unknown label",
    "leak": "equals row 3",
    "clash": "a seed says otherwise",
    "rivals": (OTHER,),
    "held": "everything",
    "released": True,
    "delivered": frozenset(),
    "assignments": {},
    "rounds": {},
}


@st.composite
def verdicts(draw: st.DrawFn, known: tuple[PushedRound, ...]) -> Verdict:
    """A verdict with at most two things wrong."""
    pushed = draw(st.sampled_from(known))
    reviewer = draw(st.sampled_from(pushed.round.reviewers))
    edited = draw(st.sampled_from([False, False, True]))
    decision = draw(st.sampled_from(["approve", "approve", "approve", "edit", "reject"]))
    made = (
        a_verdict(pushed, reviewer, "edit", candidate=ORIGINAL, corrected_hash=CANDIDATE)
        if edited
        else a_verdict(pushed, reviewer, decision)
    )
    flaws = draw(st.sets(st.sampled_from(sorted(FLAWS)), max_size=draw(st.sampled_from([0, 0, 1, 2]))))
    changes = {name: FLAWS[name] for name in flaws}
    if "simulated" in changes:
        changes["simulated"] = not made.simulated
    changes["submitted_at"] = f"2026-01-02T00:00:{draw(st.integers(10, 59))}+00:00"
    return made.model_copy(update=changes)


@st.composite
def any_facts(draw: st.DrawFn) -> Facts:
    """Facts that are sound but for a few flaws and defects."""
    known = tuple(
        a_round(
            number,
            quorum=draw(st.sampled_from([1, 1, 2, 3])),
            guideline=draw(st.sampled_from([NOW, NOW, NOW, LIKE_NOW, EARLIER])),
            simulated=draw(st.sampled_from([False, False, True])),
        )
        for number in range(1, draw(st.integers(2, 4)))
    )
    drawn = draw(st.lists(verdicts(known), max_size=4))
    # Argilla gives no two responses one id.
    given = [v.model_copy(update={"response_id": f"response-{n}"}) for n, v in enumerate(drawn)]
    sound = [
        a_verdict(p, name, candidate=c)
        for p in known
        for name in p.round.reviewers
        for c in (CANDIDATE, ORIGINAL)
    ]
    found = replace(
        facts(*sound, rounds=known, simulated_reviewer=draw(st.sampled_from([PROGRAM, None]))),
        verdicts=tuple(Heard(n, v) for n, v in enumerate(given, 10)),
    )
    rulings = [
        Adjudication(
            candidate_id=CANDIDATE,
            by=draw(st.sampled_from(["zoe", "zoe", "anna"])),
            decision=draw(st.sampled_from(["approve", "reject"])),
            guideline_hash=draw(st.sampled_from([NOW, NOW, EARLIER])),
            settles=draw(st.sampled_from([9, 99])),
        )
        for _ in range(draw(st.sampled_from([0, 0, 0, 1])))
    ]
    defects = draw(st.sets(st.sampled_from(sorted(DEFECTS)), max_size=draw(st.sampled_from([0, 0, 1]))))
    changes = {name: DEFECTS[name] for name in defects}
    if "held" in changes:
        who = draw(st.sets(st.sampled_from([*PEOPLE, PROGRAM]), min_size=1))
        changes["held"] = {v.response_id: "in quarantine" for v in given if v.reviewer in who}
    return replace(
        found,
        adjudications=tuple(Settled(n, ruling) for n, ruling in enumerate(rulings, 100)),
        **changes,
    )
