"""Random histories of a workspace, on a real ledger, with a plain model of what happened beside it.

The model knows only what people did: who was asked what, who said what about which content, under which
guidelines. `World.may_be_approved` says from that, in the plainest words, what the gate may let through.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from seedgate.canonical import content_hash, sha256
from seedgate.finetune import release
from seedgate.ledger import NewEvent
from seedgate.records import Adjudication, Assignment, Candidate, Example, Provenance, Round, Verdict, dump
from seedgate.workspace import Workspace

__all__ = ["Answer", "History", "World"]

PEOPLE = ("anna", "ben", "cleo")
ADJUDICATOR, PUSHER = "zoe", "user-pusher"
LEAKING, CLASHING = "When will the teapot get here??", "Still no kettle here!"
TEXTS = (
    ("No sign of my order since the weekend.", "delivery"),
    ("Please refund the second payment you took.", "billing"),
    ("The sign-in page does not accept my new phrase.", "account"),
    (LEAKING, "billing"),
    (CLASHING, "account"),
)
CORRECTED = ("Nothing has come since Saturday, where is it?", "Two payments went off, send one back please.")
GUIDELINES = ("# One\n\nApprove.\n", "# Two\n\nApprove less.\n", "# Three\n\nApprove as in one.\n")
FLAWS: dict[str, dict[str, Any]] = {
    "by the pusher": {"user_id": PUSHER},
    "by a stranger": {"user_id": "user-mallory"},
    "other content shown": {"seen_hash": "0" * 64},
    "other guidelines shown": {"guideline_hash": "0" * 64},
    "another dataset": {"dataset_id": "elsewhere"},
    "another record": {"record_id": "elsewhere"},
    "malformed": {"problem": "malformed: no decision"},
    "no decision": {"decision": None},
    "a program": {"simulated": True},
}


@dataclass(frozen=True)
class Asked:
    """A round as the model knows it."""

    id: str
    guideline: str
    quorum: int
    pushed: bool
    candidates: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """A standing response: what a reviewer said about a candidate in a round, and what is wrong with it."""

    number: int
    reviewer: str
    round: Asked
    candidate: str
    decision: str
    corrected: str
    flaw: str | None

    def about(self, candidate: str) -> bool:
        return candidate in (self.candidate, self.corrected)

    def approves(self, candidate: str) -> bool:
        edited = self.decision == "edit" and self.corrected == candidate != self.candidate
        return edited or (self.decision == "approve" and self.candidate == candidate)


@dataclass
class World:
    """A workspace and the model of its history."""

    ws: Workspace
    families: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    rounds: list[Asked] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    compatible: set[frozenset[str]] = field(default_factory=set)
    rulings: list[tuple[str, str, str, str, int]] = field(default_factory=list)
    released: set[str] = field(default_factory=set)
    recalled: set[str] = field(default_factory=set)
    clock: int = 0

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def in_force(self, guideline: str) -> bool:
        now = self.ws.guidelines()[1]
        return guideline == now or frozenset((guideline, now)) in self.compatible

    def newest(self, candidate: str) -> list[Answer]:
        """Each person's last word on this content."""
        last: dict[str, Answer] = {}
        for answer in sorted(self.answers.values(), key=lambda a: a.number):
            if answer.about(candidate):
                last[answer.reviewer] = answer
        return list(last.values())

    def counts(self, answer: Answer, candidate: str) -> bool:
        """Whether an answer is sound, and given under guidelines that hold for this candidate."""
        sound = answer.flaw is None and answer.round.pushed
        return sound and (candidate in self.released or self.in_force(answer.round.guideline))

    def approvals(self, candidate: str) -> list[Answer]:
        return [a for a in self.newest(candidate) if self.counts(a, candidate) and a.approves(candidate)]

    def refusals(self, candidate: str) -> list[Answer]:
        """Sound answers against it; one under earlier guidelines is no weaker."""
        return [
            a
            for a in self.newest(candidate)
            if a.flaw is None and a.round.pushed and not a.approves(candidate)
        ]

    def ruling(self, candidate: str) -> str | None:
        """What the adjudicator made of it, if that is newer than every answer."""
        newest = max((a.number for a in self.newest(candidate)), default=0)
        for ruled, by, decision, guideline, number in reversed(self.rulings):
            holds = candidate in self.released or self.in_force(guideline)
            if ruled == candidate and by == ADJUDICATOR and number > newest and holds:
                return decision
        return None

    def enough(self, approvals: list[Answer]) -> bool:
        """Whether as many distinct people approved as one of their rounds asked for."""
        return any(
            len({a.reviewer for a in approvals if a.round.quorum <= quorum}) >= quorum
            for quorum in {a.round.quorum for a in approvals}
        )

    def may_be_approved(self, candidate: str) -> bool:
        """The invariants G1 to G5 and G7 to G9 for one candidate, its family left aside."""
        approvals, ruling = self.approvals(candidate), self.ruling(candidate)
        if candidate in self.recalled or self.texts[candidate] == LEAKING or not approvals:
            return False
        if ruling == "reject":
            return False
        if self.refusals(candidate):
            return ruling == "approve"
        return self.enough(approvals) and (self.texts[candidate] != CLASHING or ruling == "approve")


