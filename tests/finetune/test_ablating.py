"""`ablate` and `curve`: what they measure, that nothing of it stays, and that a second run measures nothing twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seedgate.errors import InputError, RefusedError
from seedgate.finetune import Ablation, ablate, curve, release, students
from seedgate.finetune.curving import fitted_law
from seedgate.finetune.students import EmbeddedStudent
from seedgate.workspace import Workspace
from tests.finetune import worlds
from tests.finetune.reviewing import Reviewing

DISTINCT = 5
"""Sets of rows: every candidate was decided, so that `shown` and `all` are the same."""


@pytest.fixture
def released(make_workspace: Callable[..., Workspace]) -> Workspace:
    """Twelve seeds, 24 approved rows, 24 rejected ones with wrong labels, 36 locked."""
    policy = {"verified_seeds": 12, "min_eval": 6, "near_duplicate": 1.0, "semantic_leak": 0.999}
    ws = make_workspace(
        seeds=worlds.seeds(), evaluation=worlds.locked(), settings={"policy": policy, "vllm": {"urls": []}}
    )
    reviewing = Reviewing(ws)
    good = [reviewing.candidate(each) for each in worlds.right()]
    bad = [reviewing.candidate(each) for each in worlds.wrong()]
    reviewing.verdicts(dict.fromkeys(good, "approve") | dict.fromkeys(bad, "reject"))
    made = release(ws)
    assert made.counts.approved == len(good)
    return ws


def values(found: Ablation) -> dict[str, float]:
    return {arm.arm: arm.score.value for arm in found.arms if arm.score is not None}


class TestWhatItFinds:
    def test_approved_rows_beat_unreviewed_ones_where_half_of_these_are_wrong(
        self, released: Workspace
    ) -> None:
        found = ablate(released)
        said = values(found)
        assert said.keys() == {"seeds", "gated", "random", "scored", "shown", "all"}
        assert said["gated"] > said["random"]
        assert said["gated"] > said["shown"]
        assert found.arm("shown").rows == found.arm("all").rows == 12 + 48
        assert found.arm("random").rows == found.arm("scored").rows == found.arm("gated").rows == 12 + 24
        gain = found.arm("random").gain
        assert gain is not None
        assert gain.low > 0
        assert "the gate paid" in found.conclusion

    def test_arms_that_cannot_be_had_say_why(self, released: Workspace) -> None:
        found = ablate(released, repetitions=1)
        left = {arm.arm: arm.left_out for arm in found.arms if arm.left_out}
        assert left.keys() == {"base", "all_epochs", "written"}
        assert "--written" in left["written"]

    def test_labels_of_each_arm_are_counted(self, released: Workspace) -> None:
        found = ablate(released, repetitions=1)
        assert found.arm("seeds").labels == {"delivery": 4, "billing": 4, "account": 4}
        assert found.arm("gated").labels == {"delivery": 12, "billing": 12, "account": 12}

    def test_it_says_so_when_the_gate_did_not_pay(
        self, released: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        n = len(worlds.locked())

        def against(self: Any, rows: Any, number: int, steps: int, tell: Any) -> list[float]:
            texts = {each.fields["text"] for each in rows}
            clean = not texts & {each.fields["text"] for each in worlds.wrong()}
            return [0.0] * n if clean and len(rows) > 12 else [1.0] * n

        monkeypatch.setattr(EmbeddedStudent, "scores", against)
        found = ablate(released, repetitions=2)
        assert "the gate did not pay" in found.conclusion
        assert "worse than the seeds alone" in found.conclusion
        assert "better than the gated arm: scored" not in found.conclusion or values(found)["scored"] == 1

    def test_rows_that_experts_wrote_are_an_arm_of_their_own(
        self, released: Workspace, tmp_path: Path
    ) -> None:
        file = tmp_path / "written.jsonl"
        rows = [
            {"text": f"Please, {each.fields['text']}", "label": each.fields["label"]}
            for each in worlds.right()
        ]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        found = ablate(released, repetitions=1, written=(str(file), 10.0))
        assert found.arm("written").rows == 12 + 24

    def test_written_rows_that_leak_are_refused(self, released: Workspace, tmp_path: Path) -> None:
        file = tmp_path / "written.jsonl"
        file.write_text("".join(json.dumps(dict(each.fields)) + "\n" for each in worlds.locked()[:2]))
        with pytest.raises(InputError, match=r"written\.jsonl:1"):
            ablate(released, written=(str(file), 10.0))


class TestNothingStays:
    def test_no_model_no_release_no_file(self, released: Workspace) -> None:
        before = sorted(
            path for path in released.root.rglob("*") if path.suffix not in (".db", ".db-wal", ".db-shm")
        )
        kinds = {event.kind for event in released.ledger.events()}
        ablate(released, repetitions=1)
        after = sorted(
            path for path in released.root.rglob("*") if path.suffix not in (".db", ".db-wal", ".db-shm")
        )
        assert after == before
        assert {event.kind for event in released.ledger.events()} - kinds == {
            "ablation.scored",
            "ablation.measured",
        }

    def test_the_ledger_has_scores_and_hashes_and_no_text(self, released: Workspace) -> None:
        ablate(released, repetitions=1)
        told = json.dumps(
            [event.payload for event in released.ledger.events("ablation.scored", "ablation.measured")]
        )
        assert not [each for each in (*worlds.right(), *worlds.wrong()) if str(each.fields["text"]) in told]


class TestAgain:
    def test_a_second_run_measures_nothing_and_adds_nothing(
        self, released: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = ablate(released, repetitions=2)
        seq = released.ledger.head()[0]
        monkeypatch.setattr(EmbeddedStudent, "scores", _never)
        assert ablate(released, repetitions=2) == first
        assert released.ledger.head()[0] == seq

    def test_after_a_stop_it_goes_on_where_it_was(
        self, released: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole, calls = EmbeddedStudent.scores, []

        def stopping(self: Any, *args: Any) -> list[float]:
            calls.append(args)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return whole(self, *args)

        monkeypatch.setattr(EmbeddedStudent, "scores", stopping)
        with pytest.raises(KeyboardInterrupt):
            ablate(released, repetitions=1)
        ablate(released, repetitions=1)
        assert len(calls) == 3 + DISTINCT - 2
        assert len(list(released.ledger.events("ablation.scored"))) == DISTINCT


class TestRefusals:
    def test_a_release_of_seeds_alone(self, tiny_workspace: Workspace) -> None:
        release(tiny_workspace)
        with pytest.raises(RefusedError, match="holds seeds alone"):
            ablate(tiny_workspace)

    def test_no_release(self, tiny_workspace: Workspace) -> None:
        with pytest.raises(RefusedError, match="no release yet"):
            ablate(tiny_workspace)

    def test_a_changed_release(self, released: Workspace) -> None:
        with (released.releases_dir / "r001" / "README.md").open("a") as card:
            card.write("!")
        with pytest.raises(RefusedError, match=r"README\.md"):
            ablate(released)

    def test_an_unknown_student(self, released: Workspace) -> None:
        with pytest.raises(InputError, match="no student 'oracle'"):
            ablate(released, student="oracle")  # type: ignore[arg-type]

    def test_no_repetitions(self, released: Workspace) -> None:
        with pytest.raises(InputError, match="0 repetitions"):
            ablate(released, repetitions=0)

    def test_the_cheap_student_needs_a_label(
        self, released: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(students, "wants_label", lambda ws: False)
        with pytest.raises(RefusedError, match="--student model"):
            ablate(released, student="embeddings")


class TestCurve:
    def test_more_rows_make_it_better_and_the_law_says_by_how_much(self, released: Workspace) -> None:
        found = curve(released)
        assert [each.rows for each in found.points] == [0, 3, 6, 12, 18, 24]
        assert found.points[-1].score.value > found.points[0].score.value
        assert found.gain_next.low <= found.gain_next.value <= found.gain_next.high
        assert found.gain_next.value >= 0
        assert str(found.next_rows) in found.conclusion

    def test_too_few_rows_make_none(self, make_workspace: Callable[..., Workspace]) -> None:
        ws = make_workspace()
        reviewing = Reviewing(ws)
        reviewing.approve(*reviewing.candidates(4))
        release(ws)
        with pytest.raises(InputError, match="4 approved rows make no curve"):
            curve(ws)

    def test_a_second_run_measures_nothing(
        self, released: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = curve(released)
        seq = released.ledger.head()[0]
        monkeypatch.setattr(EmbeddedStudent, "scores", _never)
        assert curve(released) == first
        assert released.ledger.head()[0] == seq

    @pytest.mark.parametrize(
        ("floor", "factor", "exponent"), [(0.05, 3.0, 0.5), (0.0, 1.0, 0.3), (0.2, 0.0, 1.0)]
    )
    def test_the_law_is_found_again(self, floor: float, factor: float, exponent: float) -> None:
        sizes = [200, 250, 300, 400, 500, 600]
        errors = np.array([floor + factor * n**-exponent for n in sizes])
        law = fitted_law(sizes, errors)
        assert law.score(700) == pytest.approx(1 - floor - factor * 700**-exponent, abs=1e-3)

    def test_a_curve_that_falls_brings_nothing_and_never_less(self) -> None:
        law = fitted_law([200, 300, 400], np.array([0.1, 0.12, 0.14]))
        assert law.score(500) == pytest.approx(law.score(400))


def _never(self: Any, *args: Any) -> list[float]:
    raise AssertionError("measured again")
