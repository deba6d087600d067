"""A docket's dataset, read and compared with what was pushed and what the ledger has already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedgate.canonical import content_hash, sha256
from seedgate.errors import InputError
from seedgate.ledger import NewEvent
from seedgate.records import Adjudication, Case, CaseAnswer, dump
from seedgate.review.board import Account, Board, DatasetSpec, StoredRecord, StoredResponse
from seedgate.review.case_view import CORRECT, shown_texts_hash
from seedgate.review.evidence import PushedDocket
from seedgate.review.recalling import recalls
from seedgate.review.record_view import COMMENT, DECISION, spec_hash
from seedgate.review.state import ReviewState
from seedgate.review.verdicts import in_utc, response_key

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["CaseReading"]


@dataclass(frozen=True)
class _Place:
    """A docket's dataset as it was pushed and as it is; `problem`: why no answer in it can count."""

    pushed: PushedDocket
    spec: DatasetSpec
    problem: str | None


class CaseReading:
    """Turns dockets into events; knows what the ledger had before."""

    def __init__(self, ws: Workspace, state: ReviewState, board: Board) -> None:
        self._ws = ws
        self._state = state
        self._board = board
        self._accounts: dict[str, Account] = board.accounts()
        self._rulings = state.rulings()

    def docket(self, pushed: PushedDocket) -> Iterator[NewEvent]:
        """What is new in one docket."""
        docket = pushed.docket
        own = {case.record_id: case for case in self._state.cases.values() if case.docket == docket.id}
        spec, records = self._board.dataset_spec(pushed.dataset_id), self._board.records(pushed.dataset_id)
        if spec is None or records is None:
            detail = f"dataset {' / '.join(docket.place)} was deleted in Argilla"
            yield _anomaly("dataset gone", pushed, detail, pushed.dataset_id, sorted(own))
            return
        place = _Place(pushed, spec, self._problem(pushed, spec))
        yield from _about_dataset(place, own, records)
        yield from self._about_answers(place, own, records)

    def _problem(self, pushed: PushedDocket, spec: DatasetSpec) -> str | None:
        by, review = pushed.docket.by, self._ws.config.review
        account = self._accounts.get(by)
        listed = (review.adjudicator,) if pushed.docket.kind == "adjudication" else review.reviewers
        if by not in listed:
            return f"{by} is not who settles cases in this workspace any more"
        if account is None or account.id != pushed.user_id:
            return f"the account {by} is not the one that was asked"
        if account.role != "annotator":
            return f"{by} has the role {account.role} in Argilla"
        if spec_hash(spec) != pushed.docket.schema_hash:
            return "the dataset's fields or questions were changed in Argilla"
        return None

    def _about_answers(
        self, place: _Place, own: dict[str, Case], records: list[StoredRecord]
    ) -> Iterator[NewEvent]:
        pushed = place.pushed
        answers = [(r, answer) for r in records if r.record_id in own for answer in r.responses]
        yield from self._vanished(pushed, {answer.id for _, answer in answers})
        keys = self._ws.ledger.existing_keys([_key(answer) for _, answer in answers])
        shown = self._ws.ledger.bodies({case.shown_hash for case in own.values()})
        for record, response in sorted(answers, key=lambda a: a[1].updated_at):
            case = own[str(record.record_id)]
            if response.user_id != pushed.user_id:
                who = next((a.name for a in self._accounts.values() if a.id == response.user_id), "somebody")
                detail = f"{who} answered case {case.record_id}: not counted"
                yield _anomaly("foreign response", pushed, detail, _key(response))
            elif response.status != "submitted":
                yield from self._changed(case, response, {"status": response.status})
            elif _key(response) in keys:
                yield from self._disowned(pushed, case, response)
            else:
                yield from self._answer(place, case, shown.get(case.shown_hash, {}), record, response)

    def _answer(
        self,
        place: _Place,
        case: Case,
        shown: dict[str, str],
        record: StoredRecord,
        response: StoredResponse,
    ) -> Iterator[NewEvent]:
        found, comment = _read(place, case, shown, record, response)
        standing = self._rulings.get(response.id)
        if standing is not None and _meaning(standing.adjudication) != _meaning(found):
            yield from self._changed(case, response, {"decision": found.decision})
        bodies = (comment,) if comment else ()
        yield NewEvent("adjudication.recorded", case.candidate_id, dump(found), _key(response), bodies)

    def _disowned(self, pushed: PushedDocket, case: Case, response: StoredResponse) -> Iterator[NewEvent]:
        """That the standing ruling is not the one that was pulled from this response, which is unchanged."""
        standing = self._rulings.get(response.id)
        if standing is None or self._state.keys.get(response.id) == _key(response):
            return
        detail = f"event {standing.seq} says otherwise than the response {response.id} of {pushed.docket.by}"
        yield _anomaly("ruling disowned", pushed, detail, str(standing.seq))
        yield from self._changed(case, response, {"decision": None}, f"disowned:{standing.seq}")

    def _changed(
        self, case: Case, response: StoredResponse, now: dict[str, Any], key: str = ""
    ) -> Iterator[NewEvent]:
        """That an answer which had been pulled says something else now; released rows are recalled."""
        standing = self._rulings.get(response.id)
        if standing is None:
            return
        was = standing.adjudication
        payload = {"response_id": response.id, "was": {"decision": was.decision}, "now": now}
        yield NewEvent("adjudication.changed", case.candidate_id, payload, key or f"changed:{_key(response)}")
        ids = [id_ for id_ in (was.candidate_id, was.corrected_hash) if id_ is not None]
        reason = f"{was.by} changed an adjudication after the release"
        yield from recalls(self._state, ids, why="verdict changed", reason=reason)

    def _vanished(self, pushed: PushedDocket, present: set[str]) -> Iterator[NewEvent]:
        for response_id, (_, adjudication) in self._rulings.items():
            answer = adjudication.answer
            if answer and answer.dataset_id == pushed.dataset_id and response_id not in present:
                detail = f"the answer of {adjudication.by} to case {answer.record_id} is gone; it stands"
                yield _anomaly("response gone", pushed, detail, response_id)