class History(RuleBasedStateMachine):
    """What can happen to a workspace, in any order; `check` looks at where it has led to.

    Args:
        template: A workspace with a baseline, copied for each history.
        check: Asserts an invariant of the world at the end.
    """

    def __init__(self, template: Path, check: Callable[[World], None]) -> None:
        super().__init__()
        self._folder = tempfile.mkdtemp()
        root = Path(self._folder) / "workspace"
        shutil.copytree(template, root)
        self.world = World(Workspace(root))
        self.check = check

    def teardown(self) -> None:
        try:
            self.check(self.world)
        finally:
            self.world.ws.close()
            shutil.rmtree(self._folder)

    def append(self, kind: str, subject: str, payload: Any, *bodies: Any) -> int:
        return self.world.ws.ledger.append([NewEvent(kind, subject, payload, bodies=bodies)])[0].seq

    # -- what can happen -----------------------------------------------------------------------------

    @initialize(
        chosen=st.sets(st.sampled_from(range(len(TEXTS))), min_size=2),
        quorum=st.sampled_from([1, 1, 2]),
    )
    def begin(self, chosen: set[int], quorum: int) -> None:
        for number in sorted(chosen):
            self._create(*TEXTS[number])
        self.push(quorum, True)

    @rule(quorum=st.sampled_from([1, 1, 2, 3]), pushed=st.sampled_from([True, True, True, False]))
    def push(self, quorum: int, pushed: bool) -> None:
        world = self.world
        number = world.tick()
        asked = Asked(f"round-{number}", world.ws.guidelines()[1], quorum, pushed, tuple(sorted(world.texts)))
        assignments = [
            Assignment(
                round=asked.id,
                candidate_id=c,
                reviewer=name,
                record_id=_record(asked, c, name),
                shown_hash=content_hash("shown"),
            )
            for c in asked.candidates
            for name in PEOPLE
        ]
        opened = Round(
            id=asked.id,
            cycle=1,
            wave=number,
            guideline_hash=asked.guideline,
            guidelines=content_hash("guidelines"),
            task_hash=world.ws.task.hash,
            schema_hash="0",
            quorum=quorum,
            reviewers=PEOPLE,
            datasets=dict.fromkeys(PEOPLE, ("workspace", asked.id)),
            at="2026-01-01T00:00:00+00:00",
        )
        payload = {"round": dump(opened), "assignments": [dump(a) for a in assignments]}
        self.append("round.opened", asked.id, payload, "guidelines", "shown")
        events = [
            NewEvent("record.pushed", a.record_id, {"dataset_id": _dataset(asked, a.reviewer)})
            for a in assignments
        ]
        world.ws.ledger.append(events)
        if pushed:
            users = {name: f"user-{name}" for name in PEOPLE}
            datasets = {name: _dataset(asked, name) for name in PEOPLE}
            self.append("round.pushed", asked.id, {"datasets": datasets, "users": users, "pusher": PUSHER})
        world.rounds.append(asked)

    @rule(
        data=st.data(),
        reviewer=st.sampled_from(PEOPLE),
        decision=st.sampled_from(["approve", "approve", "approve", "reject"]),
        flaw=st.sampled_from([None, None, None, *FLAWS]),
    )
    def answer(self, data: st.DataObject, reviewer: str, decision: str, flaw: str | None) -> None:
        asked = data.draw(st.sampled_from(self.world.rounds))
        candidate = data.draw(st.sampled_from(asked.candidates))
        self._answer(asked, candidate, reviewer, decision, candidate, flaw)

    @rule(reviewer=st.sampled_from(PEOPLE))
    def approve_all(self, reviewer: str) -> None:
        asked = self.world.rounds[-1]
        for candidate in asked.candidates:
            self._answer(asked, candidate, reviewer, "approve", candidate, None)

    @rule(data=st.data(), reviewer=st.sampled_from(PEOPLE), text=st.sampled_from(CORRECTED))
    def edit(self, data: st.DataObject, reviewer: str, text: str) -> None:
        asked = data.draw(st.sampled_from(self.world.rounds))
        candidate = data.draw(st.sampled_from(asked.candidates))
        made = self._create(text, "delivery", edited_from=candidate)
        if self.world.families[made] == candidate:
            self._answer(asked, candidate, reviewer, "edit", made, None)

    @precondition(lambda self: self.world.answers)
    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        response = data.draw(st.sampled_from(sorted(self.world.answers)))
        answer = self.world.answers.pop(response)
        self.append("verdict.changed", answer.candidate, {"response_id": response, "was": {}, "now": {}})

    @rule(number=st.sampled_from(range(len(GUIDELINES))))
    def change_guidelines(self, number: int) -> None:
        self.world.ws.guidelines_path.write_text(GUIDELINES[number])

    @rule(number=st.sampled_from(range(len(GUIDELINES))))
    def declare_compatible(self, number: int) -> None:
        now, other = self.world.ws.guidelines()[1], sha256(GUIDELINES[number])
        self.append("guidelines.compatible", now, {"with": other, "by": ADJUDICATOR, "statement": "the same"})
        self.world.compatible.add(frozenset((now, other)))

    @rule(data=st.data(), by=st.sampled_from([ADJUDICATOR, ADJUDICATOR, "anna"]), approve=st.booleans())
    def adjudicate(self, data: st.DataObject, by: str, approve: bool) -> None:
        world = self.world
        candidate = data.draw(st.sampled_from(sorted(world.texts)))
        decision, guideline = "approve" if approve else "reject", world.ws.guidelines()[1]
        ruling = Adjudication(
            candidate_id=candidate,
            by=by,
            decision=decision,  # type: ignore[arg-type]
            guideline_hash=guideline,
            settles=world.ws.ledger.head()[0],
        )
        self.append("adjudication.recorded", candidate, dump(ruling))
        world.rulings.append((candidate, by, decision, guideline, world.tick()))

    @rule(name=st.sampled_from(PEOPLE))
    def remove_reviewer(self, name: str) -> None:
        ws = self.world.ws
        left = tuple(each for each in ws.config.review.reviewers if each != name)
        ws.config = ws.config.model_copy(
            update={"review": ws.config.review.model_copy(update={"reviewers": left})}
        )

    @precondition(lambda self: self.world.released)
    @rule(data=st.data())
    def recall(self, data: st.DataObject) -> None:
        candidate = data.draw(st.sampled_from(sorted(self.world.released)))
        self.append("row.recalled", candidate, {"release": "r001", "reason": "asked for"})
        self.world.recalled.add(candidate)

    @rule()
    def release(self) -> None:
        made = release(self.world.ws)
        event = self.world.ws.ledger.last("release.created", subject=made.name)
        assert event is not None
        self.world.released |= set(self.world.ws.ledger.body(event.payload["ids"]))

    # -- how it is written down ----------------------------------------------------------------------

    def _create(self, text: str, label: str, edited_from: str | None = None) -> str:
        made = Example(fields={"text": text, "label": label})
        if made.id in self.world.texts:
            return made.id
        origin = Provenance(
            cycle=1,
            run="run",
            strategy="edit" if edited_from else "few_shot",
            model="model",
            prompt_hash="0",
            request_id="request",
            at="2026-01-01T00:00:00+00:00",
            edited_from=edited_from,
        )
        candidate = Candidate(example=made, provenance=origin)
        payload = candidate.model_dump(mode="json", exclude={"example": {"fields"}})
        self.append("candidate.created", made.id, payload, dict(made.fields))
        self.world.texts[made.id] = text
        self.world.families[made.id] = edited_from or made.id
        return made.id

    def _answer(
        self, asked: Asked, candidate: str, reviewer: str, decision: str, corrected: str, flaw: str | None
    ) -> None:
        number = self.world.tick()
        record = _record(asked, candidate, reviewer)
        said: dict[str, Any] = {
            "candidate_id": candidate,
            "round": asked.id,
            "reviewer": reviewer,
            "decision": decision,
            "seen_hash": candidate,
            "corrected_hash": corrected,
            "guideline_hash": asked.guideline,
            "dataset_id": _dataset(asked, reviewer),
            "record_id": record,
            "response_id": f"response-{record}",
            "user_id": f"user-{reviewer}",
            "submitted_at": f"2026-01-01T00:{number // 60:02}:{number % 60:02}+00:00",
        }
        verdict = Verdict.model_validate(said | FLAWS.get(flaw or "", {}))
        self.append("verdict.recorded", candidate, dump(verdict))
        self.world.answers[verdict.response_id] = Answer(
            number, reviewer, asked, candidate, decision, corrected, flaw
        )


def _record(asked: Asked, candidate: str, reviewer: str) -> str:
    return content_hash([asked.id, candidate, reviewer])[:32]


def _dataset(asked: Asked, reviewer: str) -> str:
    return f"dataset-{asked.id}-{reviewer}"
