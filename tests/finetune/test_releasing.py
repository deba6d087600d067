"""Releases: only what may enter, once, whole, and open to other people's tools."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seedgate.errors import BusyError, RefusedError, SeedgateError
from seedgate.finetune import audit, release, release_needed, verify_release
from seedgate.ledger import NewEvent
from seedgate.records import Example
from seedgate.seeds import verify
from seedgate.workspace import Workspace
from tests.finetune.reviewing import TEXTS, Reviewing, example


def rows_of(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path / "train.parquet").to_pylist()
    return rows


def manifest_of(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((path / "manifest.json").read_bytes())
    return loaded


def front_matter(path: Path) -> dict[str, Any]:
    import yaml

    head: dict[str, Any] = yaml.safe_load((path / "README.md").read_text().split("---\n")[1])
    return head


class TestNames:
    def test_the_seeds_alone_are_r000_and_the_next_is_r001(self, reviewing: Reviewing) -> None:
        assert release(reviewing.ws).name == "r000"
        reviewing.approve(*reviewing.candidates(2))
        made = release(reviewing.ws)
        assert (made.name, made.counts.approved) == ("r001", 2)
        assert manifest_of(made.path)["previous"] == "r000"

    def test_a_first_release_with_approved_rows_is_no_baseline(self, approved: Workspace) -> None:
        assert release(approved).name == "r001"

    def test_the_same_content_is_not_released_twice(self, approved: Workspace) -> None:
        first = release(approved)
        approved.ledger.append([NewEvent("cycle.started", "1", {"target": 1, "simulated": False})])
        second = release(approved)
        assert second.created is False
        assert (second.name, second.manifest_hash) == (first.name, first.manifest_hash)
        assert approved.ledger.count("release.created") == 1
        assert [path.name for path in approved.releases_dir.iterdir()] == ["r001"]

    def test_a_damaged_release_is_made_anew_under_the_next_name(self, approved: Workspace) -> None:
        first = release(approved)
        card = first.path / "README.md"
        card.chmod(0o644)
        card.write_text("nothing")
        assert release(approved).name == "r002"

    def test_it_is_needed_when_the_rows_would_differ(self, reviewing: Reviewing) -> None:
        assert release_needed(reviewing.ws)
        release(reviewing.ws)
        assert not release_needed(reviewing.ws)
        reviewing.approve(*reviewing.candidates(1))
        assert release_needed(reviewing.ws)


class TestContent:
    def test_datasets_opens_it_as_it_is(self, approved: Workspace, tmp_path: Path) -> None:
        import datasets

        datasets.disable_progress_bars()
        loaded = datasets.load_dataset(str(release(approved).path), cache_dir=str(tmp_path / "cache"))
        assert list(loaded) == ["train"]
        rows = loaded["train"].to_list()
        assert [row["origin"] for row in rows] == ["seed"] * 12 + ["approved"] * 4
        assert rows[-1]["text"] == TEXTS[3][0]
        assert rows[-1]["approved_by"] == ["reviewer"]
        assert (rows[-1]["strategy"], rows[-1]["cycle"]) == ("few_shot", 1)
        assert rows[0]["approved_by"] == ["An Expert"]
        assert rows[0]["cycle"] is None

    def test_what_the_card_states_of_the_split_is_what_datasets_finds(
        self, approved: Workspace, tmp_path: Path
    ) -> None:
        import datasets

        datasets.disable_progress_bars()
        made = release(approved)
        loaded = datasets.load_dataset(str(made.path), cache_dir=str(tmp_path / "cache"))
        assert isinstance(loaded, datasets.DatasetDict)
        stated, found = front_matter(made.path)["dataset_info"], loaded["train"]
        assert stated["splits"] == [
            {"name": "train", "num_bytes": found.info.splits["train"].num_bytes, "num_examples": 16}
        ]
        assert (found.num_rows, found.info.dataset_size) == (16, stated["dataset_size"])
        assert stated["download_size"] == (made.path / "train.parquet").stat().st_size
        # Of the file, not of the card: what is stated must be what would be found without it.
        alone = datasets.load_dataset(
            "parquet", data_files=str(made.path / "train.parquet"), cache_dir=str(tmp_path / "alone")
        )["train"]
        assert datasets.Features._from_yaml_list(stated["features"]) == alone.features == found.features
        assert found.to_list() == alone.to_list()

    def test_datasets_itself_notices_a_card_that_counts_wrongly(
        self, approved: Workspace, tmp_path: Path
    ) -> None:
        import datasets

        datasets.disable_progress_bars()
        folder = shutil.copytree(release(approved).path, tmp_path / "copy")
        card = folder / "README.md"
        text = card.read_text()
        card.chmod(0o644)
        card.write_text(text.replace('"num_examples": 16', '"num_examples": 15'))
        with pytest.raises(datasets.exceptions.NonMatchingSplitsSizesError, match="num_examples=15"):
            datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))

    def test_the_card_says_where_the_evaluation_split_is(self, approved: Workspace) -> None:
        card = (release(approved).path / "README.md").read_text()
        locked = approved.ledger.last("eval.locked")
        assert locked is not None
        assert "The evaluation split is not in this folder, by design. Its 6 rows are `eval.jsonl`" in card
        assert f"(hash of the set: `{locked.subject}`)" in card

    def test_the_card_says_what_it_is_for_its_limits_and_its_licence(
        self, approved: Workspace, make_workspace: Callable[..., Workspace]
    ) -> None:
        made = release(approved)
        head, card = front_matter(made.path), (made.path / "README.md").read_text()
        assert "license" not in head
        assert "language" not in head
        assert "one task, `tiny`: from `text` to `label`" in card
        assert "Approved means approved under the guidelines named above, not true" in card
        assert "None is stated." in card
        assert "Rows were written by `" in card
        stated = {"license": "cc-by-4.0", "languages": ["en", "pt-BR"]}
        ws = make_workspace(folder="other", settings={"release": stated})
        made = release(ws)
        head, card = front_matter(made.path), (made.path / "README.md").read_text()
        assert (head["license"], head["language"]) == ("cc-by-4.0", ["en", "pt-BR"])
        assert "`cc-by-4.0`, as the owner of this data states." in card
        assert "Rows were written by" not in card, "it is the baseline"
        assert "habits" not in card

    def test_the_manifest_has_the_evidence_of_every_row(self, approved: Workspace) -> None:
        manifest = manifest_of(release(approved).path)
        assert [row["origin"] for row in manifest["rows"]] == ["seed"] * 12 + ["approved"] * 4
        last = manifest["rows"][-1]
        verdict = approved.ledger.last("verdict.recorded", subject=last["id"])
        assert verdict is not None
        assert last["responses"] == [verdict.payload["response_id"]]
        assert last["guideline_hash"] == approved.guidelines()[1]
        assert manifest["rows"][0]["vouched_by"] == "An Expert"
        assert manifest["policy"]["verified_seeds"] == 12
        assert set(manifest["files"]) == {"README.md", "train.parquet"}

    def test_the_event_names_the_candidates_for_the_gate(self, approved: Workspace) -> None:
        made = release(approved)
        event = approved.ledger.last("release.created")
        assert event is not None
        candidates = [row["id"] for row in manifest_of(made.path)["rows"] if row["origin"] == "approved"]
        assert approved.ledger.body(event.payload["ids"]) == candidates

    def test_simulated_rows_are_counted_apart_and_shouted_about(
        self, make_workspace: Callable[..., Workspace]
    ) -> None:
        reviewing = Reviewing(make_workspace(simulated_reviewer="simulated"))
        first, second = reviewing.candidates(2)
        reviewing.approve(first, reviewer="simulated", simulated=True)
        reviewing.approve(second)
        made = release(reviewing.ws)
        assert (made.counts.approved, made.counts.approved_simulated, made.counts.approved_human) == (2, 1, 1)
        assert [row["simulated"] for row in rows_of(made.path)[-2:]] == [True, False]
        card = (made.path / "README.md").read_text()
        assert "1 of the 2 approved rows were approved by a program" in card
        assert "| approved by the SIMULATED reviewer | 1 |" in card
        assert "human-reviewed" not in front_matter(made.path)["tags"]
        assert "SIMULATED" in str(made)

    def test_the_card_says_how_rows_were_reviewed(self, approved: Workspace) -> None:
        made = release(approved)
        card = (made.path / "README.md").read_text()
        assert "signed off by `An Expert`" in card
        assert "Reviewers: `reviewer`." in card
        assert approved.guidelines()[1] in card
        assert not any(text in card for text, _ in TEXTS), "a row's text is never Markdown"
        head = front_matter(made.path)
        assert head["configs"][0]["data_files"] == [{"split": "train", "path": "train.parquet"}]
        assert head["size_categories"] == ["n<1K"]
        assert "human-reviewed" in head["tags"]

    def test_a_name_cannot_break_out_of_the_card(self, make_workspace: Callable[..., Workspace]) -> None:
        ws = make_workspace(verified=False)
        verify(ws, by="Eve `|`\n# <script>", statement="I have read every row.")
        card = (release(ws).path / "README.md").read_text()
        assert "<script>" not in card
        assert "Eve # script" in card

    def test_a_field_named_like_a_column_keeps_its_name(
        self, make_workspace: Callable[..., Workspace]
    ) -> None:
        fields = [
            {"name": "origin", "role": "input"},
            {"name": "cycle", "role": "output", "type": "label", "labels": ["a", "b"]},
        ]
        task = {
            "name": "taken",
            "instructions": "Name it.",
            "fields": fields,
            "prompt_template": "{origin}",
            "completion_template": "{cycle}",
        }
        texts = ["a river in the north", "some hill far behind it", "this one road out of town"]
        seeds = [
            Example(fields={"origin": text, "cycle": label}) for text, label in zip(texts, "aba", strict=True)
        ]
        ws = make_workspace(
            task=task,
            seeds=seeds,
            evaluation=[Example(fields={"origin": "quite another thing", "cycle": "b"})],
            settings={"policy": {"verified_seeds": 3, "min_eval": 1}},
        )
        row = rows_of(release(ws).path)[0]
        assert (row["origin"], row["cycle"]) == ("a river in the north", "a")
        assert (row["origin_"], row["cycle_"]) == ("seed", None)


class TestWhatMayEnter:
    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        answers=st.lists(
            st.sampled_from(
                ["approve", "reject", "edit-unchanged", "unanswered", "draft", "other account", "other text"]
            ),
            min_size=len(TEXTS),
            max_size=len(TEXTS),
        )
    )
    def test_only_verified_seeds_and_approved_candidates(
        self, answers: list[str], make_workspace: Callable[..., Workspace], tmp_path_factory: Any
    ) -> None:
        ws = make_workspace(folder=tmp_path_factory.mktemp("ws").name)
        reviewing = Reviewing(ws)
        ids = reviewing.candidates(len(TEXTS))
        for id_, answer in zip(ids, answers, strict=True):
            how: dict[str, tuple[Any, dict[str, Any]]] = {
                "approve": ("approve", {}),
                "reject": ("reject", {}),
                "edit-unchanged": ("edit", {}),
                "unanswered": (None, {}),
                "draft": ("approve", {"problem": "a draft"}),
                "other account": ("approve", {"user_id": "user-pusher"}),
                "other text": ("approve", {"seen_hash": "0" * 64}),
            }
            decision, changes = how[answer]
            reviewing.verdicts({id_: decision}, **changes)
        made = release(ws)
        released = {row["id"] for row in rows_of(made.path) if row["origin"] == "approved"}
        assert released == {id_ for id_, answer in zip(ids, answers, strict=True) if answer == "approve"}
        assert verify_release(ws, made.name).counts == made.counts

    def test_an_edit_enters_corrected_and_its_original_does_not(self, reviewing: Reviewing) -> None:
        (original,) = reviewing.candidates(1)
        new = reviewing.edit(original, example("No sign of my kettle since the weekend.", "delivery"))
        made = release(reviewing.ws)
        rows = [row for row in rows_of(made.path) if row["origin"] == "approved"]
        assert [(row["id"], row["edited_from"], row["strategy"]) for row in rows] == [(new, original, "edit")]
        assert made.counts.edited == 1

    def test_two_corrections_of_one_original_do_not_both_enter(self, reviewing: Reviewing) -> None:
        (original,) = reviewing.candidates(1)
        reviewing.edit(original, example("No sign of my kettle since the weekend.", "delivery"))
        reviewing.edit(original, example("Nothing came, and it's been days!", "delivery"), reviewer="second")
        assert release(reviewing.ws).counts.approved <= 1

    def test_what_was_taken_back_is_left_out_of_the_next(self, reviewing: Reviewing) -> None:
        ids = reviewing.candidates(2)
        reviewing.approve(*ids)
        release(reviewing.ws)
        reviewing.take_back(ids[0])
        made = release(reviewing.ws)
        assert made.name == "r002"
        assert [row["id"] for row in rows_of(made.path) if row["origin"] == "approved"] == [ids[1]]

    def test_a_recalled_row_is_left_out_of_the_next(self, approved: Workspace) -> None:
        first = release(approved)
        recalled = manifest_of(first.path)["rows"][-1]["id"]
        payload = {"release": first.name, "reason": "the customer asked"}
        approved.ledger.append([NewEvent("row.recalled", recalled, payload)])
        assert release(approved).counts.approved == 3

    def test_a_row_of_the_evaluation_set_stays_out_and_says_so(self, reviewing: Reviewing) -> None:
        leaking = reviewing.candidate(example("When will the teapot get here??", "delivery"))
        reviewing.approve(leaking)
        made = release(reviewing.ws)
        assert made.counts.approved == 0

    def test_nothing_is_released_without_a_baseline(self, make_workspace: Callable[..., Workspace]) -> None:
        with pytest.raises(RefusedError, match="0 seeds are verified"):
            release(make_workspace(folder="unverified", verified=False))
        with pytest.raises(RefusedError, match="not locked"):
            release(make_workspace(folder="unlocked", locked=False))

    def test_a_changed_evaluation_file_is_refused(self, approved: Workspace) -> None:
        approved.eval_path.write_text(approved.eval_path.read_text().splitlines()[0] + "\n")
        with pytest.raises(RefusedError, match=r"eval\.jsonl is not what was locked"):
            release(approved)


class TestDryRun:
    def test_it_says_what_would_be_made_and_makes_nothing(self, approved: Workspace) -> None:
        events = approved.ledger.head()
        plan = release(approved, dry_run=True)
        assert (plan.name, plan.created, plan.counts.approved) == ("r001", False, 4)
        assert "would be made" in str(plan)
        assert approved.ledger.head() == events
        assert not approved.releases_dir.exists() or not list(approved.releases_dir.iterdir())

    def test_it_says_when_nothing_would_be_made(self, approved: Workspace) -> None:
        release(approved)
        plan = release(approved, dry_run=True)
        assert (plan.name, plan.created) == ("r001", False)
        assert "has this content already" in str(plan)


class TestTrouble:
    def test_a_second_process_is_told_who_is_releasing(self, approved: Workspace) -> None:
        with approved.ledger.lease("release"), pytest.raises(BusyError, match="another `release` runs"):
            release(approved)

    def test_a_full_disk_leaves_nothing_half_written(
        self, approved: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("seedgate.finetune.releasing.write_file", full)
        with pytest.raises(SeedgateError, match="No space left on device"):
            release(approved)
        assert list(approved.releases_dir.iterdir()) == []
        assert approved.ledger.count("release.created") == 0

    def test_a_place_that_is_no_folder_is_one_clear_line(self, approved: Workspace) -> None:
        if approved.releases_dir.exists():
            approved.releases_dir.rmdir()
        approved.releases_dir.write_text("in the way")
        with pytest.raises(SeedgateError, match="releases: making a folder failed"):
            release(approved)

    def test_a_leftover_that_differs_is_replaced(self, approved: Workspace) -> None:
        leftover = approved.releases_dir / "r001"
        leftover.mkdir(parents=True)
        (leftover / "train.parquet").write_text("half")
        assert release(approved).created
        verify_release(approved, "r001")
        assert [path.name for path in approved.releases_dir.iterdir()] == ["r001"]

    def test_a_link_in_its_place_is_replaced_and_not_followed(
        self, approved: Workspace, tmp_path: Path
    ) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "kept.txt").write_text("mine")
        approved.releases_dir.mkdir(exist_ok=True)
        (approved.releases_dir / "r001").symlink_to(elsewhere)
        release(approved)
        verify_release(approved, "r001")
        assert [path.name for path in elsewhere.iterdir()] == ["kept.txt"]


KILLED_AT_EVERY_STEP = '''
"""Kills `release` at each of its file operations in turn, runs it again, and prints what there is then."""
import itertools, json, os, pathlib, shutil, signal, sys
import numpy, pyarrow.parquet  # before the hook counts
pyarrow.array(["x"])  # where pandas is installed this imports it: once here, not in each child
from seedgate.finetune import audit, release, verify_release
from seedgate.workspace import Workspace

source, work = map(pathlib.Path, sys.argv[1:])
STEPS = {"open", "os.rename", "os.mkdir", "os.chmod", "os.remove", "os.rmdir", "tempfile.mkdtemp"}


def forked(action):
    child = os.fork()
    if child == 0:
        try:
            action()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def released(folder, kill_at):
    seen = itertools.count(1)

    def hook(event, arguments):
        if event in STEPS and "releases" in str(arguments[0]) and next(seen) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    with Workspace(folder) as ws:
        if kill_at:
            sys.addaudithook(hook)
        release(ws)
        if kill_at:  # all done, not yet said
            print(json.dumps({"steps": next(seen) - 1}), flush=True)


def checked(folder):
    with Workspace(folder) as ws:
        verify_release(ws, "r001")
        print(json.dumps({
            "events": [e.subject for e in ws.ledger.events("release.created")],
            "folders": sorted(os.listdir(ws.releases_dir)),
            "faults": audit(ws),
            "content": ws.ledger.last("release.created").payload["content_hash"],
        }), flush=True)


for kill_at in itertools.count(1):
    folder = work / f"killed-{kill_at}"
    shutil.copytree(source, folder)
    status = forked(lambda: released(folder, kill_at))
    if status == 0:
        break
    assert os.WIFSIGNALED(status), status
    assert forked(lambda: released(folder, 0)) == 0
    assert forked(lambda: checked(folder)) == 0
    shutil.rmtree(folder)
'''


def test_killed_at_every_step_and_run_again_there_is_one_release(approved: Workspace, tmp_path: Path) -> None:
    assert release_needed(approved)  # stores what the rows mean, which else each of the killed would compute
    approved.close()
    command = [sys.executable, "-W", "ignore", "-c", KILLED_AT_EVERY_STEP, str(approved.root), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    *runs, last = [json.loads(line) for line in result.stdout.splitlines()]
    assert last["steps"] >= len(runs) >= 10
    expected = {"events": ["r001"], "folders": ["r001"], "faults": []}
    assert {run["content"] for run in runs} == {runs[0]["content"]}
    assert all({key: run[key] for key in expected} == expected for run in runs)


def test_files_of_a_release_cannot_be_written_by_accident(approved: Workspace) -> None:
    modes = {path.stat().st_mode & 0o777 for path in release(approved).path.iterdir()}
    assert modes == {0o444}


def test_audit_after_a_release_is_clean(approved: Workspace) -> None:
    release(approved)
    assert audit(approved) == []


def test_the_row_order_is_that_of_the_ledger(approved: Workspace) -> None:
    rows = rows_of(release(approved).path)
    seeds = [event.subject for event in approved.ledger.events("seed.added")]
    made = [event.subject for event in approved.ledger.events("candidate.created")]
    assert [row["id"] for row in rows] == [*seeds, *made]
    assert all(re.fullmatch(r"[0-9a-f]{64}", row["id"]) for row in rows)
