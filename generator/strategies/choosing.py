"""From `[generation]` to the strategies of a run: which are wanted, which can work here, in what shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING

from seedgate.canonical import sha256
from seedgate.config import OWN_STRATEGY
from seedgate.errors import ConfigError
from seedgate.generator.allocation import Allocation
from seedgate.generator.clients.base import ModelInfo, Sampling
from seedgate.generator.reading import candidates
from seedgate.generator.rendering import Form
from seedgate.generator.shares import allocation_of
from seedgate.generator.strategies.asking import AskFn, Asking, Context, Reviewed, UnsuitedError
from seedgate.generator.strategies.backward import backward
from seedgate.generator.strategies.base import Strategy, Tally, group_of
from seedgate.generator.strategies.contrast import contrast
from seedgate.generator.strategies.coverage_gaps import coverage_gaps
from seedgate.generator.strategies.edge_cases import edge_cases
from seedgate.generator.strategies.evolve import evolve
from seedgate.generator.strategies.few_shot import FewShot
from seedgate.generator.strategies.mix import Mix
from seedgate.generator.strategies.own import file_of, load_own
from seedgate.generator.strategies.repair import repair
from seedgate.generator.strategies.writer import writer
from seedgate.generator.templating import TEMPLATES, Templates
from seedgate.generator.writing import STRATEGY
from seedgate.records import Example
from seedgate.seeds import Baseline, Meanings
from seedgate.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FUNCTIONS", "Chooser", "Chosen", "ReviewedFn", "templates_of"]

FUNCTIONS: dict[str, AskFn] = {
    "evolve": evolve,
    "edge_cases": edge_cases,
    "coverage_gaps": coverage_gaps,
    "contrast": contrast,
    "backward": backward,
    "repair": repair,
    STRATEGY: writer,
}
"""All that come along, but `few_shot`, which also steers by what comes back."""

ReviewedFn = Callable[[int | None], Reviewed]
"""What review says as of an event of the ledger, or now."""

LONGEST_RUN = 4


@dataclass(frozen=True)
class Chosen:
    """The strategies of a run.

    Attributes:
        left_out: Strategy to why it cannot work here.
        allocation: What the shares rest on.
    """

    mix: Mix
    left_out: dict[str, str]
    allocation: Allocation

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each strategy that was left out."""
        return tuple(
            f"strategy {name} is left out: {why}; the others take its share"
            for name, why in self.left_out.items()
        )


