"""Random histories of a workspace: what can happen to it, in any order."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from seedgate.workspace import Workspace
from tests.review.history_model import ADJUDICATOR, CLASHING, LEAKING, PEOPLE, Asked, Place
from tests.review.history_world import FLAWS, World

__all__ = ["TEXTS", "History"]

TEXTS = (
    ("No sign of my order since the weekend.", "delivery"),
    ("Please refund the second payment you took.", "billing"),
    ("The sign-in page does not accept my new phrase.", "account"),
    (LEAKING, "billing"),
    (CLASHING, "account"),
    ("Your driver rang next door and went away.", "delivery"),
    ("I paid by cheque and was asked for a fee.", "billing"),
)
CORRECTED = ("Nothing has come since Saturday, where is it?", "Two payments went off, send one back please.")
GUIDELINES = ("# One\n\nApprove.\n", "# Two\n\nApprove less.\n", "# Three\n\nApprove as in one.\n")

people = st.sampled_from(PEOPLE)
quorums = st.sampled_from([1, 1, 1, 2, 2, 3])
often = st.sampled_from([True, True, True, False])


class Act(NamedTuple):
    """Something that can happen: when, how much likelier than others, and what is drawn for it."""

    run: Callable[..., None]
    when: Callable[[Any], object]
    weight: int
    given: dict[str, st.SearchStrategy[Any]]


ACTS: dict[str, Act] = {}


def act(
    when: Callable[[Any], object] = lambda _: True, weight: int = 1, **given: st.SearchStrategy[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes an act of a method."""

    def mark(run: Callable[..., None]) -> Callable[..., None]:
        ACTS[run.__name__] = Act(run, when, weight, given)
        return run

    return mark


