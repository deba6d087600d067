"""What measurements and decisions on models say; frozen, and readable as one line."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from seedgate.scoring import Metric

__all__ = [
    "OUTSIDE",
    "Comparison",
    "Confused",
    "Confusion",
    "Evaluation",
    "GainOverSeeds",
    "Judgement",
    "LabelFigures",
    "Outcome",
    "OverSeeds",
    "Prediction",
    "Rival",
    "Secondary",
    "Share",
    "Unconstrained",
]

Outcome = Literal["better", "worse", "undecided"]
"""`undecided`: the test on this evaluation set cannot tell the two models apart."""

Rival = Literal["base", "current", "seeds alone"]
"""What a training is held against: the model as served, the current model, the same training without approved rows."""

OUTSIDE = "outside"
"""What an answer that is none of the labels is called."""

MOST_TOLD = 5


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Prediction(_Record):
    """One answer: which row of the evaluation set, what the model said, how right that was (0 to 1)."""

    id: str
    answer: str
    score: float
    finish_reason: str | None = None


class Share(_Record):
    """The metric over a part of the evaluation set, with its interval."""

    n: int
    value: float
    low: float
    high: float


class Unconstrained(Share):
    """The metric where the model might say anything; `outside` answers were none of the choices."""

    outside: int
    predictions_hash: str


class Secondary(Share):
    """A figure beside the metric, of the `n` rows that have one; `model` made it. It decides nothing."""

    model: str


class Evaluation(_Record):
    """A model on the locked evaluation set.

    Attributes:
        model: Name of the trained model, or `base` for the model as served.
        served: What the server called it when asked.
        value, low, high: The metric with its interval (Wilson for accuracy, bootstrap otherwise).
        exact: Share of answers that are just the expected value, where the answer is JSON.
        labels, tags: The metric by label of the first label field, and by tag.
        outside: Answers that are none of the choices; over 0 in a constrained run means that the server
            ignores the constraint.
        predictions_hash: Body hash of the predictions.
        look: How many evaluations on this set came before, this one included.
        unconstrained: The same rows without the constraint; None where there is none, and in measurements of
            earlier versions.
        secondary: Of free text: `similarity`, the mean cosine with the expected answer in meaning, and `judge`, the
            mean grade from 1 to 5, if one was asked.
    """

    model: str
    served: str
    eval_hash: str
    metric: Metric
    n: int
    value: float
    low: float
    high: float
    confidence: float
    constrained: bool
    labels: dict[str, Share]
    tags: dict[str, Share]
    outside: int
    predictions_hash: str
    settings_hash: str
    look: int
    seconds: float
    exact: float | None = None
    unconstrained: Unconstrained | None = None
    secondary: dict[str, Secondary] = {}

    def __str__(self) -> str:
        warning = f"; {self.outside} answers were none of the choices" if self.outside else ""
        if self.exact is not None:
            warning += f"; {self.exact:.3f} exactly right"
        return (
            f"{self.model}: {self.metric} {self.value:.3f} ({self.confidence:.0%} interval"
            f" {self.low:.3f} to {self.high:.3f}, n = {self.n}{warning}){self._free}{self._beside}"
        )

    @property
    def _beside(self) -> str:
        return "".join(
            f"; {name} {each.value:.3f} ({each.low:.3f} to {each.high:.3f}"
            f"{f', n = {each.n}' if each.n < self.n else ''})"
            for name, each in self.secondary.items()
        )

    @property
    def _free(self) -> str:
        free = self.unconstrained
        if free is None:
            return ""
        return (
            f"; without the constraint {free.value:.3f} ({free.low:.3f} to {free.high:.3f}),"
            f" {free.outside} of {free.n} answers none of the choices"
        )


class GainOverSeeds(_Record):
    """What the models of a training gained on average, paired by row of the locked set.

    Attributes:
        over, before: What over, and its models: one, or one for each seed that both trainings were measured with.
        seeds: So many models of the training it rests on.
        difference: With its interval over seeds and rows. A single model before is taken as it is.
        outcome: `undecided` where the interval holds 0. It promotes nothing: each model is judged by itself.
    """

    over: Rival
    before: tuple[str, ...]
    seeds: int
    difference: float
    low: float
    high: float
    outcome: Outcome

    def __str__(self) -> str:
        name = {
            "base": "the base model",
            "current": f"the current model {self.before[0]}",
            "seeds alone": "the seeds alone"
            + (" (one training seed of them)" if len(self.before) == 1 else ""),
        }[self.over]
        return f"{self.difference:+.3f} ({self.low:+.3f} to {self.high:+.3f}) over {name}: {self.outcome}"


class OverSeeds(Share):
    """The metric over models that differ in their training seed alone, with an interval over seeds and rows.

    Attributes:
        models: Their names, in the order of `seeds`.
        n: Rows that each was asked about.
        least, most: The metric of the worst and of the best of them.
        gains: Over the base model, the current one and the seeds alone, as far as they were measured alike.
        labels, tags: The same mean by label of the first label field, and by tag.
    """

    models: tuple[str, ...]
    seeds: tuple[int, ...]
    metric: Metric
    confidence: float
    least: float
    most: float
    gains: tuple[GainOverSeeds, ...] = ()
    labels: dict[str, Share] = {}
    tags: dict[str, Share] = {}

    def __str__(self) -> str:
        return (
            f"over {len(self.seeds)} training seeds: {self.metric} {self.value:.3f} ({self.confidence:.0%} interval"
            f" over seeds and rows {self.low:.3f} to {self.high:.3f};"
            f" single seeds {self.least:.3f} to {self.most:.3f})"
            + "".join(f"; {each}" for each in self.gains)
        )


class Confused(NamedTuple):
    """One label that was taken for another, or (`said` is `outside`) for none; `rows` of the `of` that have it."""

    expected: str
    said: str
    rows: int
    of: int

    def __str__(self) -> str:
        return f"{self.expected} as {self.said} ({self.rows} of {self.of})"


class Confusion(_Record):
    """What a model answered to the rows of each label.

    Attributes:
        labels: The task's; the lines of `counts`, and its columns but the last.
        counts: Shape [labels, labels + 1]: rows of a label by what was answered. Answers that are no label are
            in the last column, called `outside`.
        macro_f1: Mean F1 of the labels that have rows, and its bootstrap interval.
    """

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    macro_f1: Share
    confidence: float

    @property
    def confused(self) -> list[Confused]:
        """Every pair that was confused, most rows first."""
        names = (*self.labels, OUTSIDE)
        pairs = [
            Confused(names[row], names[column], count, sum(line))
            for row, line in enumerate(self.counts)
            for column, count in enumerate(line)
            if count and row != column
        ]
        return sorted(pairs, key=lambda each: -each.rows)

    def __str__(self) -> str:
        f1 = self.macro_f1
        told = f"macro-F1 {f1.value:.3f} ({self.confidence:.0%} interval {f1.low:.3f} to {f1.high:.3f})"
        # What happened once may be chance, and five pairs are what one remembers.
        often = [each for each in self.confused if each.rows > 1]
        if not often:
            return f"{told}; no two labels confused more than once"
        more = f", and {len(often) - MOST_TOLD} more pairs" if len(often) > MOST_TOLD else ""
        return f"{told}; most confused: {', '.join(map(str, often[:MOST_TOLD]))}{more}"


class LabelFigures(_Record):
    """How well one label is found.

    Attributes:
        rows: That have it; `answered`: that were given it.
        precision: Of the rows that were given it, those that have it; None if none was.
        recall: Of the rows that have it, those that were given it: the accuracy on them.
    """

    rows: int
    answered: int
    precision: Share | None
    recall: Share
    f1: Share


class Comparison(_Record):
    """Two models on the same rows, paired.

    Attributes:
        before, after: The models' names; `difference` is `after` minus `before`, with its interval.
        gained, lost: Rows that only `after`, or only `before`, got right (but for accuracy: did better on).
        p_value: Two-sided; exact McNemar for accuracy, sign flips otherwise.
    """

    before: str
    after: str
    metric: Metric
    n: int
    before_value: float
    after_value: float
    difference: float
    low: float
    high: float
    confidence: float
    gained: int
    lost: int
    p_value: float
    outcome: Outcome

    def __str__(self) -> str:
        return (
            f"{self.after} against {self.before}: {self.outcome}; {self.metric} {self.difference:+.3f}"
            f" ({self.confidence:.0%} interval {self.low:+.3f} to {self.high:+.3f}, p = {self.p_value:.3g},"
            f" {self.gained} rows gained, {self.lost} lost of {self.n})"
        )


class Judgement(_Record):
    """Whether a model became the current one.

    Attributes:
        over: The model that was current.
        test: Which place of the error budget it took, from 1: which measurement of a trained model on this
            evaluation set it rests on. `level`: what its p-value had to be below.
    """

    model: str
    over: str
    eval_hash: str
    test: int
    level: float
    p_value: float
    metric: Metric
    difference: float
    outcome: Outcome

    @property
    def current(self) -> str:
        """The model that is current after it."""
        return self.model if self.outcome == "better" else self.over

    def __str__(self) -> str:
        said = {
            "better": f"better than {self.over}: {self.model} is the current model now",
            "worse": f"worse than {self.over}, which stays the current model",
            "undecided": f"not shown to be better than {self.over}, which stays the current model",
        }[self.outcome]
        return (
            f"{self.model} is {said} ({self.metric} {self.difference:+.3f}, p = {self.p_value:.3g},"
            f" needed below {self.level:.3g}: measurement {self.test} of a trained model on this evaluation set)"
        )
