"""What the gate asks about an approved candidate's content: does it still fit, does it leak, does it clash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from seedgate.errors import InputError
from seedgate.generator.filters.evaluation import EvaluationFilter
from seedgate.records import Example
from seedgate.seeds import NearIndex, baseline, output_of, text_of

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["ContentChecks", "Findings"]


class Findings(NamedTuple):
    """The gate's facts about a content, by their names there; None where nothing is wrong."""

    unfit: str | None = None
    leak: str | None = None
    clash: str | None = None


class ContentChecks:
    """Checks against the task, the locked evaluation set and the verified seeds of a workspace.

    Raises:
        RefusedError: The baseline is not in order; then nothing can be approved.
    """

    def __init__(self, ws: Workspace) -> None:
        base = baseline(ws)
        threshold = ws.near_duplicate
        self._task = ws.task
        self._seeds = base.seeds
        self._evaluation = EvaluationFilter.for_workspace(ws, base.evaluation)
        self._near = NearIndex(threshold)
        for seed in base.seeds.values():
            self._near.add(seed.id, text_of(ws.task, seed.fields))

    def prepare(self, contents: Iterable[Mapping[str, Any]]) -> None:
        """Computes at once what `of` needs of each."""
        self._evaluation.prepare([Example(fields=dict(each)) for each in contents], stored=True)

    def of(self, fields: Mapping[str, Any] | None) -> Findings:
        """What is wrong with a candidate's content.

        Args:
            fields: The candidate's body, None if it is gone.
        """
        if fields is None:
            return Findings(unfit="its content was removed")
        try:
            fits = self._task.validate_fields(fields) == fields
        except InputError as error:
            return Findings(unfit=error.message)
        if not fits:
            return Findings(unfit="a field is missing")
        found = self._evaluation.check(Example(fields=dict(fields)))
        return Findings(leak=found.detail if found else None, clash=self._clash(fields))

    def _clash(self, fields: Mapping[str, Any]) -> str | None:
        near = self._near.nearest(text_of(self._task, fields))
        if near is None or output_of(self._task, self._seeds[near[0]].fields) == output_of(
            self._task, fields
        ):
            return None
        return f"seed {near[0][:12]} has nearly the same input ({near[1]:.2f}) and another output"