class Chooser:
    """Makes the strategies of one cycle.

    Args:
        reviewed: What review says; None where nobody asks it, then nothing counts as refused.
        writer: Name of the model that was trained to write, if there is one.
    """

    def __init__(
        self,
        ws: Workspace,
        base: Baseline,
        form: Form,
        cycle: int,
        reviewed: ReviewedFn | None,
        writer: str = "",
    ) -> None:
        self._ws = ws
        self._base = base
        self._form = form
        self._cycle = cycle
        self._ask_review = reviewed
        self._writer = writer
        self._seeds = tuple(base.seeds.values())

    def choose(self, tally: Tally, model: ModelInfo, requests: float) -> Chosen:
        """Those that can work.

        Args:
            requests: About how many there will be.

        Raises:
            ConfigError: None can, or a user's own strategy cannot be used.
        """
        # In the order of the configuration, which settles ties; what the ledger gives back is sorted by name.
        shares = {name: self.allocation.shares[name] for name in self._ws.config.generation.strategies}
        left_out: dict[str, str] = {}
        working: list[tuple[Strategy, float]] = []
        for name, share in shares.items():
            if name == FewShot.name:
                working.append((self._few_shot(model, requests * share), share))
                continue
            strategy = self._asking(name, model)
            try:
                strategy.try_out(tally)
            except UnsuitedError as error:
                left_out[name] = error.message
            else:
                working.append((strategy, share))
        if not working:
            why = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
            raise ConfigError(
                f"no strategy can work here ({why})", hint="add few_shot to [generation] strategies"
            )
        return Chosen(Mix(working), left_out, self.allocation)

    @cached_property
    def allocation(self) -> Allocation:
        """The cycle's shares."""
        return allocation_of(self._ws, self._cycle, lambda: self._reviewed.decided)

    # -- kinds ---------------------------------------------------------------------------------------

    def _few_shot(self, model: ModelInfo, requests: float) -> FewShot:
        config = self._ws.config.generation
        label = self._ws.task.label_field
        groups = {
            group_of(fixed): fixed
            for fixed in ({n: s.fields[n] for n in self._form.fixed} for s in self._seeds)
        }
        wanted = self.allocation.weights.get(FewShot.name, {})
        return FewShot(
            self._form,
            self._seeds,
            key=f"{self._ws.config.name}:{self._cycle}",
            request_prefix=f"c{self._cycle}-",
            sampling=self._sampling,
            shots=config.shots,
            # Long runs share more, but each label must have several within what is to be asked.
            run=max(1, min(LONGEST_RUN, int(requests / (3 * len(groups))))),
            context_tokens=model.max_tokens,
            nearest=self._nearest if config.sampling == "focused" else None,
            weights={
                name: wanted.get(str(fixed[label.name]), 1.0)
                for name, fixed in groups.items()
                if label and label.name in fixed
            },
        )

    def _asking(self, name: str, model: ModelInfo) -> Asking:
        function = FUNCTIONS[name] if name in FUNCTIONS else load_own(self._ws.root, name)
        return Asking(
            name,
            function,
            lambda tally: self._context(name, tally),
            self._form,
            request_prefix=f"c{self._cycle}-",
            sampling=self._sampling,
            context_tokens=model.max_tokens,
            model=self._writer if name == STRATEGY else "",
            numbered=name != "repair",
        )

    @property
    def _sampling(self) -> Sampling:
        config = self._ws.config.generation
        return Sampling(config.completions, config.temperature, config.top_p, config.max_tokens)

    # -- what they go by -----------------------------------------------------------------------------

    def _context(self, name: str, tally: Tally) -> Context:
        config = self._ws.config.generation
        return Context(
            task=self._ws.task,
            seeds=self._seeds,
            cycle=self._cycle,
            form=self._form.name,
            fixed=self._form.fixed,
            shots=config.shots,
            rng=Random(f"{self._ws.config.name}:{self._cycle}:{name}"),  # noqa: S311 - to be repeated
            completions=config.completions,
            vectors_of=self._vectors,
            earlier=lambda: self._earlier,
            reviewed=lambda: self._reviewed,
            repaired=frozenset(tally.repaired),
            weights=self.allocation.weights.get(name, {}),
            writer=self._writer,
        )

    @cached_property
    def _meanings(self) -> Meanings:
        return Meanings.for_workspace(self._ws)

    def _vectors(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        vectors, places = self._seed_vectors
        if all(each.id in places for each in examples):
            return vectors[[places[each.id] for each in examples]]
        return self._meanings.vectors(examples)

    @cached_property
    def _seed_vectors(self) -> tuple[NDArray[np.float32], dict[str, int]]:
        """Of all of them, once for a run."""
        places = {seed.id: place for place, seed in enumerate(self._seeds)}
        return self._meanings.vectors(self._seeds), places

    def _nearest(self, centre: Example, seeds: Sequence[Example]) -> list[Example]:
        import numpy as np

        near = np.einsum("ik,k->i", self._vectors(seeds), self._vectors([centre])[0])
        order = np.argsort(-near, kind="stable")
        return [seeds[int(place)] for place in order]

    @cached_property
    def _earlier(self) -> tuple[Example, ...]:
        """Candidates of earlier cycles: what this one brings must not change what it asks after a kill."""
        return tuple(
            each.example for each in candidates(self._ws.ledger) if each.provenance.cycle < self._cycle
        )

    @cached_property
    def _reviewed(self) -> Reviewed:
        """As of the cycle's first run, for the same reason."""
        started = self._ws.ledger.events("run.started")
        first = next((e.seq for e in started if e.payload.get("cycle") == self._cycle), None)
        return self._ask_review(first) if self._ask_review else Reviewed()


def templates_of(ws: Workspace, templates: Templates, form: Form) -> dict[str, str]:
    """What the configured strategies are put in: template to its hash; own function to that of its file."""
    found = {"system.chat": templates.hash("system.chat")} if form.name == "chat" else {}
    for name in ws.config.generation.strategies:
        if OWN_STRATEGY.fullmatch(name):
            found[name] = sha256(file_of(ws.root, name).read_bytes())
        stem = name if name in FUNCTIONS or name == FewShot.name else "own"
        used = (f"{stem}{part}.{form.name}" for part in ("", "_deeper", "_broader"))
        found |= {each: templates.hash(each) for each in used if each in TEMPLATES}
    return found
