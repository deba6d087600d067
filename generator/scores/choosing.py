"""Which scores a workspace asks its model for, and of which candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from seedgate.generator.clients.base import Client
from seedgate.generator.rendering import Form
from seedgate.generator.scores.asked import Item, ModelScorer, Setting
from seedgate.generator.scores.asking import Asked, ask_scores
from seedgate.generator.scores.judge import Judge
from seedgate.generator.scores.likelihood import Likelihood
from seedgate.generator.scores.recorded import Mark, unscored
from seedgate.generator.scores.self_consistency import SelfConsistency
from seedgate.generator.templating import Templates
from seedgate.ledger import Lease
from seedgate.records import Example
from seedgate.seeds import Baseline, Meanings
from seedgate.seeds.embedding import embedder_of
from seedgate.workspace import Workspace

__all__ = ["MODEL_SCORERS", "ModelScores"]

_Scorer = type[Likelihood] | type[SelfConsistency] | type[Judge]

MODEL_SCORERS: dict[str, _Scorer] = {each.name: each for each in (Likelihood, SelfConsistency, Judge)}
"""By the name that `[generation] scores` has for it."""


class ModelScores:
    """The scores that `[generation] scores` names; nothing is loaded until some are asked for.

    Args:
        form: In what the generator asks this model.
    """

    def __init__(self, ws: Workspace, base: Baseline, form: Form, templates: Templates) -> None:
        self._ws, self._base, self._form, self._templates = ws, base, form, templates
        seeds = list(base.seeds.values())
        found = {name: MODEL_SCORERS[name].unsuited(ws.task, seeds) for name in ws.config.generation.scores}
        self._unsuited = {name: why for name, why in found.items() if why}
        self._marks = [_mark(ws, templates, name) for name, why in found.items() if not why]

    @property
    def templates(self) -> dict[str, str]:
        """Template of a scorer to its hash."""
        return {MODEL_SCORERS[each.scorer].template: each.template for each in self._marks if each.template}

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each score that cannot be had here."""
        return tuple(f"score {name} is left out: {why}" for name, why in self._unsuited.items())

    def lacking(self) -> dict[str, int]:
        """Scorer to how many candidates wait without its score."""
        return {mark.scorer: len(ids) for mark, ids in unscored(self._ws.ledger, self._marks).items()}

    async def ask(
        self,
        client: Client,
        lease: Lease,
        *,
        concurrency: int,
        on_done: Callable[[int, int, str], None] | None = None,
    ) -> Asked:
        """Asks for all that is lacking; what cannot be had is in the report's warnings."""
        missing = unscored(self._ws.ledger, self._marks)
        if not missing:
            return Asked()
        meanings = Meanings.for_workspace(self._ws)
        setting = self._setting(meanings)
        wanted: dict[Mark, tuple[ModelScorer, dict[str, int]]] = {
            mark: (MODEL_SCORERS[mark.scorer](setting), ids) for mark, ids in missing.items()
        }
        return await ask_scores(
            client,
            wanted,
            partial(self._items, meanings),
            partial(self._ws.ledger.append, lease=lease),
            concurrency=concurrency,
            on_done=on_done,
        )

    def _setting(self, meanings: Meanings) -> Setting:
        seeds = list(self._base.seeds.values())
        return Setting(
            task=self._ws.task,
            seeds=seeds,
            vectors=meanings.vectors(seeds),
            templates=self._templates,
            form=self._form.name,
            max_tokens=self._ws.config.generation.max_tokens,
            embed=embedder_of(self._ws).embed,
        )

    def _items(self, meanings: Meanings, ids: Sequence[str]) -> list[Item]:
        bodies = self._ws.ledger.bodies(ids)
        found = [Example(fields=bodies[id_]) for id_ in ids if id_ in bodies]
        vectors = meanings.vectors(found)
        return [Item(each, vectors[place]) for place, each in enumerate(found)]


def _mark(ws: Workspace, templates: Templates, name: str) -> Mark:
    scorer = MODEL_SCORERS[name]
    used = templates.hash(scorer.template) if scorer.template else ""
    return Mark(name, scorer.version, ws.config.vllm.model, used)
