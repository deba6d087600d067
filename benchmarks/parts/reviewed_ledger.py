"""A workspace of the shipped example whose ledger tells of three cycles that people have reviewed.

Nothing is generated, asked or trained: events are written as `generate`, `push`, `pull`, `train` and `eval` would have
left them, with a fixed draw of chance. Releases are made for real, so that the gate has had its word on every row.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from seedgate.canonical import content_hash
from seedgate.finetune import release
from seedgate.finetune.asking import Answers
from seedgate.finetune.evaluating import _record
from seedgate.finetune.figures import Prediction
from seedgate.ledger import NewEvent
from seedgate.records import Assignment, Candidate, Example, Provenance, Round, Verdict
from seedgate.review import decisions
from seedgate.seeds import baseline, example_workspace, lock, verified_seeds, verify
from seedgate.workspace import Workspace

__all__ = ["reviewed_workspace"]

REVIEWERS = ("anna", "ben")
CYCLES = 3
EACH = 8
"""Candidates of one request."""
STRATEGIES = {"few_shot": 0.74, "evolve": 0.58, "contrast": 0.66, "edge_cases": 0.42}
"""Share of a strategy's candidates that a reviewer approves."""
DAYS = ("Monday", "Thursday", "the weekend")
REASONS = ("wrong_label", "unnatural", "off_topic", "duplicate", "wrong_fact")
RIGHT = (0.42, 0.61, 0.69, 0.75, 0.78)
"""Accuracy of the base model, of the seeds alone, and after each cycle."""


def reviewed_workspace(root: Path, candidates: int, *, simulated: bool = False) -> Workspace:
    """Makes it, with about so many candidates.

    Args:
        simulated: The first cycle was reviewed by a program.
    """
    ws = example_workspace(
        root, reviewers=REVIEWERS, simulated=simulated, settings={"review": {"min_pace_s": 0}}
    )
    verify(ws, by="A. Expert", statement="the shipped example")
    lock(ws)
    _Story(ws, simulated).tell(candidates)
    return ws


