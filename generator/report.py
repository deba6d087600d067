"""What a generation run tells: while it runs, and at its end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict

from seedgate.generator.recording import Outcome

__all__ = ["GenerationReport", "Meter", "ProgressFn"]

ProgressFn = Callable[[int, int, str], None]
"""Called with candidates so far, candidates wanted, and a note with rate and time left."""

SCHEMA_SHARE = 0.03
"""Share of answers off the schema from which the server is suspected of ignoring it."""


class GenerationReport(BaseModel):
    """What a run did.

    Attributes:
        run: The run's id; None if nothing was to be done.
        candidates: Of the cycle, after the run; `new` of them are this run's.
        items: Parts of completions, which became candidates or were dropped.
        dropped: Filter to items dropped by it; `reasons` the same as `filter: reason`.
        strategies: Name to its requests and candidates in this run.
        scored: Score to candidates that the model was asked about, earlier ones that wait included.
        warnings: What the user should look at, one sentence each.
        previews: For a dry run: strategy to the first prompt that it would send.
    """

    model_config = ConfigDict(frozen=True)

    cycle: int
    run: str | None
    target: int
    candidates: int
    new: int = 0
    requests: int = 0
    completions: int = 0
    items: int = 0
    dropped: dict[str, int] = {}
    reasons: dict[str, int] = {}
    seconds: float = 0.0
    form: str = ""
    strategies: dict[str, dict[str, int]] = {}
    scored: dict[str, int] = {}
    warnings: tuple[str, ...] = ()
    previews: dict[str, str] = {}

    @property
    def preview(self) -> str:
        """The first of the prompts; empty if it was no dry run."""
        return next(iter(self.previews.values()), "")

    def __str__(self) -> str:
        text = "\n".join([self._headline(), *(f"note: {warning}" for warning in self.warnings)])
        shown = (f"\nthe first prompt of {name}:\n{prompt}" for name, prompt in self.previews.items())
        return "\n".join([text, *shown])

    def _headline(self) -> str:
        where = f"cycle {self.cycle} has {self.candidates} of {self.target} candidates"
        if self.previews:
            return f"{where}; would ask for the rest in {self.form} form (dry run: nothing was sent)"
        if self.run is None:
            return f"{where}; " + (self._scored() or "nothing to do")
        rate = f"{self.requests} requests, {self.items} items in {self.seconds:.0f} s"
        drops = ", ".join(f"{name} {count}" for name, count in Counter(self.reasons).most_common())
        by = ", ".join(
            f"{name} {each['candidates']} from {each['requests']}" for name, each in self.strategies.items()
        )
        told = f"; by strategy: {by}" if len(self.strategies) > 1 else ""
        parts = [
            f"{where}; {self.new} new from {rate}{told}",
            f"dropped: {drops}" if drops else "",
            self._scored(),
        ]
        return "; ".join(filter(None, parts))

    def _scored(self) -> str:
        found = ", ".join(f"{name} of {count}" for name, count in self.scored.items())
        return f"scored: {found}" if found else ""


class Meter:
    """Counts a run's outcomes and tells progress.

    Args:
        have: Candidates of the cycle before the run.
    """

    def __init__(self, have: int, target: int, on_progress: ProgressFn | None) -> None:
        self.have = have
        self.target = target
        self.requests = 0
        self.completions = 0
        self.new = 0
        self.reasons: Counter[tuple[str, str]] = Counter()
        self.strategies: dict[str, Counter[str]] = {}
        self._on_progress = on_progress
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the run started."""
        return time.monotonic() - self._started

    @property
    def items(self) -> int:
        """Candidates and dropped items."""
        return self.new + self.reasons.total()

    def add(self, outcome: Outcome) -> None:
        """Counts one request's outcome."""
        self.requests += 1
        self.completions += outcome.completions
        self.new += outcome.accepted
        self.reasons.update(outcome.drops)
        own = self.strategies.setdefault(outcome.strategy, Counter())
        own.update({"requests": 1, "candidates": outcome.accepted})
        if self._on_progress is not None:
            self._on_progress(min(self.have + self.new, self.target), self.target, self._note())

    def report(self, *, cycle: int, run: str, form: str, warnings: tuple[str, ...] = ()) -> GenerationReport:
        """The report of the run so far."""
        dropped: Counter[str] = Counter()
        for (name, _), count in self.reasons.items():
            dropped[name] += count
        return GenerationReport(
            cycle=cycle,
            run=run,
            target=self.target,
            candidates=self.have + self.new,
            new=self.new,
            requests=self.requests,
            completions=self.completions,
            items=self.items,
            dropped=dict(dropped.most_common()),
            reasons={f"{name}: {reason}": count for (name, reason), count in self.reasons.most_common()},
            seconds=round(self.seconds, 3),
            form=form,
            strategies={name: dict(own) for name, own in sorted(self.strategies.items())},
            warnings=(*warnings, *self._off_schema(dropped["schema"])),
        )

    def why(self) -> str:
        """The reasons for most drops, for a sentence."""
        most = self.reasons.most_common(3)
        if not most:
            return "the completions had no items"
        return "mostly dropped by " + ", ".join(f"{name} ({why}) {count}" for (name, why), count in most)

    def _off_schema(self, count: int) -> tuple[str, ...]:
        if count <= SCHEMA_SHARE * self.items:
            return ()
        share = f"{100 * count / self.items:.0f} %"
        return (
            f"{share} of the items did not fit the schema: see whether the server honours response_format,"
            " and the limits of the task's fields",
        )

    def _note(self) -> str:
        seconds = max(self.seconds, 1e-6)
        rate = self.new / seconds
        parts = [f"{rate:.1f} candidates/s", f"{self.requests / seconds:.1f} requests/s"]
        if self.items:
            parts.append(f"{100 * self.reasons.total() / self.items:.0f} % dropped")
        left = self.target - self.have - self.new
        if rate and left > 0:
            minutes, rest = divmod(round(left / rate), 60)
            parts.append(f"{minutes}:{rest:02d} left")
        return ", ".join(parts)
