"""Candidates and verdicts written straight into the ledger, as `generate`, `push` and `pull` would."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any

from seedgate.canonical import content_hash
from seedgate.ledger import NewEvent
from seedgate.records import Assignment, Candidate, Example, Provenance, Round, Verdict, VerdictDecision
from seedgate.workspace import Workspace

TEXTS = [
    ("No sign of my order since the weekend.", "delivery"),
    ("Please refund the second payment you took.", "billing"),
    ("The sign-in page does not accept my new phrase.", "account"),
    ("Parcel says delivered; the porch says otherwise.", "delivery"),
    ("Your bill adds tax where none is due.", "billing"),
    ("I cannot get past the two-step check.", "account"),
    ("When does the van come round to us?", "delivery"),
    ("Gift card balance went to zero overnight.", "billing"),
]


def example(text: str, label: str) -> Example:
    """An example of the tiny task."""
    return Example(fields={"text": text, "label": label}, tags=("core",))


class Reviewing:
    """Fills a workspace's ledger with candidates and with verdicts that count."""

    def __init__(self, ws: Workspace) -> None:
        self.ws = ws
        self._numbers = count(1)

    def candidates(self, amount: int = 4) -> list[str]:
        """Adds the first `amount` candidates; their ids."""
        return [self.candidate(example(*each)) for each in TEXTS[:amount]]

    def candidate(self, made: Example, *, edited_from: str | None = None) -> str:
        """Adds one candidate; its id."""
        number = next(self._numbers)
        origin = Provenance(
            cycle=1,
            run="run-1",
            strategy="edit" if edited_from else "few_shot",
            model="fake-135m",
            prompt_hash=content_hash("prompt"),
            request_id=f"request-{number}",
            at="2026-01-01T00:00:00+00:00",
            edited_from=edited_from,
        )
        candidate = Candidate(example=made, provenance=origin)
        payload = candidate.model_dump(mode="json", exclude={"example": {"fields"}})
        event = NewEvent("candidate.created", made.id, payload, f"candidate:{made.id}", (dict(made.fields),))
        self.ws.ledger.append([event])
        return made.id

    def edit(self, original: str, corrected: Example, **options: Any) -> str:
        """A reviewer corrects a candidate into another example; the new one's id."""
        new = self.candidate(corrected, edited_from=original)
        self.verdicts({original: "edit"}, corrected={original: new}, **options)
        return new

    def verdicts(
        self,
        decisions: Mapping[str, VerdictDecision | None],
        *,
        reviewer: str = "reviewer",
        simulated: bool = False,
        guideline_hash: str | None = None,
        corrected: Mapping[str, str] | None = None,
        **changes: Any,
    ) -> str:
        """Opens a round for these candidates and records a reviewer's answers; the round's id.

        Args:
            decisions: Candidate to answer; None leaves it unanswered.
            changes: Fields of the verdicts that are other than they should be.
        """
        number = next(self._numbers)
        opened, assignments = self._round(f"round-{number}", list(decisions), reviewer, simulated)
        dataset = f"dataset-{number}"
        events = [
            NewEvent(
                "round.opened",
                opened.id,
                {
                    "round": opened.model_dump(mode="json"),
                    "assignments": [each.model_dump(mode="json") for each in assignments],
                },
                bodies=("guidelines", "shown"),
            ),
            *(
                NewEvent(
                    "record.pushed",
                    each.record_id,
                    {
                        "round": opened.id,
                        "candidate_id": each.candidate_id,
                        "reviewer": reviewer,
                        "dataset_id": dataset,
                    },
                )
                for each in assignments
            ),
            NewEvent(
                "round.pushed",
                opened.id,
                {
                    "datasets": {reviewer: dataset},
                    "users": {reviewer: f"user-{reviewer}"},
                    "pusher": "user-pusher",
                    "records": len(assignments),
                },
            ),
        ]
        for each in assignments:
            answer = decisions[each.candidate_id]
            if answer is None:
                continue
            said: dict[str, Any] = {
                "candidate_id": each.candidate_id,
                "round": opened.id,
                "reviewer": reviewer,
                "decision": answer,
                "seen_hash": each.candidate_id,
                "corrected_hash": (corrected or {}).get(each.candidate_id, each.candidate_id),
                "guideline_hash": guideline_hash or opened.guideline_hash,
                "dataset_id": dataset,
                "record_id": each.record_id,
                "response_id": f"response-{each.record_id}",
                "user_id": f"user-{reviewer}",
                "submitted_at": datetime.now(UTC).isoformat(),
                "simulated": simulated,
            }
            verdict = Verdict.model_validate(said | changes)
            events.append(NewEvent("verdict.recorded", each.candidate_id, verdict.model_dump(mode="json")))
        self.ws.ledger.append(events)
        return opened.id

    def approve(self, *candidates: str, **options: Any) -> str:
        """A reviewer approves candidates as they are."""
        return self.verdicts(dict.fromkeys(candidates, "approve"), **options)

    def take_back(self, candidate: str) -> None:
        """The reviewer's standing answer is withdrawn, as `pull` records a change in Argilla."""
        for event in list(self.ws.ledger.events("verdict.recorded", subject=candidate)):
            payload = {"response_id": event.payload["response_id"], "was": "approve", "now": None}
            self.ws.ledger.append([NewEvent("verdict.changed", candidate, payload)])

    def _round(
        self, name: str, candidates: list[str], reviewer: str, simulated: bool
    ) -> tuple[Round, list[Assignment]]:
        opened = Round(
            id=name,
            cycle=1,
            wave=1,
            guideline_hash=self.ws.guidelines()[1],
            guidelines=content_hash("guidelines"),
            task_hash=self.ws.task.hash,
            schema_hash=content_hash("schema"),
            quorum=1,
            reviewers=(reviewer,),
            simulated=(reviewer,) if simulated else (),
            datasets={reviewer: ("seedgate", name)},
            at="2026-01-01T00:00:00+00:00",
        )
        assignments = [
            Assignment(
                round=name,
                candidate_id=candidate,
                reviewer=reviewer,
                record_id=f"{name}-{candidate[:12]}-{reviewer}",
                shown_hash=content_hash("shown"),
            )
            for candidate in candidates
        ]
        return opened, assignments
