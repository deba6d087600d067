"""The door before training: it opens only if files, rows, ledger and gate agree, and says what does not."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from seedgate.canonical import sha256
from seedgate.errors import InputError, RefusedError
from seedgate.finetune import release, train, verify_release
from seedgate.ledger import NewEvent
from seedgate.workspace import Workspace
from tests.finetune.reviewing import Reviewing

FILES = ("train.parquet", "README.md", "manifest.json")


def overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


@pytest.fixture
def released(approved: Workspace) -> Workspace:
    """The workspace with release r001."""
    release(approved)
    return approved


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0, 200, -1])
def test_train_refuses_a_release_with_one_byte_changed(released: Workspace, name: str, place: int) -> None:
    path = released.releases_dir / "r001" / name
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    overwrite(path, bytes(data))
    with pytest.raises(RefusedError, match=rf"release r001: {name}: was changed") as refused:
        train(released, "r001")
    assert refused.value.exit_code == 3
    assert not released.ledger.count("model.trained")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(released: Workspace, name: str) -> None:
    (released.releases_dir / "r001" / name).unlink()
    with pytest.raises(RefusedError, match=name):
        verify_release(released, "r001")


@pytest.mark.parametrize("name", FILES)
def test_a_byte_too_many_is_seen(released: Workspace, name: str) -> None:
    path = released.releases_dir / "r001" / name
    overwrite(path, path.read_bytes() + b" ")
    with pytest.raises(RefusedError, match=name):
        verify_release(released, "r001")


@pytest.mark.parametrize("name", FILES)
def test_a_link_to_the_same_bytes_is_no_file(released: Workspace, name: str, tmp_path: Path) -> None:
    path = released.releases_dir / "r001" / name
    elsewhere = tmp_path / name
    elsewhere.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(elsewhere)
    with pytest.raises(RefusedError, match=name):
        verify_release(released, "r001")


@pytest.mark.parametrize(
    "add",
    [
        lambda folder: (folder / "more.parquet").write_bytes(b"x"),
        lambda folder: (folder / ".hidden").write_bytes(b"x"),
        lambda folder: (folder / "data").mkdir(),
        lambda folder: (folder / "link").symlink_to("/"),
        lambda folder: os.mkfifo(folder / "pipe"),
    ],
    ids=["file", "hidden file", "folder", "link", "pipe"],
)
def test_anything_more_in_the_folder_is_refused(released: Workspace, add: Callable[[Path], object]) -> None:
    add(released.releases_dir / "r001")
    with pytest.raises(RefusedError, match="does not belong there"):
        verify_release(released, "r001")


def test_a_folder_that_is_a_link_is_refused(released: Workspace, tmp_path: Path) -> None:
    folder = released.releases_dir / "r001"
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    with pytest.raises(RefusedError, match="no plain folder"):
        verify_release(released, "r001")


def test_a_folder_that_is_gone_is_refused(released: Workspace, tmp_path: Path) -> None:
    (released.releases_dir / "r001").rename(tmp_path / "moved")
    with pytest.raises(RefusedError, match=r"manifest\.json: cannot be read"):
        verify_release(released, "r001")


def test_a_folder_that_no_event_speaks_of_is_refused(released: Workspace) -> None:
    folder = released.releases_dir
    (folder / "r001").rename(folder / "r002")
    with pytest.raises(RefusedError, match=r"no release\.created event"):
        verify_release(released, "r002")


@pytest.mark.parametrize("name", ["../r001", "r1", "", "r001/", "r001\n", "latest", "/etc"])
def test_what_is_no_name_is_bad_input(released: Workspace, name: str) -> None:
    with pytest.raises(InputError, match="is no name of a release"):
        verify_release(released, name)


def test_another_releases_folder_does_not_pass_for_it(released: Workspace) -> None:
    reviewing = Reviewing(released)
    reviewing.approve(*reviewing.candidates(6)[4:])
    release(released)
    (released.releases_dir / "r001").rename(released.releases_dir / "old")
    (released.releases_dir / "r002").rename(released.releases_dir / "r001")
    with pytest.raises(RefusedError, match=r"manifest\.json: was changed"):
        verify_release(released, "r001")


class TestRecalls:
    def test_an_approval_that_was_taken_back_closes_the_door(self, released: Workspace) -> None:
        changed = verify_release(released, "r001").rows[-1].id
        Reviewing(released).take_back(changed)
        with pytest.raises(RefusedError, match=rf"row {changed[:12]}: is approved no more"):
            train(released)

    def test_a_second_reviewer_who_rejects_closes_the_door(self, released: Workspace) -> None:
        row = verify_release(released, "r001").rows[-1].id
        Reviewing(released).verdicts({row: "reject"}, reviewer="second")
        with pytest.raises(RefusedError, match=rf"row {row[:12]}: is approved no more \(conflict"):
            verify_release(released, "r001")

    def test_a_recalled_row_closes_the_door(self, released: Workspace) -> None:
        row = verify_release(released, "r001").rows[-1].id
        released.ledger.append([NewEvent("row.recalled", row, {"release": "r001", "reason": "wrong"})])
        with pytest.raises(RefusedError, match=r"is approved no more \(void: recalled: wrong"):
            verify_release(released, "r001")
        assert verify_release(released, release(released).name).counts.approved == 3

    def test_a_withdrawn_seed_closes_the_door(self, released: Workspace) -> None:
        seed = verify_release(released, "r001").rows[0].id
        released.ledger.append([NewEvent("seed.withdrawn", seed, {"by": "An Expert", "at": "now"})])
        with pytest.raises(RefusedError, match="11 seeds are verified"):
            verify_release(released, "r001")

    def test_changed_guidelines_do_not_recall_what_was_released(self, released: Workspace) -> None:
        released.guidelines_path.write_text("# Reviewing\n\nApprove less.\n")
        assert verify_release(released, "r001").counts.approved == 4


class TestTheLedger:
    def test_a_changed_event_closes_the_door(self, released: Workspace) -> None:
        released.close()
        with sqlite3.connect(released.state_dir / "ledger.db") as database:
            database.execute(
                "UPDATE events SET payload = replace(payload, 'approve', 'reject') WHERE seq = 40"
            )
            database.execute("UPDATE events SET at = '2020' WHERE seq = 30")
        with pytest.raises(RefusedError, match="the ledger is damaged: event"):
            verify_release(released, "r001")

    def test_a_release_that_the_ledger_does_not_bear_out_is_refused(self, released: Workspace) -> None:
        """Somebody writes a manifest with one more approval and an event for it, all hashes right."""
        folder = released.releases_dir / "r001"
        text = (folder / "manifest.json").read_text().replace("response-round", "response-other", 1)
        overwrite(folder / "manifest.json", text.encode())
        event = released.ledger.last("release.created")
        assert event is not None
        forged = event.payload | {"manifest_hash": sha256(text)}
        released.ledger.append([NewEvent("release.created", "r001", forged)])
        with pytest.raises(RefusedError, match="says otherwise about what its approval rests on"):
            verify_release(released, "r001")


def test_a_release_of_a_changed_task_is_refused(released: Workspace) -> None:
    config = released.root / "seedgate.toml"
    config.write_text(config.read_text().replace("where a parcel is", "where things are"))
    with Workspace(released.root) as again, pytest.raises(RefusedError, match="another declaration"):
        verify_release(again, "r001")
