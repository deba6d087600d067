"""A workspace on a real ledger, what can be done to it, and the model of what was done.

Pushing, pulling, releasing, reopening and the adjudicator's acts are the project's own code; what it would refuse
or never write (a verdict of a stranger, say) is written into the ledger by hand, as an intruder would.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any, Literal

from seedgate.canonical import content_hash, sha256
from seedgate.errors import RefusedError
from seedgate.finetune import release
from seedgate.finetune.records import Release
from seedgate.ledger import Event, NewEvent
from seedgate.records import Adjudication, Assignment, Candidate, Example, Provenance, Round, Verdict, dump
from seedgate.review import adjudicate, decisions, pull, reopen
from seedgate.review.controls import PlannedControl, control_event
from seedgate.review.delivery import Delivery, deliver
from seedgate.review.facts import facts_of
from seedgate.review.quarantine import end_quarantine, quarantine_due, void_control
from seedgate.review.queue import Place as Given
from seedgate.review.queue import Waiting
from seedgate.review.record_view import dataset_spec, record_fields, spec_hash
from seedgate.review.rereview import Rereviews, plan_rereviews
from seedgate.review.state import ReviewState, read_state
from seedgate.workspace import Workspace
from tests.review.board_in_memory import BoardInMemory
from tests.review.history_model import ADJUDICATOR, PEOPLE, Answer, Asked, Model, Place, Resting, Ruling

__all__ = ["FLAWS", "World"]

PUSHER = "user-pusher"
START = datetime(2026, 1, 1, tzinfo=UTC)
SLOW_S, QUICK_S, PACE_S = 60.0, 0.1, 2.0
FLAWS: dict[str, dict[str, Any]] = {
    "by the pusher": {"user_id": PUSHER},
    "by a stranger": {"user_id": "user-mallory"},
    "other content shown": {"seen_hash": "0" * 64},
    "other guidelines shown": {"guideline_hash": "0" * 64},
    "another dataset": {"dataset_id": "elsewhere"},
    "another record": {"record_id": "elsewhere"},
    "malformed": {"problem": "malformed: no decision"},
    "a program": {"simulated": True},
}
"""What an intruder may have changed in a verdict."""


class World(Model):
    """What can happen to a workspace; every method is one act, and keeps the model."""

    def __init__(self, ws: Workspace) -> None:
        super().__init__(guideline=ws.guidelines()[1])
        self.ws = ws
        self.board = BoardInMemory((*PEOPLE, ADJUDICATOR))
        self.clock = 0.0
        self.looked_at: tuple[object, ...] = ()
        self.doctored: set[str] = set()

    def append(self, *events: NewEvent) -> list[Event]:
        return self.ws.ledger.append(list(events))

    def moment(self) -> tuple[object, ...]:
        """Differs from an earlier one if anything has happened since."""
        return self.ws.ledger.head(), self.guideline, self.ws.config.review.reviewers

    def state(self) -> ReviewState:
        return read_state(self.ws.ledger)

    # -- generation ----------------------------------------------------------------------------------

    def generate(self, text: str, label: str) -> str:
        example = Example(fields={"text": text, "label": label})
        origin = Provenance(
            cycle=1,
            run="run",
            strategy="few_shot",
            model="model",
            prompt_hash="0" * 64,
            request_id="request",
            at=START.isoformat(),
        )
        candidate = Candidate(example=example, provenance=origin)
        payload = candidate.model_dump(mode="json", exclude={"example": {"fields"}})
        key, body = f"candidate:{example.id}", dict(example.fields)
        self._learn(self.append(NewEvent("candidate.created", example.id, payload, key, (body,))))
        return example.id

    # -- rounds --------------------------------------------------------------------------------------

    def push(
        self,
        *,
        people: Iterable[str] = PEOPLE,
        quorum: int = 1,
        min_pace_s: float = PACE_S,
        pushed: bool = True,
        tests: Mapping[str, str] | None = None,
        again: int = 0,
    ) -> Asked:
        """Opens a round in which these people are asked about every candidate.

        Args:
            tests: Reviewer to the candidate that is a known-bad control for them.
            again: Approved rows to have looked at again, drawn as `push` draws them.
        """
        number = len(self.rounds) + 1
        tests, round_id = tests or {}, f"round-{number}"
        given = {
            name: [
                Given(Waiting(id_, "", 0, (name,)), "ranked") for id_ in self.texts if tests.get(name) != id_
            ]
            for name in people
        }
        drawn = self._draw(given, again) if again else Rereviews()
        places = tuple(
            _place(round_id, each.waiting.candidate_id, name, each.why)
            for name, own in given.items()
            # A row that is drawn for somebody is before them for that alone: one record shows it.
            for each in {e.waiting.candidate_id: e for e in sorted(own, key=_last)}.values()
        )
        bad = tuple(_place(round_id, id_, name, "control") for name, id_ in tests.items())
        return self.open((*places, *bad), drawn=drawn, quorum=quorum, min_pace_s=min_pace_s, pushed=pushed)

    def test(self, name: str, *, min_pace_s: float = 0.0) -> Asked:
        """A round of wrong controls alone, of content that is no candidate."""
        number = len(self.rounds) + 1
        rows = [
            Example(fields={"text": f"Control {number}.{n}, wrongly labelled", "label": "billing"})
            for n in range(3)
        ]
        places = tuple(_place(f"round-{number}", row.id, name, "control") for row in rows)
        return self.open(places, made={row.id: row.fields for row in rows}, min_pace_s=min_pace_s)

    def open(
        self,
        places: tuple[Place, ...],
        *,
        drawn: Rereviews | None = None,
        made: Mapping[str, Any] | None = None,
        quorum: int = 1,
        min_pace_s: float = PACE_S,
        pushed: bool = True,
    ) -> Asked:
        text, guideline = self.ws.guidelines()
        number = len(self.rounds) + 1
        asked = Asked(f"round-{number}", guideline, quorum, min_pace_s, places, False)
        fields = {**self.ws.ledger.bodies({p.candidate for p in places}), **(made or {})}
        shown = {id_: record_fields(self.ws.task, each, None) for id_, each in fields.items()}
        names = tuple(dict.fromkeys(p.reviewer for p in places))
        opened = Round(
            id=asked.id,
            cycle=1,
            wave=number,
            guideline_hash=guideline,
            guidelines=content_hash(text),
            task_hash=self.ws.task.hash,
            schema_hash=spec_hash(dataset_spec(self.ws.task, text)),
            quorum=quorum,
            reviewers=names,
            datasets={name: (name, asked.id) for name in names},
            at=START.isoformat(),
            min_pace_s=min_pace_s,
        )
        assignments = [_assignment(asked, place, shown) for place in places]
        controls = [
            control_event(
                a,
                PlannedControl(
                    a.candidate_id, fields[a.candidate_id], shown[a.candidate_id], "bad", "near_label", ()
                ),
            )
            for a in assignments
            if a.why == "control"
        ]
        payload = {"round": dump(opened), "assignments": [dump(a) for a in assignments]}
        first = NewEvent("round.opened", asked.id, payload, f"round:{asked.id}", (text, *shown.values()))
        self.append(first, *controls, *(drawn.events(asked.id) if drawn else ()))
        self.rounds.append(asked)
        if pushed:
            self.complete(asked)
        return asked

    def complete(self, asked: Asked) -> None:
        """Brings the round to Argilla; one that was opened and not brought there is a killed push."""
        state = self.state()
        with self.ws.ledger.lease("push") as lease:
            assignments = [a for a in state.assignments.values() if a.round == asked.id]
            deliver(Delivery(self.ws, self.board), state.opened[asked.id], assignments, lease)
        asked.pushed = True

    def _draw(self, given: dict[str, list[Given]], amount: int) -> Rereviews:
        state = self.state()
        facts = {f.candidate_id: f for f in facts_of(self.ws, state, self.guideline)}
        found = decisions(self.ws)
        drawn = plan_rereviews(self.ws, state, facts, found, given, amount, random.Random(0))
        self.told["drawn for a second look"] += len(drawn.rows)
        return drawn

    # -- answers -------------------------------------------------------------------------------------

    def answer(
        self,
        asked: Asked,
        places: Iterable[Place],
        decision: Literal["approve", "reject", "edit"] = "approve",
        *,
        text: str | None = None,
        quick: bool = False,
        flaw: str | None = None,
    ) -> None:
        """One person answers these records: each after a while, or `quick`, as nobody can who reads them.

        Args:
            text: With `edit`, what the text should be.
            flaw: What an intruder changes in the verdict; or `no decision`, as the page never sends it.
        """
        given = []
        for place in places:
            self.clock += QUICK_S if quick else SLOW_S
            values: dict[str, Any] = {} if flaw == "no decision" else {"decision": decision}
            if decision == "edit" and flaw != "no decision":
                values |= {"corrected_text": text, "corrected_label": "delivery"}
            if asked.pushed:
                account = f"user-{place.reviewer}"
                self.board.respond(place.record, account, values, self._now(), "submitted")
            given.append((place, self.clock))
        if not asked.pushed:
            for place, at in given:
                self._intrude(asked, place, at, decision, flaw)
            return
        seqs = self._pull({f"{place.record}/user-{place.reviewer}" for place, _ in given})
        standing = self.state().verdicts
        for place, at in given:
            listed = place.reviewer in self.ws.config.review.reviewers or self._looks_again(asked, place)
            found = "no decision" if flaw == "no decision" else None if listed else "not on the list"
            verdict = standing[f"{place.record}/user-{place.reviewer}"].verdict
            made = Answer(
                seqs[verdict.response_id],
                at,
                place,
                asked,
                verdict.user_id,
                None if found == "no decision" else decision,
                verdict.corrected_hash,
                found,
                found,
            )
            self._stand(verdict.response_id, made)
            if flaw in FLAWS:
                self._doctor(verdict, made, flaw)

    def _looks_again(self, asked: Asked, place: Place) -> bool:
        own = [p for p in asked.places if p.reviewer == place.reviewer]
        return place.reviewer == ADJUDICATOR and all(p.why == "rereview" for p in own)

    def _stand(self, response: str, answer: Answer) -> None:
        was = self.answers.get(response)
        if was is not None and was.says != answer.says and answer.round.pushed:
            self._recall_for(was)
        self.answers[response] = answer
        if answer.place.why == "control" and answer.problem is None:
            self.missed.setdefault(answer.reviewer, []).append((answer.seq, answer.decision == "approve"))
        self.told[f"{answer.place.why} answered"] += 1
        self.told["stamped"] += self.stamped(answer) and answer.decision != "reject"

    def _recall_for(self, was: Answer) -> None:
        """A change of what a release rests on recalls the row; no release rests on controls or second looks."""
        # Of another record, so not known for a control's or a second look's.
        if was.place.why == "ranked" or was.flaw == "another record":
            rows = {was.place.candidate, was.corrected} & self.ever_released
            rows = {id_ for id_ in rows if was.round.id not in self.void.get(str(id_), ())}
            self.recalled |= rows
            self.told["recalled for a change"] += bool(rows)

    def _doctor(self, verdict: Verdict, answer: Answer, flaw: str) -> None:
        """What stands is replaced by an intruder who can write into the ledger."""
        changed = Verdict.model_validate(verdict.model_dump() | FLAWS[flaw])
        (event,) = self.append(NewEvent("verdict.recorded", verdict.candidate_id, dump(changed)))
        self.doctored.add(verdict.response_id)
        self.answers[verdict.response_id] = Answer(
            event.seq,
            answer.at,
            answer.place,
            answer.round,
            changed.user_id,
            answer.decision,
            answer.corrected,
            flaw,
            changed.problem,
        )
        self.told["flawed"] += 1

    def _intrude(self, asked: Asked, place: Place, at: float, decision: str, flaw: str | None) -> None:
        """An answer on a record that is before nobody; it counts for nothing unless the push is completed."""
        if decision == "edit" or flaw == "no decision":
            return
        verdict = Verdict.model_validate(
            {
                "candidate_id": place.candidate,
                "round": asked.id,
                "reviewer": place.reviewer,
                "decision": decision,
                "seen_hash": place.candidate,
                "corrected_hash": place.candidate,
                "guideline_hash": asked.guideline,
                "dataset_id": f"{place.reviewer}/{asked.id}",
                "record_id": place.record,
                "response_id": f"{place.record}/user-{place.reviewer}",
                "user_id": f"user-{place.reviewer}",
                "submitted_at": (START + timedelta(seconds=at)).isoformat(),
            }
        )
        (event,) = self.append(NewEvent("verdict.recorded", place.candidate, dump(verdict)))
        answer = Answer(event.seq, at, place, asked, verdict.user_id, decision, place.candidate)
        self._stand(verdict.response_id, answer)

    def keep_back(self, place: Place, status: Literal["draft", "discarded"]) -> None:
        """Somebody saves a draft, which approves, or discards; what they had submitted there stands no more."""
        self.clock += SLOW_S
        account = f"user-{place.reviewer}"
        self.board.respond(place.record, account, {"decision": "approve"}, self._now(), status)
        self._pull({f"{place.record}/{account}"})
        was = self.answers.pop(f"{place.record}/{account}", None)
        self.told[status] += 1
        if was is not None:
            self.told[f"{status} over an answer"] += 1
            self._recall_for(was)

    def intrude_on_the_page(self, place: Place) -> None:
        """The account that pushes submits an approval of its own."""
        self.board.respond(place.record, PUSHER, {"decision": "approve"}, self._now(), "submitted")
        self._pull()
        self.told["foreign response"] += 1

    def lose(self, response: str) -> None:
        """A response vanishes from Argilla: reported, and voids nothing."""
        answer = self.answers[response]
        self.board.lose(answer.place.record, f"user-{answer.reviewer}")
        self.doctored.discard(response)
        self._pull()
        self.told["response lost"] += 1

    # -- quarantine ----------------------------------------------------------------------------------

    def measure(self) -> None:
        """Runs the measurement as every pull and release does."""
        before = self.ws.ledger.head()[0]
        with self.ws.ledger.lease("pull") as lease:
            quarantine_due(self.ws, lease)
        self._learn(self.ws.ledger.events(after=before))

    def end_quarantine(self, name: str, *, stand: bool) -> None:
        end_quarantine(self.ws, name, by=ADJUDICATOR, statement="we talked", stand=stand)
        event = self.ws.ledger.last("quarantine.ended", subject=name)
        assert event is not None
        self.resting[name][-1].ended, self.resting[name][-1].stand = event.seq, stand
        self.told["ended, approvals stand" if stand else "ended"] += 1

    def now_resting(self) -> list[str]:
        return [name for name, own in self.resting.items() if own and own[-1].ended == inf]

    def void_control(self, record: str) -> None:
        void_control(self.ws, record, by=ADJUDICATOR, statement="both labels are right")
        self.told["control voided"] += 1

    # -- guidelines, people, rulings -----------------------------------------------------------------

    def change_guidelines(self, text: str) -> None:
        self.ws.guidelines_path.write_text(text)
        self.guideline = sha256(text)
        self.told["guidelines changed"] += 1

    def declare_compatible(self, text: str) -> None:
        payload = {"with": sha256(text), "by": ADJUDICATOR, "statement": "the same"}
        self.append(NewEvent("guidelines.compatible", self.guideline, payload))
        self.compatible.add(frozenset((self.guideline, sha256(text))))

    def remove_reviewer(self, name: str) -> None:
        review = self.ws.config.review
        left = tuple(each for each in review.reviewers if each != name)
        changed = review.model_copy(update={"reviewers": left})
        self.ws.config = self.ws.config.model_copy(update={"review": changed})
        self.told["reviewer removed"] += 1

    def adjudicate(self, candidate: str, by: str, decision: Literal["approve", "reject"]) -> None:
        """As the shell does it; where that refuses, by hand."""
        try:
            adjudicate(self.ws, candidate, by=by, decision=decision)
        except RefusedError:
            ruling = Adjudication(
                candidate_id=candidate,
                by=by,
                decision=decision,
                guideline_hash=self.guideline,
                settles=self.ws.ledger.head()[0],
            )
            self.append(NewEvent("adjudication.recorded", candidate, dump(ruling)))
        else:
            self.told["adjudicated"] += 1
            if decision == "reject":
                self.recalled |= {candidate} & self.ever_released
        event = self.ws.ledger.last("adjudication.recorded", subject=candidate)
        assert event is not None
        self.rulings.append(Ruling(candidate, by, decision, self.guideline, event.payload["settles"]))

    # -- releases and recalls ------------------------------------------------------------------------

    def release(self) -> Release:
        before = self.ws.ledger.head()[0]
        made = release(self.ws)
        self._learn(self.ws.ledger.events(after=before))
        event = self.ws.ledger.last("release.created", subject=made.name)
        assert event is not None
        if made.created:
            rows = set(self.ws.ledger.body(event.payload["ids"]))
            self.ever_released |= rows
            self.unreleased -= rows
        return made

    def recall(self, candidate: str) -> None:
        payload = {"release": "r001", "reason": "asked for", "why": "verdict changed"}
        self.append(NewEvent("row.recalled", candidate, payload))
        self.recalled.add(candidate)
        self.told["recalled"] += 1

    def reopen(self, candidate: str) -> None:
        reopen(self.ws, candidate, by=ADJUDICATOR, reason="rejected by mistake")
        self.recalled.discard(candidate)
        self.unreleased.add(candidate)
        self.void[candidate] = frozenset(asked.id for asked in self.rounds)
        self.told["reopened"] += 1

    # -- how it is written down ----------------------------------------------------------------------

    def _pull(self, changed: Collection[str] = ()) -> dict[str, int]:
        """Pulls; response id to the event that has the newest verdict of it.

        A verdict that an intruder put over a response is taken back, unless the response `changed` itself.
        """
        before = self.ws.ledger.head()[0]
        pull(self.ws, board=self.board)
        for response in sorted(self.doctored - set(changed)):
            self._recall_for(self.answers.pop(response))
            self.told["disowned"] += 1
        self.doctored.clear()
        return self._learn(self.ws.ledger.events(after=before))

    def _learn(self, events: Iterable[Event]) -> dict[str, int]:
        """What the model takes from the ledger: contents, places of events, and that a measurement struck."""
        seqs = {}
        for event in events:
            if event.kind == "candidate.created":
                self.texts[event.subject] = self.ws.ledger.body(event.subject)["text"]
                original = event.payload["provenance"].get("edited_from")
                self.families[event.subject] = original or event.subject
                self.told["edited"] += original is not None
            elif event.kind == "verdict.recorded":
                seqs[event.payload["response_id"]] = event.seq
            elif event.kind == "quarantine.started":
                self.resting.setdefault(event.subject, []).append(Resting(self.window(event.subject)))
                self.told["quarantined"] += 1
        return seqs

    def window(self, name: str) -> int:
        """Where this person's measured window began: at the end of the last quarantine."""
        return max((int(r.ended) for r in self.resting.get(name, []) if r.ended < inf), default=0)

    def _now(self) -> str:
        return (START + timedelta(seconds=self.clock)).isoformat()


def _last(given: Given) -> bool:
    return given.why == "rereview"


def _place(round_id: str, candidate: str, name: str, why: str) -> Place:
    return Place(content_hash([round_id, candidate, name])[:32], candidate, name, why)


def _assignment(asked: Asked, place: Place, shown: Mapping[str, Any]) -> Assignment:
    return Assignment(
        round=asked.id,
        candidate_id=place.candidate,
        reviewer=place.reviewer,
        record_id=place.record,
        shown_hash=content_hash(shown[place.candidate]),
        why=place.why,  # type: ignore[arg-type]
    )
