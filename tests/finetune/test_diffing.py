"""What `release diff` tells of two releases: every row that one of them lacks, why, and what it means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from seedgate.errors import InputError, RefusedError
from seedgate.finetune import ReleaseDiff, redact, release, release_diff, train
from seedgate.ledger import NewEvent
from seedgate.review.recalling import recalls
from seedgate.review.state import read_state
from seedgate.seeds.minilm import MiniLM
from seedgate.workspace import Workspace
from tests.finetune.reviewing import TEXTS, Reviewing, example

ORIGINAL = example("No sign of my order since the weekend, has the van been here?", "billing")
CORRECTED = example("No sign of my order since the weekend, has the courier been here?", "delivery")


def recall(ws: Workspace, id_: str, why: Any = "verdict changed") -> None:
    """The reviewer takes an approval back after the release, as `pull` records it."""
    state = read_state(ws.ledger)
    ws.ledger.append(list(recalls(state, [id_], why=why, reason="reviewer changed the verdict")))


def again(ws: Workspace, id_: str) -> None:
    """A recalled row may go before reviewers once more."""
    recall(ws, id_)
    ws.ledger.append([NewEvent("row.reopened", id_, {"by": "ana", "reason": "look again"})])


@pytest.fixture
def two(reviewing: Reviewing) -> tuple[Reviewing, list[str]]:
    """r001 with four approved rows, r002 with six and without the first, which was recalled."""
    ids = reviewing.candidates(6)
    reviewing.approve(*ids[:4])
    release(reviewing.ws)
    recall(reviewing.ws, ids[0])
    reviewing.approve(*ids[4:])
    release(reviewing.ws)
    return reviewing, ids


class TestRows:
    def test_they_are_added_removed_and_kept(self, two: tuple[Reviewing, list[str]]) -> None:
        reviewing, ids = two
        found = release_diff(reviewing.ws)
        assert (found.before.name, found.after.name) == ("r001", "r002")
        assert [row.id for row in found.added] == ids[4:]
        assert [row.fields for row in found.added] == [
            {"text": text, "label": label} for text, label in TEXTS[4:6]
        ]
        assert [(row.id, row.why) for row in found.removed] == [(ids[0], "verdict changed")]
        assert found.removed[0].reason == "reviewer changed the verdict"
        assert (found.kept, found.reattested, found.edited) == (15, 0, ())

    def test_one_that_may_not_be_trained_on_today_is_compared_and_said_to_be_so(
        self, two: tuple[Reviewing, list[str]]
    ) -> None:
        reviewing, ids = two
        with pytest.raises(RefusedError):
            train(reviewing.ws, "r001")
        found = release_diff(reviewing.ws)
        (said,) = found.before.refused
        assert said.startswith(f"row {ids[0][:12]}: is approved no more (void: recalled")
        assert found.after.refused == ()

    def test_backwards_it_says_what_was_not_there_yet(self, two: tuple[Reviewing, list[str]]) -> None:
        reviewing, ids = two
        later = reviewing.candidate(example("My account shows somebody else's name.", "account"))
        reviewing.approve(later)
        release(reviewing.ws)
        found = release_diff(reviewing.ws, "r003", "r001")
        assert [row.id for row in found.added] == [ids[0]]
        assert [(row.id, row.why) for row in found.removed] == [
            *((id_, "not approved") for id_ in ids[4:]),  # generated, and nobody had been asked
            (later, "not there yet"),
        ]
        assert found.removed[0].reason == "nobody has been asked yet"

    def test_a_correction_is_told_as_one_row_word_by_word(self, reviewing: Reviewing) -> None:
        old = reviewing.candidate(ORIGINAL)
        reviewing.approve(old)
        release(reviewing.ws)
        state = read_state(reviewing.ws.ledger)
        reviewing.ws.ledger.append(list(recalls(state, [old], why="verdict changed", reason="edited now")))
        new = reviewing.edit(old, CORRECTED)
        release(reviewing.ws)
        found = release_diff(reviewing.ws)
        (row,) = found.edited
        assert (row.before, row.after, found.added, found.removed) == (old, new, (), ())
        assert [(each.field, each.words) for each in row.changes] == [
            ("text", "No sign of my order since the weekend, has the [van → courier] been here?"),
            ("label", ""),
        ]
        assert (row.changes[1].before, row.changes[1].after) == ("billing", "delivery")

    def test_a_redacted_row_is_named_without_its_text(self, two: tuple[Reviewing, list[str]]) -> None:
        reviewing, ids = two
        redact(reviewing.ws, ids[1], by="ana", reason="asked to be forgotten")
        release(reviewing.ws)
        found = release_diff(reviewing.ws, "r002")
        assert [(row.id, row.why, row.fields) for row in found.removed] == [(ids[1], "redacted", None)]
        assert found.removed[0].reason.startswith("redacted by ana on 20")
        assert found.before.refused[0].startswith("was withdrawn on")
        assert (found.kept, found.after.name) == (16, "r003")

    def test_a_seed_that_was_withdrawn_says_by_whom(self, make_workspace: Callable[..., Workspace]) -> None:
        ws = make_workspace(settings={"policy": {"verified_seeds": 11, "min_eval": 6}})
        release(ws)
        seed = next(iter(ws.ledger.events("seed.verified"))).subject
        ws.ledger.append([NewEvent("seed.withdrawn", seed, {"by": "bo", "reason": "two labels fit"})])
        release(ws)
        (row,) = release_diff(ws).removed
        assert (row.id, row.origin, row.why) == (seed, "seed", "seed withdrawn")
        assert "two labels fit" in row.reason
        assert "(by bo)" in row.reason

    def test_rejection_conflict_and_earlier_guidelines_are_told_apart(self, reviewing: Reviewing) -> None:
        ws = reviewing.ws
        ids = reviewing.candidates(4)
        reviewing.approve(*ids)
        release(ws)
        for id_ in ids[:2]:
            again(ws, id_)
        reviewing.verdicts({ids[0]: "reject"})
        reviewing.approve(ids[1])
        reviewing.verdicts({ids[1]: "reject"}, reviewer="other")
        release(ws)
        assert release_diff(ws).why == {"rejected": 1, "conflict": 1}
        again(ws, ids[2])
        reviewing.approve(ids[2])
        ws.guidelines_path.write_text("# Other guidelines\n")
        release(ws)
        assert [(row.id, row.why) for row in release_diff(ws).removed] == [(ids[2], "guidelines")]

    def test_quarantine_and_adjudication_are_told_apart(self, reviewing: Reviewing) -> None:
        ws = reviewing.ws
        ids = reviewing.candidates(3)
        reviewing.approve(*ids)
        release(ws)
        again(ws, ids[0])
        reviewing.approve(ids[0], reviewer="stamper")
        why = {"since": 0, "why": "approved 9 of 9 wrong controls", "evidence": [], "policy": {}}
        ws.ledger.append([NewEvent("quarantine.started", "stamper", why)])
        recall(ws, ids[1], "adjudicated wrong")
        release(ws)
        found = release_diff(ws)
        assert {row.id: row.why for row in found.removed} == {
            ids[0]: "quarantine",
            ids[1]: "adjudicated wrong",
        }
        said = next(row.reason for row in found.removed if row.id == ids[0])
        assert said == "verdict of stamper: the approvals of stamper are in quarantine"

    def test_a_stricter_policy_names_what_each_row_resembles(
        self, make_workspace: Callable[..., Workspace]
    ) -> None:
        policy = {"verified_seeds": 12, "min_eval": 6, "semantic_leak": 0.99}
        ws = make_workspace(settings={"policy": {**policy, "near_duplicate": 0.9}})
        reviewing = Reviewing(ws)
        leaks = reviewing.candidate(example("Please explain the extra fee on my statements, now.", "billing"))
        clashes = reviewing.candidate(example("You took 40 pounds twice for one order, why?", "account"))
        reviewing.approve(leaks, clashes)
        release(ws)
        config = ws.root / "seedgate.toml"
        config.write_text(config.read_text().replace("near_duplicate = 0.9", "near_duplicate = 0.5"))
        with Workspace(ws.root) as stricter:
            release(stricter)
            found = release_diff(stricter)
        assert {row.id: row.why for row in found.removed} == {
            leaks: "evaluation set",
            clashes: "seed conflict",
        }
        assert "the evaluation set" in found.removed[0].reason

    def test_a_row_that_both_have_on_other_evidence_is_kept_and_counted(self, reviewing: Reviewing) -> None:
        (id_,) = reviewing.candidates(1)
        reviewing.approve(id_)
        release(reviewing.ws)
        reviewing.approve(id_, reviewer="second")
        release(reviewing.ws)
        found = release_diff(reviewing.ws)
        assert (found.kept, found.reattested, found.added, found.removed) == (13, 1, (), ())
        assert {each.name: (each.before, each.after) for each in found.shifts["reviewer"]} == {
            "reviewer": (1, 1),
            "second": (0, 1),
        }


class TestMeaning:
    def test_a_paraphrase_is_near_to_its_row_and_other_texts_are_new(self, reviewing: Reviewing) -> None:
        reviewing.approve(reviewing.candidate(example("Where is the parcel that I ordered?", "delivery")))
        release(reviewing.ws)
        near = reviewing.candidate(example("Where's the parcel I ordered?", "account"))
        new = reviewing.candidate(example("Gift card balance went to zero overnight.", "billing"))
        reviewing.approve(near, new)
        release(reviewing.ws)
        found = release_diff(reviewing.ws)
        whole = found.novelty
        assert whole is not None
        assert (whole.new, whole.near, whole.conflicting) == (1, 1, 1)
        rows = {row.id: row for row in found.added}
        assert (rows[near].near, rows[near].agrees) == (True, False)
        assert (rows[new].near, rows[new].agrees) == (False, None)
        first = reviewing.ws.ledger.bodies([str(rows[near].nearest)])
        assert next(iter(first.values()))["text"] == "Where is the parcel that I ordered?"

    def test_the_distances_are_those_of_the_vectors(self, two: tuple[Reviewing, list[str]]) -> None:
        reviewing, ids = two
        found = release_diff(reviewing.ws)
        old = [event.subject for event in reviewing.ws.ledger.events("seed.added")] + ids[:4]
        bodies = reviewing.ws.ledger.bodies([*old, *ids])
        vectors = {id_: MiniLM().embed([body["text"]])[0] for id_, body in bodies.items()}
        wanted = [1 - max(float(vectors[id_] @ vectors[other]) for other in old) for id_ in ids[4:]]
        within = [
            1 - max(float(vectors[id_] @ vectors[other]) for other in old if other != id_) for id_ in old
        ]
        whole = found.novelty
        assert whole is not None
        assert whole.within is not None
        assert whole.added.rows == 2
        assert whole.added.mean == pytest.approx(np.mean(wanted), abs=2e-3)
        assert whole.added.greatest == pytest.approx(max(wanted), abs=2e-3)
        assert whole.within.mean == pytest.approx(np.mean(within), abs=2e-3)
        assert whole.within.rows == 16

    def test_nothing_added_is_nothing_to_measure(self, two: tuple[Reviewing, list[str]]) -> None:
        reviewing, ids = two
        recall(reviewing.ws, ids[4])
        release(reviewing.ws)
        assert release_diff(reviewing.ws).novelty is None


class TestBalance:
    def test_labels_tags_strategies_cycles_and_reviewers_are_counted_in_both(
        self, two: tuple[Reviewing, list[str]]
    ) -> None:
        reviewing, _ = two
        shifts = {
            what: {each.name: (each.before, each.after) for each in found}
            for what, found in release_diff(reviewing.ws).shifts.items()
        }
        assert shifts == {
            "label": {"billing": (5, 6), "delivery": (6, 5), "account": (5, 6)},
            "tag": {"core": (4, 5)},
            "strategy": {"seed": (12, 12), "few_shot": (4, 5)},
            "cycle": {"1": (4, 5)},
            "reviewer": {"reviewer": (4, 5)},
        }

    def test_both_sides_have_their_counts_and_their_error_bound(
        self, two: tuple[Reviewing, list[str]]
    ) -> None:
        found = release_diff(two[0].ws, "r001", "r002")
        assert (found.before.counts.approved, found.after.counts.approved) == (4, 5)
        assert found.before.error_bound is not None
        assert (found.before.error_bound.rows, found.before.error_bound.wrong) == (4, 4)


class TestRefusals:
    def refuses(self, ws: Workspace, kind: type[Exception], said: str, *names: str) -> None:
        with pytest.raises(kind, match=said):
            release_diff(ws, *names)

    def test_what_cannot_be_compared_is_said(self, reviewing: Reviewing) -> None:
        ws = reviewing.ws
        self.refuses(ws, RefusedError, "no release yet")
        release(ws)
        self.refuses(ws, RefusedError, "only one release, r000")
        self.refuses(ws, RefusedError, "release r007: the ledger has no", "r007")
        reviewing.approve(*reviewing.candidates(1))
        release(ws)
        self.refuses(ws, InputError, "'../x' is no name of a release", "../x")
        self.refuses(ws, InputError, "r001 is compared with itself", "r001")

    @pytest.mark.parametrize("name", ["train.parquet", "manifest.json", "README.md"])
    @pytest.mark.parametrize("which", ["r001", "r002"])
    def test_a_damaged_one_is_not_compared(
        self, two: tuple[Reviewing, list[str]], which: str, name: str
    ) -> None:
        path = two[0].ws.releases_dir / which / name
        path.chmod(0o644)
        path.write_bytes(path.read_bytes() + b" ")
        self.refuses(two[0].ws, RefusedError, f"release {which}: {name}: .*was changed")

    def test_the_comparison_writes_no_event(self, two: tuple[Reviewing, list[str]]) -> None:
        head = two[0].ws.ledger.head()
        assert isinstance(release_diff(two[0].ws), ReleaseDiff)
        assert two[0].ws.ledger.head() == head