class History(RuleBasedStateMachine):
    """What can happen to a workspace; `look` asserts the invariants before each release and in the end.

    Args:
        template: A workspace with a baseline, copied for each history.
        look: Asserts the invariants.
        done: Told of the world when its history is over.
    """

    def __init__(
        self, template: Path, look: Callable[[World], None], done: Callable[[World], None] = lambda _: None
    ) -> None:
        super().__init__()
        self._folder = tempfile.mkdtemp()
        root = Path(self._folder) / "workspace"
        shutil.copytree(template, root)
        self.world = World(Workspace(root))
        self.look, self.done = look, done

    def teardown(self) -> None:
        try:
            self.look(self.world)
            self.done(self.world)
        finally:
            self.world.ws.close()
            shutil.rmtree(self._folder)

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        """Any act that is possible: hypothesis would leave most out of most histories if each were a rule."""
        possible = [name for name, each in ACTS.items() if each.when(self) for _ in range(each.weight)]
        name = data.draw(st.sampled_from(possible), label="act")
        drawn = {key: data.draw(strategy, label=key) for key, strategy in ACTS[name].given.items()}
        takes_data = "data" in ACTS[name].run.__annotations__
        ACTS[name].run(self, **drawn, **({"data": data} if takes_data else {}))

    def _round(self, data: st.DataObject) -> Asked:
        """Any round; mostly the newest."""
        rounds = self.world.rounds
        return data.draw(st.one_of(st.just(rounds[-1]), st.sampled_from(rounds)))

    def _place(self, data: st.DataObject, *, pushed: bool = False) -> tuple[Asked, Place]:
        asked = self._round(data)
        if pushed and not asked.pushed:
            asked = self.world.rounds[0]
        return asked, data.draw(st.sampled_from(asked.places))

    # -- generation and rounds -----------------------------------------------------------------------

    @initialize(
        chosen=st.sets(st.sampled_from(range(5)), min_size=2),
        quorum=st.sampled_from([1, 1, 2]),
        approving=st.sampled_from([2, 1, 0]),
        released=often,
    )
    def begin(self, chosen: set[int], quorum: int, approving: int, released: bool) -> None:
        """A first round, mostly with some approvals and a release: what is rare matters after those."""
        for number in sorted(chosen):
            self.world.generate(*TEXTS[number])
        asked = self.world.push(quorum=quorum)
        for name in PEOPLE[:approving]:
            self.world.answer(asked, [p for p in asked.places if p.reviewer == name])
        if released:
            self.release()

    @act(number=st.sampled_from(range(len(TEXTS))))
    def generate(self, number: int) -> None:
        self.world.generate(*TEXTS[number])

    @act(
        asked=st.sets(people, min_size=1),
        quorum=quorums,
        pace=st.sampled_from([2.0, 2.0, 0.0]),
        pushed=often,
        again=st.sampled_from([0, 2]),
    )
    def push(
        self, data: st.DataObject, asked: set[str], quorum: int, pace: float, pushed: bool, again: int
    ) -> None:
        tested = data.draw(
            st.dictionaries(
                st.sampled_from(sorted(asked)), st.sampled_from(sorted(self.world.texts)), max_size=2
            )
        )
        self.world.push(
            people=sorted(asked), quorum=quorum, min_pace_s=pace, pushed=pushed, tests=tested, again=again
        )

    @act(when=lambda self: not all(asked.pushed for asked in self.world.rounds))
    def complete_a_killed_push(self) -> None:
        self.world.complete(next(asked for asked in self.world.rounds if not asked.pushed))

    # -- answers -------------------------------------------------------------------------------------

    @act(
        weight=2,
        decision=st.sampled_from(["approve", "approve", "reject"]),
        quick=st.booleans(),
        flaw=st.sampled_from([None, None, None, None, None, None, "no decision", *FLAWS]),
    )
    def answer(
        self, data: st.DataObject, decision: Literal["approve", "reject"], quick: bool, flaw: str | None
    ) -> None:
        asked, place = self._place(data)
        self.world.answer(asked, [place], decision, quick=quick, flaw=flaw)

    @act(name=people, quick=st.sampled_from([False, False, True]))
    def approve_all(self, data: st.DataObject, name: str, quick: bool) -> None:
        asked = self._round(data)
        own = [p for p in asked.places if p.reviewer == name]
        self.world.answer(asked, own, quick=quick)

    def _second_looks(self) -> list[tuple[Asked, Place]]:
        pushed = [asked for asked in self.world.rounds if asked.pushed]
        return [(asked, p) for asked in pushed for p in asked.places if p.why == "rereview"]

    @act(
        when=lambda self: self._second_looks(),
        weight=3,
        decision=st.sampled_from(["approve", "reject"]),
    )
    def look_again(self, data: st.DataObject, decision: Literal["approve", "reject"]) -> None:
        asked, place = data.draw(st.sampled_from(self._second_looks()))
        self.world.answer(asked, [place], decision)

    @act(weight=2, text=st.sampled_from(CORRECTED))
    def edit(self, data: st.DataObject, text: str) -> None:
        asked, place = self._place(data, pushed=True)
        if self.world.texts.get(place.candidate) != text:
            self.world.answer(asked, [place], "edit", text=text)

    @act(status=st.sampled_from(["draft", "draft", "discarded"]))
    def keep_back(self, data: st.DataObject, status: Literal["draft", "discarded"]) -> None:
        """Of something submitted, if there is any, or of any record."""
        submitted = [a.place for a in self.world.answers.values() if a.round.pushed]
        _, fresh = self._place(data, pushed=True)
        self.world.keep_back(data.draw(st.sampled_from([fresh, *submitted])), status)

    @act()
    def intrude_on_the_page(self, data: st.DataObject) -> None:
        self.world.intrude_on_the_page(self._place(data, pushed=True)[1])

    @act(when=lambda self: any(a.round.pushed for a in self.world.answers.values()))
    def lose(self, data: st.DataObject) -> None:
        found = [id_ for id_, a in self.world.answers.items() if a.round.pushed]
        self.world.lose(data.draw(st.sampled_from(found)))

    # -- quarantine ----------------------------------------------------------------------------------

    @act(weight=2, name=people)
    def miss_controls(self, name: str) -> None:
        asked = self.world.test(name)
        self.world.answer(asked, asked.places)

    @act(when=lambda self: self.world.now_resting(), weight=3, stand=st.booleans())
    def end_quarantine(self, data: st.DataObject, stand: bool) -> None:
        self.world.end_quarantine(data.draw(st.sampled_from(self.world.now_resting())), stand=stand)

    @act(when=lambda self: self.world.missed)
    def void_control(self, data: st.DataObject) -> None:
        answered = self.world.state().control_answers
        self.world.void_control(data.draw(st.sampled_from(sorted(answered))))

    # -- guidelines, people, rulings -----------------------------------------------------------------

    @act(number=st.sampled_from(range(len(GUIDELINES))))
    def change_guidelines(self, number: int) -> None:
        self.world.change_guidelines(GUIDELINES[number])

    @act(number=st.sampled_from(range(len(GUIDELINES))))
    def declare_compatible(self, number: int) -> None:
        self.world.declare_compatible(GUIDELINES[number])

    @act(name=people)
    def remove_reviewer(self, name: str) -> None:
        self.world.remove_reviewer(name)

    @act(
        by=st.sampled_from([ADJUDICATOR, ADJUDICATOR, "anna"]),
        decision=st.sampled_from(["approve", "reject"]),
    )
    def adjudicate(self, data: st.DataObject, by: str, decision: Literal["approve", "reject"]) -> None:
        self.world.adjudicate(data.draw(st.sampled_from(sorted(self.world.texts))), by, decision)

    # -- releases and recalls ------------------------------------------------------------------------

    @act(when=lambda self: self.world.looked_at != self.world.moment())
    def release(self) -> None:
        self.look(self.world)
        self.world.release()
        self.world.looked_at = self.world.moment()

    @act(when=lambda self: self.world.ever_released, weight=2)
    def recall(self, data: st.DataObject) -> None:
        self.world.recall(data.draw(st.sampled_from(sorted(self.world.ever_released))))

    @act(when=lambda self: self.world.recalled, weight=2)
    def reopen(self, data: st.DataObject) -> None:
        self.world.reopen(data.draw(st.sampled_from(sorted(self.world.recalled))))