class _Story:
    def __init__(self, ws: Workspace, simulated: bool) -> None:
        self.ws = ws
        self.simulated = simulated
        self.rng = random.Random(11)
        self.clock = datetime(2026, 3, 2, 9, tzinfo=UTC)
        self.guidelines = ws.guidelines()[1]
        self.texts = _texts(ws)
        self.seeds = list(verified_seeds(ws)[0])

    def tell(self, candidates: int) -> None:
        release(self.ws)
        self.evaluated(None, 0)
        self.trained("r000", 1)
        for cycle in range(1, CYCLES + 1):
            self.ws.ledger.append(
                [NewEvent("cycle.started", str(cycle), {"target": candidates // CYCLES, "simulated": False})]
            )
            born = list(self.generated(cycle, candidates // CYCLES))
            self.reviewed(cycle, born)
            self.looked_at_again(cycle)
            made = release(self.ws)
            self.trained(made.name, cycle + 1)
            self.ws.ledger.append([NewEvent("cycle.finished", str(cycle), {})])

    # -- generation ----------------------------------------------------------------------------------

    def generated(self, cycle: int, amount: int) -> Iterator[tuple[str, str]]:
        """Ids of the new candidates, with their strategies."""
        run = f"run-{cycle}"
        events = [NewEvent("run.started", run, {"cycle": cycle, "settings": {}, "seed_set_hash": "0" * 64})]
        for index in range(-(-amount // EACH)):
            strategy = self.rng.choices(list(STRATEGIES), (5, 3, 3, 2))[0]
            request, shown = f"{run}-{index}", self.rng.sample(self.seeds, 4)
            prompt = (
                "Write messages that customers sent to a support desk, one per line, numbered.\n\n"
                + "\n".join(
                    f"{n}. {text}" for n, text in enumerate(("My parcel is late.", "I was charged twice."), 1)
                )
            )
            made = list(islice(self.texts, EACH))
            payload = {
                "run": run, "cycle": cycle, "index": index, "strategy": strategy, "form": "list", "fixed": {},
                "seed_ids": shown, "prompt_hash": content_hash(prompt), "sampling": {}, "usage": {},
                "completions": 2, "raw_hash": content_hash(request),
            }  # fmt: skip
            events.append(NewEvent("request.completed", request, payload, bodies=(prompt, request)))
            for item in range(self.rng.randrange(5)):
                kind, why = self.rng.choice(
                    [
                        ("near_duplicate", "seed"),
                        ("schema", "not JSON"),
                        ("length", "short"),
                        ("meaning", "candidate"),
                    ]
                )
                dropped = {"cycle": cycle, "filter": kind, "reason": why, "request_id": request, "item": item}
                events.append(NewEvent("candidate.dropped", request, dropped))
            for fields in made:
                example = Example(fields=fields, tags=(self.rng.choice(("core", "core", "edge")),))
                born = self.born(cycle, run, strategy, shown, content_hash(prompt), request)
                events.append(_created(Candidate(example=example, provenance=born)))
                yield example.id, strategy
        ended = {"cycle": cycle, "requests": index + 1, "candidates": amount, "seconds": 1.9 * amount}
        self.ws.ledger.append([*events, NewEvent("run.finished", run, ended)])

    def born(
        self,
        cycle: int,
        run: str,
        strategy: str,
        shown: Sequence[str],
        prompt: str,
        request: str,
        **more: Any,
    ) -> Provenance:
        return Provenance(
            cycle=cycle, run=run, strategy=strategy, seed_ids=tuple(shown), model="smollm2-135m",
            prompt_hash=prompt, request_id=request, at=self.clock.isoformat(timespec="seconds"), **more,
        )  # fmt: skip

    # -- review --------------------------------------------------------------------------------------

    def reviewed(self, cycle: int, born: Sequence[tuple[str, str]]) -> None:
        """One round: every candidate before one reviewer, one of eight records a control, a few left open."""
        simulated = self.simulated and cycle == 1
        names = (str(self.ws.simulated_reviewer),) if simulated else REVIEWERS
        id_ = f"round-{cycle}"
        placed = [
            _placed(id_, each, names[n % len(names)], "random" if n % 4 == 0 else "ranked")
            for n, (each, _) in enumerate(born)
        ]
        controls = [] if simulated else [self.control(id_, name, n) for n in range(24) for name in REVIEWERS]
        opened = self.opened(id_, cycle, names, simulated)
        strategies = dict(born)
        chances = {each.candidate_id: self.chance(strategies[each.candidate_id], cycle) for each in placed}
        approving = {each: self.rng.random() < chance for each, chance in chances.items()}
        scored = self.scored(id_, approving)
        events = [
            _opened(opened, [*placed, *(a for a, _, _ in controls)]),
            scored,
            *(e for _, e, _ in controls),
        ]
        events += _pushed(opened, [*placed, *(a for a, _, _ in controls)])
        for assignment, _, bad in controls:
            slip = self.rng.random() < 0.07
            events.append(self.verdict(assignment, "approve" if slip == bad else "reject"))
        bodies = self.ws.ledger.bodies(strategies)
        for assignment in placed[: int(0.97 * len(placed))]:
            approve = approving[assignment.candidate_id]
            if approve and self.rng.random() < 0.12:
                fields = bodies[assignment.candidate_id]
                events += self.edited(
                    cycle, assignment, fields, strategies[assignment.candidate_id], simulated
                )
            else:
                events.append(
                    self.verdict(assignment, "approve" if approve else "reject", simulated=simulated)
                )
        self.ws.ledger.append(events)

    def chance(self, strategy: str, cycle: int) -> float:
        return min(0.95, STRATEGIES[strategy] + 0.05 * (cycle - 1))

    def scored(self, round_id: str, approving: dict[str, bool]) -> NewEvent:
        def normal(id_: str, apart: float) -> float:
            return round(self.rng.gauss(apart if approving[id_] else 0.0, 1.0), 4)

        scores = {
            id_: {"label_agreement": normal(id_, 1.1), "novelty": normal(id_, 0.4) / 6 + 0.5}
            for id_ in approving
        }
        values = {id_: normal(id_, 1.3) for id_ in approving}
        payload = {"order": "value", "value": "learnt", "scorers": {"label_agreement": 1, "novelty": 1}}
        return NewEvent("round.scored", round_id, payload | {"scores": scores, "values": values})

    def control(self, round_id: str, name: str, number: int) -> tuple[Assignment, NewEvent, bool]:
        fields = next(self.texts)
        bad = number % 3 > 0
        assignment = _placed(round_id, content_hash(fields), name, "control")
        made = {
            "candidate_id": assignment.candidate_id, "truth": "bad" if bad else "good", "corruption": "near_label",
            "sources": [], "reviewer": name, "round": round_id,
        }  # fmt: skip
        return assignment, NewEvent("control.made", assignment.record_id, made, bodies=(fields,)), bad

    def opened(self, id_: str, cycle: int, names: Sequence[str], simulated: bool) -> Round:
        return Round(
            id=id_, cycle=cycle, wave=1, guideline_hash=self.guidelines, guidelines=content_hash("guidelines"),
            task_hash=self.ws.task.hash, schema_hash=content_hash("schema"), quorum=1, reviewers=tuple(names),
            simulated=tuple(names) if simulated else (), datasets=dict.fromkeys(names, (id_, id_)),
            at=self.clock.isoformat(), max_miss_rate=0.2,
        )  # fmt: skip

    def verdict(
        self, at: Assignment, decision: str, *, simulated: bool = False, corrected: str = ""
    ) -> NewEvent:
        pace = round(self.rng.lognormvariate(2.7, 0.5), 1)
        self.clock += timedelta(seconds=pace)
        reasons = (self.rng.choices(REASONS, (6, 4, 3, 2, 1))[0],) if decision != "approve" else ()
        said = Verdict(
            candidate_id=at.candidate_id, round=at.round, reviewer=at.reviewer, decision=decision,  # type: ignore[arg-type]
            seen_hash=at.candidate_id, corrected_hash=corrected or at.candidate_id, reasons=reasons,
            guideline_hash=self.guidelines, dataset_id=f"{at.round}-{at.reviewer}", record_id=at.record_id,
            response_id=f"response-{at.record_id}", user_id=f"user-{at.reviewer}",
            submitted_at=self.clock.isoformat(), pace_s=pace if self.rng.random() < 0.97 else None, simulated=simulated,
        )  # fmt: skip
        return NewEvent("verdict.recorded", at.candidate_id, said.model_dump(mode="json"))

    def edited(
        self, cycle: int, at: Assignment, fields: dict[str, str], strategy: str, simulated: bool
    ) -> list[NewEvent]:
        """The reviewer mends the end of the text."""
        text = f"{fields['text'].rstrip('.!?')}, and I would like an answer by {self.rng.choice(DAYS)}."
        example = Example(fields=fields | {"text": text}, tags=("core",))
        born = self.born(cycle, f"run-{cycle}", strategy, (), "0" * 64, "edit", edited_from=at.candidate_id)
        made = _created(Candidate(example=example, provenance=born))
        return [made, self.verdict(at, "edit", simulated=simulated, corrected=example.id)]

    def looked_at_again(self, cycle: int) -> None:
        """A blind second look at a sample of what has been approved since the last one."""
        if self.simulated and cycle == 1:
            return
        drawn = [self.ws.ledger.body(e.payload["joined"]) for e in self.ws.ledger.events("rereview.drawn")]
        taken = {id_ for joined in drawn for id_ in joined}
        found = decisions(self.ws)
        joined = [id_ for id_, d in found.items() if d.outcome == "approved" and id_ not in taken]
        rows = self.rng.sample(joined, min(len(joined), 120))
        id_ = f"second-{cycle}"
        opened = self.opened(id_, cycle, REVIEWERS, False)
        other = {"anna": "ben", "ben": "anna"}
        placed = [_placed(id_, row, other.get(found[row].approvers[0], "anna"), "rereview") for row in rows]
        payload = {"seed": "0" * 64, "joined": content_hash(joined), "rows": rows}
        events = [_opened(opened, placed), NewEvent("rereview.drawn", id_, payload, bodies=(joined,))]
        events += _pushed(opened, placed)
        events += [self.verdict(a, "reject" if self.rng.random() < 0.03 else "approve") for a in placed]
        self.ws.ledger.append(events)

    # -- models --------------------------------------------------------------------------------------

    def trained(self, made: str, number: int) -> None:
        (event,) = self.ws.ledger.events("release.created", subject=made)
        rows = event.payload["rows"]
        payload = {"release": made, "metrics": {"seconds": round(4 + 0.15 * rows, 1), "train_loss": 0.4}}
        self.ws.ledger.append([NewEvent("model.trained", f"m-{made}", payload)])
        self.evaluated(f"m-{made}", number)

    def evaluated(self, model: str | None, number: int) -> None:
        base = baseline(self.ws)
        hard = random.Random(5)  # the same rows are hard for every model
        answers = [
            Prediction(id=each.id, answer="", score=float(hard.random() < RIGHT[number]))
            for each in base.evaluation
        ]
        _record(
            self.ws, key=f"evaluated:{number}", model=model or "base",
            answers=Answers(model or "base", answers), settings={"constrained": True},
            eval_hash=base.eval_hash, examples=base.evaluation, seconds=38.5,
        )  # fmt: skip


def _texts(ws: Workspace) -> Iterator[dict[str, str]]:
    """Rows of two or three seeds' texts, with the label of the first: as different from each other as seeds are."""
    label = ws.task.label_field
    assert label is not None
    seeds = [seed.fields for seed in verified_seeds(ws)[0].values()]
    seeds = random.Random(3).sample(seeds, len(seeds))
    for third in range(len(seeds)):
        for apart in range(1, len(seeds)):
            for number, first in enumerate(seeds):
                second = seeds[(number + apart) % len(seeds)]["text"]
                more = f" {seeds[(number + apart + third) % len(seeds)]['text']}" if third else ""
                yield {"text": f"{first['text']} {second}{more}", label.name: first[label.name]}


def _created(candidate: Candidate) -> NewEvent:
    payload = candidate.model_dump(mode="json", exclude={"example": {"fields"}})
    fields = dict(candidate.example.fields)
    return NewEvent("candidate.created", candidate.id, payload, f"candidate:{candidate.id}", (fields,))


def _placed(round_id: str, candidate: str, reviewer: str, why: Any) -> Assignment:
    return Assignment(
        round=round_id, candidate_id=candidate, reviewer=reviewer, record_id=f"{round_id}-{candidate[:20]}-{reviewer}",
        shown_hash=content_hash("shown"), why=why,
    )  # fmt: skip


def _opened(opened: Round, placed: Sequence[Assignment]) -> NewEvent:
    payload = {
        "round": opened.model_dump(mode="json"),
        "assignments": [each.model_dump(mode="json") for each in placed],
    }
    return NewEvent("round.opened", opened.id, payload, bodies=("guidelines", "shown"))


def _pushed(opened: Round, placed: Sequence[Assignment]) -> list[NewEvent]:
    datasets = {name: f"{opened.id}-{name}" for name in opened.reviewers}
    records = [
        NewEvent(
            "record.pushed",
            each.record_id,
            {
                "round": opened.id,
                "candidate_id": each.candidate_id,
                "reviewer": each.reviewer,
                "dataset_id": datasets[each.reviewer],
            },
        )
        for each in placed
    ]
    users = {name: f"user-{name}" for name in opened.reviewers}
    whole = {"datasets": datasets, "users": users, "pusher": "user-pusher", "records": len(placed)}
    return [*records, NewEvent("round.pushed", opened.id, whole)]
