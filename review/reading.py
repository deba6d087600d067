"""One reviewer's dataset, read and compared with what was pushed and what the ledger has already."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from seedgate.canonical import content_hash, sha256
from seedgate.ledger import NewEvent
from seedgate.records import Assignment, Verdict, dump
from seedgate.review.answers import read_answer
from seedgate.review.board import Account, Board, StoredRecord, StoredResponse
from seedgate.review.corrections import Correcting, Corrections
from seedgate.review.recalling import recalls
from seedgate.review.record_view import DECISION
from seedgate.review.state import ReviewState
from seedgate.review.verdicts import Asked, in_utc, pace, read_verdict, response_key

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["Reading"]


class Reading:
    """Turns datasets into events; knows what the ledger had before and what this pull added."""

    def __init__(
        self, ws: Workspace, state: ReviewState, board: Board, corrections: Correcting | None = None
    ) -> None:
        self._ws = ws
        self._state = state
        self._board = board
        self._accounts: dict[str, Account] = board.accounts()
        self._corrections = corrections or Corrections(ws, state)
        self._times: dict[str, list[str]] = defaultdict(list)
        for heard in state.verdicts.values():
            insort(self._times[heard.verdict.reviewer], heard.verdict.submitted_at)
        self.drafts = 0

    def dataset(self, round_id: str, reviewer: str, dataset_id: str) -> Iterator[NewEvent]:
        """What is new in one reviewer's dataset of one round."""
        pushed = self._state.pushed[round_id]
        own = {
            a.record_id: a
            for a in self._state.assignments.values()
            if a.round == round_id and a.reviewer == reviewer
        }
        spec, records = self._board.dataset_spec(dataset_id), self._board.records(dataset_id)
        if spec is None or records is None:
            detail = f"dataset {' / '.join(pushed.round.datasets[reviewer])} was deleted in Argilla"
            yield _anomaly("dataset gone", round_id, reviewer, detail, dataset_id, record_ids=sorted(own))
            return
        asked = Asked(
            task=self._ws.task,
            round=pushed.round,
            reviewer=reviewer,
            dataset_id=dataset_id,
            spec=spec,
            account=self._accounts.get(reviewer),
            listed=self._listed(reviewer, own.values()),
            user_id=pushed.users[reviewer],
        )
        yield from self._about_dataset(asked, own, records)
        yield from self._about_answers(asked, own, records)

    def _listed(self, reviewer: str, own: Iterable[Assignment]) -> bool:
        review = self._ws.config.review
        if reviewer == review.adjudicator and all(a.why == "rereview" for a in own):
            return True
        return reviewer in (*review.reviewers, self._ws.simulated_reviewer)

    # -- what is wrong with the place ----------------------------------------------------------------

    def _about_dataset(
        self, asked: Asked, own: dict[str, Assignment], records: list[StoredRecord]
    ) -> Iterator[NewEvent]:
        where = (asked.round.id, asked.reviewer)
        problem = asked.problem()
        if problem:
            yield _anomaly("dataset unusable", *where, problem, f"{asked.dataset_id}:{problem}")
        guidelines = sha256(asked.spec.guidelines)
        if guidelines != asked.round.guideline_hash:
            detail = f"the guidelines of {asked.round.datasets[asked.reviewer][1]} were changed in Argilla"
            yield _anomaly("guidelines changed", *where, detail, f"{asked.dataset_id}:{guidelines}")
        present = {record.record_id for record in records}
        for record_id in sorted(own.keys() - present - self._state.lost):
            detail = f"record {record_id} was deleted in Argilla"
            yield _anomaly(
                "record gone", *where, detail, f"{record_id}:{asked.dataset_id}", record_ids=[record_id]
            )
        for record in records:
            if record.record_id not in own:
                digest = content_hash([record.record_id, dict(record.fields)])
                detail = f"a record that was not pushed: {record.record_id}"
                yield _anomaly("strange record", *where, detail, f"{asked.dataset_id}:{digest}")
                continue
            if DECISION in record.suggested:
                detail = f"record {record.record_id} has a decision pre-filled, which seedgate never does"
                yield _anomaly("decision suggested", *where, detail, f"{record.record_id}:{asked.dataset_id}")
            if record.altered:
                detail = f"record {record.record_id} was changed in Argilla after it was pushed"
                yield _anomaly("record altered", *where, detail, f"{record.record_id}:{asked.dataset_id}")

    # -- what was answered ---------------------------------------------------------------------------

    def _about_answers(
        self, asked: Asked, own: dict[str, Assignment], records: list[StoredRecord]
    ) -> Iterator[NewEvent]:
        answers = [
            (own[record.record_id], record, response)
            for record in records
            if record.record_id in own
            for response in record.responses
        ]
        yield from self._vanished(asked, {response.id for _, _, response in answers})
        keys = self._ws.ledger.existing_keys([response_key(response) for _, _, response in answers])
        bodies = self._ws.ledger.bodies(
            {digest for each, _, _ in answers for digest in (each.candidate_id, each.shown_hash)}
        )
        for assignment, record, response in sorted(answers, key=lambda a: a[2].updated_at):
            where = (assignment.round, assignment.reviewer)
            if response.user_id != asked.user_id:
                detail = f"{self._name(response.user_id)} answered record {assignment.record_id}"
                yield _anomaly("foreign response", *where, f"{detail}: not counted", response_key(response))
            elif response.status == "draft":
                self.drafts += 1
                yield from self._taken_back(assignment, response)
            elif response.status == "discarded":
                yield from self._taken_back(assignment, response)
                yield _skipped(assignment, response)
            elif response_key(response) in keys:
                yield from self._disowned(assignment, bodies.get(assignment.candidate_id), response)
            else:
                fields, shown = bodies.get(assignment.candidate_id), bodies.get(assignment.shown_hash)
                yield from self._answer(asked, assignment, fields, shown, record, response)

    def _answer(
        self,
        asked: Asked,
        assignment: Assignment,
        fields: dict[str, Any] | None,
        shown: dict[str, str] | None,
        record: StoredRecord,
        response: StoredResponse,
    ) -> Iterator[NewEvent]:
        submitted = in_utc(response.updated_at)
        times = self._times[assignment.reviewer]
        before = bisect_left(times, submitted)
        pace_s = pace(submitted, times[before - 1] if before else None)
        insort(times, submitted)
        read = read_verdict(asked, assignment, fields, record, response, pace_s, shown)
        verdict, corrected, comment = read
        yield from self._change(verdict, response)
        bodies = (*([corrected] if corrected is not None else []), *([comment] if comment else []))
        yield NewEvent(
            "verdict.recorded", verdict.candidate_id, dump(verdict), response_key(response), bodies
        )
        made = None if assignment.why == "control" else self._corrections.of(verdict, corrected, asked.round)
        if made is not None:
            yield made

    def _change(self, verdict: Verdict, response: StoredResponse) -> Iterator[NewEvent]:
        """That a response which had been pulled says something else now."""
        standing = self._state.verdicts.get(response.id)
        if standing is None:
            return
        was = standing.verdict
        if (was.decision, was.corrected_hash, was.problem) == (
            verdict.decision,
            verdict.corrected_hash,
            verdict.problem,
        ):
            return
        yield from self._changed(was, response, {"decision": verdict.decision})

    def _disowned(
        self, assignment: Assignment, fields: dict[str, Any] | None, response: StoredResponse
    ) -> Iterator[NewEvent]:
        """That the standing verdict is not what its response says, which was pulled before and is unchanged.

        Only somebody who writes into the ledger can bring that about; the verdict is taken back.
        """
        standing = self._state.verdicts.get(response.id)
        if standing is None or fields is None:
            return
        was, said = standing.verdict, read_answer(self._ws.task, fields, response.values)
        corrected = content_hash(said.corrected) if said.corrected is not None else None
        same = (was.decision, was.corrected_hash) == (said.decision, corrected)
        # The key is made of all that the response says, its time and account included: another event under the
        # same response was not written by a pull of it.
        pulled = self._state.keys.get(response.id) == response_key(response)
        if pulled and same and (was.problem or not said.problem):
            return
        detail = f"event {standing.seq} says otherwise than the response {response.id} of {was.reviewer}"
        yield _anomaly("verdict disowned", assignment.round, assignment.reviewer, detail, str(standing.seq))
        yield from self._changed(was, response, {"decision": said.decision}, f"disowned:{standing.seq}")

    def _taken_back(self, assignment: Assignment, response: StoredResponse) -> Iterator[NewEvent]:
        standing = self._state.verdicts.get(response.id)
        if standing is not None:
            yield from self._changed(standing.verdict, response, {"status": response.status})

    def _changed(
        self, was: Verdict, response: StoredResponse, now: dict[str, Any], key: str = ""
    ) -> Iterator[NewEvent]:
        payload = {"response_id": response.id, "was": {"decision": was.decision}, "now": now}
        key = key or f"changed:{response_key(response)}"
        yield NewEvent("verdict.changed", was.candidate_id, payload, key)
        if self._state.is_control(was.record_id) or self._state.is_rereview(was.record_id):
            return  # no release rests on it; what a re-review says now is heard like any other
        # Of a reopened row the earlier answers are void, and so is a change of them.
        ids = [
            id_
            for id_ in (was.candidate_id, was.corrected_hash)
            if id_ is not None and was.round not in self._state.reopened.get(id_, ())
        ]
        reason = f"{was.reviewer} changed a verdict after the release"
        yield from recalls(self._state, ids, why="verdict changed", reason=reason)

    def _vanished(self, asked: Asked, present: set[str]) -> Iterator[NewEvent]:
        for response_id, (_, verdict) in self._state.verdicts.items():
            here = verdict.dataset_id == asked.dataset_id and verdict.record_id not in self._state.lost
            if here and response_id not in present:
                detail = (
                    f"the response of {verdict.reviewer} to record {verdict.record_id} is gone; it stands"
                )
                yield _anomaly("response gone", asked.round.id, asked.reviewer, detail, response_id)

    def _name(self, user_id: str) -> str:
        return next((a.name for a in self._accounts.values() if a.id == user_id), f"user {user_id}")


def _anomaly(
    what: str, round_id: str, reviewer: str, detail: str, key: str, *, record_ids: list[str] | None = None
) -> NewEvent:
    payload: dict[str, Any] = {"what": what, "round": round_id, "reviewer": reviewer, "detail": detail}
    if record_ids is not None:
        payload["record_ids"] = record_ids
    return NewEvent("review.anomaly", round_id, payload, f"anomaly:{what}:{sha256(key)}")


def _skipped(assignment: Assignment, response: StoredResponse) -> NewEvent:
    payload = {
        "round": assignment.round,
        "candidate_id": assignment.candidate_id,
        "reviewer": assignment.reviewer,
        "response_id": response.id,
    }
    key = f"skipped:{response.id}:{response.updated_at}"
    return NewEvent("record.skipped", assignment.record_id, payload, key)