def _read(
    place: _Place, case: Case, shown: dict[str, str], record: StoredRecord, response: StoredResponse
) -> tuple[Adjudication, str]:
    """The adjudication in a submitted response of the person asked, and its comment."""
    values = response.values or {}
    problem = place.problem
    if record.altered:
        problem = problem or "the record was changed in Argilla after it was pushed"
    if record.suggested:
        problem = problem or "the record has an answer pre-filled, which seedgate never does"
    try:
        seen = shown_texts_hash(shown, record.fields)
    except InputError as error:
        seen, problem = content_hash(dict(record.fields)), problem or error.message
    chosen, comment = values.get(DECISION), values.get(COMMENT) or ""
    corrected = case.corrections.get(str(chosen).removeprefix(CORRECT))
    decision = chosen if chosen in ("approve", "reject") else "correct" if corrected else None
    if decision is None:
        problem = problem or "malformed: no decision that this case offers"
    comment = comment.strip() if isinstance(comment, str) else ""
    found = Adjudication(
        candidate_id=case.candidate_id,
        by=place.pushed.docket.by,
        decision=decision,
        corrected_hash=corrected if decision == "correct" else None,
        comment_hash=content_hash(comment) if comment else None,
        guideline_hash=sha256(place.spec.guidelines),
        settles=case.settles,
        answer=CaseAnswer(
            docket=case.docket,
            dataset_id=place.pushed.dataset_id,
            record_id=case.record_id,
            response_id=response.id,
            user_id=response.user_id,
            shown_hash=seen,
            submitted_at=in_utc(response.updated_at),
            problem=problem,
        ),
    )
    return found, comment


def _about_dataset(place: _Place, own: dict[str, Case], records: list[StoredRecord]) -> Iterator[NewEvent]:
    pushed, where = place.pushed, place.pushed.dataset_id
    if place.problem:
        yield _anomaly("dataset unusable", pushed, place.problem, f"{where}:{place.problem}")
    guidelines = sha256(place.spec.guidelines)
    if guidelines != pushed.docket.guideline_hash:
        detail = f"the guidelines of {pushed.docket.place[1]} were changed in Argilla"
        yield _anomaly("guidelines changed", pushed, detail, f"{where}:{guidelines}")
    for record_id in sorted(own.keys() - {record.record_id for record in records}):
        detail = f"case {record_id} was deleted in Argilla"
        yield _anomaly("record gone", pushed, detail, f"{record_id}:{where}", [record_id])
    for record in records:
        if record.record_id not in own:
            detail = f"a record that was not pushed: {record.record_id}"
            yield _anomaly("strange record", pushed, detail, f"{where}:{record.record_id}")
            continue
        if record.suggested:
            detail = f"case {record.record_id} has an answer pre-filled, which seedgate never does"
            yield _anomaly("decision suggested", pushed, detail, f"{record.record_id}:{where}")
        if record.altered:
            detail = f"case {record.record_id} was changed in Argilla after it was pushed"
            yield _anomaly("record altered", pushed, detail, f"{record.record_id}:{where}")


def _meaning(adjudication: Adjudication) -> tuple[Any, ...]:
    problem = adjudication.answer.problem if adjudication.answer else None
    return adjudication.decision, adjudication.corrected_hash, problem


def _key(response: StoredResponse) -> str:
    return f"adjudication:{response_key(response)}"


def _anomaly(
    what: str, pushed: PushedDocket, detail: str, key: str, record_ids: list[str] | None = None
) -> NewEvent:
    docket = pushed.docket
    payload: dict[str, Any] = {"what": what, "round": docket.id, "reviewer": docket.by, "detail": detail}
    if record_ids is not None:
        payload["record_ids"] = record_ids
    return NewEvent("review.anomaly", docket.id, payload, f"anomaly:{what}:{sha256(key)}")
