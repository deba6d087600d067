"""The scores of one wave: of all that wait where they order it, else of the placed ones alone.

Those that ask a model were asked for by `generate`, and are read here; who has none has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from seedgate.generator import strategy_of
from seedgate.generator.scores import VERSIONS, Scores, pool_of, recorded, score
from seedgate.ledger import NewEvent
from seedgate.records import Decision
from seedgate.review.scored import judged, scored_event
from seedgate.review.state import ReviewState
from seedgate.review.value import Valued, value_of

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["WaveScores"]


class WaveScores:
    """Scores candidates that wait, and says what review of each is worth.

    Args:
        ws: The workspace.
        state: What the ledger says.
        decided: The gate's word on every candidate.
        waiting: Id to fields of the candidates that wait.

    Attributes:
        values: Candidate id to value; empty where `[review] order` is `labels`.
    """

    def __init__(
        self,
        ws: Workspace,
        state: ReviewState,
        decided: Mapping[str, Decision],
        waiting: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self._ws = ws
        self._waiting = waiting
        shown = (a.candidate_id for a in state.assignments.values() if a.why != "control")
        # Who is asked once more about a candidate would find it a repetition of itself.
        self._earlier = [id_ for id_ in shown if id_ not in waiting]
        self._scores: dict[str, Scores] = {}
        valued = Valued({}, "none")
        if ws.config.review.order == "value":
            self._scores = self._scored(waiting)
            valued = value_of(self._scores, strategy_of(ws.ledger), judged(ws.ledger, state, decided))
        self.values, self._how = valued

    def event(self, round_id: str, placed: Iterable[str]) -> NewEvent:
        """What the ledger is told of a round.

        Args:
            round_id: The round.
            placed: Ids of its candidates; rows that are looked at again are not scored.
        """
        ids = [id_ for id_ in placed if id_ in self._waiting]
        scores = self._scores or self._scored({id_: self._waiting[id_] for id_ in ids})
        order = self._ws.config.review.order
        return scored_event(round_id, order, self._how, {id_: scores[id_] for id_ in ids}, self.values)

    def _scored(self, bodies: Mapping[str, Mapping[str, Any]]) -> dict[str, Scores]:
        computed = score(pool_of(self._ws, bodies, self._earlier), list(bodies))
        asked = recorded(self._ws.ledger, VERSIONS)
        return {id_: own | asked.get(id_, {}) for id_, own in computed.items()}
