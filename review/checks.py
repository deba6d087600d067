"""What the gate asks about an approved candidate's content: does it still fit, does it leak, does it clash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seedgate.errors import InputError
from seedgate.generator.filters.evaluation import EvaluationFilter
from seedgate.records import Example
from seedgate.seeds import NearIndex, baseline, output_of, text_of

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["ContentChecks"]


class ContentChecks:
    """Checks against the task, the locked evaluation set and the verified seeds of a workspace.

    Raises:
        RefusedError: The baseline is not in order; then nothing can be approved.
    """

    def __init__(self, ws: Workspace) -> None:
        base = baseline(ws)
        threshold = ws.config.policy.near_duplicate
        self._task = ws.task
        self._seeds = base.seeds
        self._evaluation = EvaluationFilter(ws.task, base.evaluation, threshold)
        self._near = NearIndex(threshold)
        for seed in base.seeds.values():
            self._near.add(seed.id, text_of(ws.task, seed.fields))

    def of(self, fields: Mapping[str, Any] | None) -> dict[str, str | None]:
        """What is wrong, as the gate's facts `unfit`, `leak` and `clash`; None where nothing is.

        Args:
            fields: The candidate's body, None if it is gone.
        """
        if fields is None:
            return {"unfit": "its content was removed"}
        try:
            fits = self._task.validate_fields(fields) == fields
        except InputError as error:
            return {"unfit": error.message}
        if not fits:
            return {"unfit": "a field is missing"}
        found = self._evaluation.check(Example(fields=dict(fields)))
        return {"leak": found.detail if found else None, "clash": self._clash(fields)}

    def _clash(self, fields: Mapping[str, Any]) -> str | None:
        near = self._near.nearest(text_of(self._task, fields))
        if near is None or output_of(self._task, self._seeds[near[0]].fields) == output_of(
            self._task, fields
        ):
            return None
        return f"seed {near[0][:12]} has nearly the same input ({near[1]:.2f}) and another output"
