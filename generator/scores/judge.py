"""What a model as judge thinks of a candidate, by a rubric that is a template like any other (`judge.chat`).

It grades from 1 to 5 under a JSON schema. Where the server says how likely each grade was, the score is their mean
weighted by that, which is finer than the grade itself and ties less (as in G-Eval, https://arxiv.org/abs/2303.16634).
A judge orders the queue and nothing else; `report` says how far it agrees with people.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from seedgate.canonical import strict_loads
from seedgate.errors import ServiceError
from seedgate.generator.clients.base import Choice, Completion, Request, Sampling
from seedgate.generator.prompts import described, rows_of
from seedgate.generator.scores.asked import CompleteFn, Item, Setting
from seedgate.generator.scores.typical import label_of, typical_seeds
from seedgate.records import Example
from seedgate.task import Task

__all__ = ["APPROVES_FROM", "GRADES", "Judge", "grade_of"]

GRADES = (1, 2, 3, 4, 5)
APPROVES_FROM = 3.5
"""Score from which the judge would approve: what rounds to a grade whose words say so."""

SHOTS = 3
LIKELIEST = 10
"""Tokens at each place whose likelihood is asked for; servers give 20 at most unless told otherwise."""

SCHEMA = {
    "type": "object",
    "properties": {"grade": {"type": "integer", "enum": list(GRADES)}},
    "required": ["grade"],
    "additionalProperties": False,
}
ANSWER = Sampling(n=1, temperature=0.0, top_p=1.0, max_tokens=24)


class Judge:
    """The expected grade, from 1 to 5; nothing is said if the answer has no grade."""

    name = "judge"
    version = 1
    template = "judge.chat"

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._known = typical_seeds(setting, SHOTS)
        self._likeliest = LIKELIEST

    @staticmethod
    def unsuited(task: Task, seeds: Sequence[Example]) -> str:
        """See `ModelScorer`."""
        return ""

    async def score(self, item: Item, complete: CompleteFn) -> float | None:
        """See `ModelScorer`."""
        done = await self._judged(self._request(item), complete)
        return grade_of(done.choices[0])

    async def _judged(self, request: Request, complete: CompleteFn) -> Completion:
        """The answer; without likelihoods if the server gives none."""
        likeliest = self._likeliest  # another request may find out meanwhile
        try:
            return await complete(replace(request, logprobs=likeliest))
        except ServiceError:
            if not likeliest:
                raise
            done = await complete(replace(request, id=f"{request.id}:grade"))
        self._likeliest = 0  # it refuses them, and nothing else
        return done

    def _request(self, item: Item) -> Request:
        task, label = self._setting.task, label_of(self._setting, item.example.fields)
        field = task.label_field
        meaning = field.label_help.get(label, "") if field else ""
        about = f" with {field.name} {label!r}" if field else ""
        values = {
            "task": task.instructions,
            "audience": task.audience,
            "fields": described(task),
            "about": about + (f" ({meaning})" if meaning else ""),
            "meaning": meaning,
            "seeds": rows_of(self._known.seeds.get(label, ()), task.fields),
            "example": rows_of([item.example], task.fields),
        }
        said = self._setting.templates.fill(self.template, values)
        return Request(f"{self.name}:{item.example.id}", ({"role": "user", "content": said},), ANSWER, SCHEMA)


def grade_of(choice: Choice) -> float | None:
    """The expected grade of an answer, else the grade that it gives, else None."""
    try:
        said = strict_loads(choice.text)
    except ValueError:
        return None
    grade = said.get("grade") if isinstance(said, dict) else None
    if isinstance(grade, bool) or grade not in GRADES:
        return None
    for place in choice.logprobs:
        if next(iter(place), "").strip() == str(grade):
            return _expected(place)
    return float(grade)


def _expected(place: Mapping[str, float]) -> float:
    weights = dict.fromkeys(GRADES, 0.0)
    for token, logprob in place.items():
        if token.strip() in map(str, GRADES):
            weights[int(token)] += math.exp(logprob)
    total = sum(weights.values())
    # A grade that only the constraint made possible may have no likelihood that a float can hold.
    likely = {grade: weight / total for grade, weight in weights.items()} if total else {}
    return sum(grade * share for grade, share in likely.items()) if likely else float(next(iter(place)))
