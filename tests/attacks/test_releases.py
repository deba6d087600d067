"""Attacks on releases, and on what lies between a release and a training run."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seedgate.errors import BusyError, InputError, RefusedError
from seedgate.finetune import audit, release, train, verify_release
from seedgate.finetune.verifying import verified_release
from seedgate.ledger import NewEvent
from seedgate.workspace import Workspace
from tests.attacks.marking import attack
from tests.attacks.tampering import copy_of, faults, forge_release, overwrite, released_texts
from tests.finetune.reviewing import TEXTS, Reviewing
from tests.review.scenarios import released as recorded_release

EVIL = "Wire the money to this account."


def refused(ws: Workspace, name: str = "r001") -> str:
    """Why `train` would not have it."""
    with pytest.raises(RefusedError) as error:
        train(ws, name)
    assert error.value.exit_code == 3
    assert audit(ws) != []
    return str(error.value)


def table_of(ws: Workspace) -> Any:
    return pq.read_table(ws.releases_dir / "r001" / "train.parquet")


def write_table(ws: Workspace, table: Any) -> None:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    overwrite(ws.releases_dir / "r001" / "train.parquet", buffer.getvalue())


class TestFiles:
    @attack("a row is added to the table", outcome="refused", by="G10: the file's hash; `audit`")
    def test_a_row_more(self, released: Workspace) -> None:
        table = table_of(released)
        rows = [*table.to_pylist(), table.to_pylist()[-1] | {"text": EVIL}]
        write_table(released, pa.Table.from_pylist(rows, schema=table.schema))
        assert "train.parquet" in refused(released)

    @attack("a row's text is changed in the table", outcome="refused", by="G10: the file's hash; `audit`")
    def test_a_changed_row(self, released: Workspace) -> None:
        table = table_of(released)
        rows = table.to_pylist()
        rows[-1]["text"] = EVIL
        write_table(released, pa.Table.from_pylist(rows, schema=table.schema))
        assert "train.parquet" in refused(released)

    @attack("the table's rows change places", outcome="refused", by="G10: the file's hash; `audit`")
    def test_another_order(self, released: Workspace) -> None:
        table = table_of(released)
        write_table(released, pa.Table.from_pylist(table.to_pylist()[::-1], schema=table.schema))
        assert "train.parquet" in refused(released)

    @attack("a column of the table is there twice", outcome="refused", by="G10: the file's hash; `audit`")
    def test_a_column_twice(self, released: Workspace) -> None:
        table = table_of(released)
        write_table(released, table.append_column("text", pa.array([EVIL] * table.num_rows)))
        assert "train.parquet" in refused(released)

    @attack("the table's Parquet metadata is changed", outcome="refused", by="G10: the file's hash; `audit`")
    def test_metadata(self, released: Workspace) -> None:
        write_table(released, table_of(released).replace_schema_metadata({"huggingface": "{}"}))
        assert "train.parquet" in refused(released)

    @attack(
        "the card is rewritten to hide the simulated rows",
        outcome="refused",
        by="G10: the file's hash; `audit`",
    )
    def test_the_card(self, released: Workspace) -> None:
        overwrite(released.releases_dir / "r001" / "README.md", "All human.\n")
        assert "README.md" in refused(released)

    @attack(
        "the manifest is rewritten to agree with a changed table",
        outcome="refused",
        by="G10: the manifest's hash in the ledger; `audit`",
    )
    def test_the_manifest(self, released: Workspace) -> None:
        path = released.releases_dir / "r001" / "manifest.json"
        overwrite(path, path.read_text().replace("reviewer", "somebody"))
        assert "manifest.json: was changed" in refused(released)

    @attack(
        "a file lies beside the table, for loaders that read whatever is there",
        outcome="refused",
        by="G10: nothing more in the folder; `audit`",
    )
    def test_a_further_file(self, released: Workspace) -> None:
        shutil.copy(
            released.releases_dir / "r001" / "train.parquet",
            released.releases_dir / "r001" / "train-2.parquet",
        )
        assert "does not belong there" in refused(released)

    @attack(
        "a file of the release is a symbolic link", outcome="refused", by="G10: plain files only; `audit`"
    )
    def test_a_linked_file(self, released: Workspace, tmp_path: Path) -> None:
        path = released.releases_dir / "r001" / "train.parquet"
        shutil.copy(path, tmp_path / "elsewhere")
        path.unlink()
        path.symlink_to(tmp_path / "elsewhere")
        assert "train.parquet" in refused(released)

    @attack("the release's folder is a symbolic link", outcome="refused", by="G10: a plain folder; `audit`")
    def test_a_linked_folder(self, released: Workspace, tmp_path: Path) -> None:
        folder = released.releases_dir / "r001"
        folder.rename(tmp_path / "moved")
        folder.symlink_to(tmp_path / "moved")
        assert "no plain folder" in refused(released)

    @attack(
        "a second name of the file (hard link) is written to after it was verified",
        outcome="refused",
        by="G10: `train` takes the rows that it verified",
    )
    def test_a_hard_link(self, released: Workspace, tmp_path: Path) -> None:
        os.link(released.releases_dir / "r001" / "train.parquet", tmp_path / "handle")
        verified = verified_release(released, "r001")
        overwrite(tmp_path / "handle", b"other bytes altogether")
        assert [fields["text"] for fields in verified.fields][-1] == TEXTS[3][0]
        assert "train.parquet" in refused(released)

    @attack(
        "the table is swapped between its hash and its reading",
        outcome="refused",
        by="G10: every row is checked against the manifest as read",
    )
    def test_a_race(self, released: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        from seedgate.finetune import verifying

        read = verifying.read_rows

        def late(ws: Workspace, manifest: Any) -> Any:
            table = table_of(ws)
            rows = table.to_pylist()
            rows[-1]["text"] = EVIL
            write_table(ws, pa.Table.from_pylist(rows, schema=table.schema))
            return read(ws, manifest)

        monkeypatch.setattr(verifying, "read_rows", late)
        with pytest.raises(RefusedError, match=r"row 16 .* is not the manifest's"):
            train(released, "r001")

    @attack(
        "the table is swapped after it was verified, before training reads it",
        outcome="refused",
        by="G10: `train` never reads the file again",
    )
    def test_a_swap_before_training(self, released: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        from seedgate.finetune import training

        seen: list[str] = []

        class StopError(Exception):
            pass

        def base_model(ws: Workspace, *_: Any) -> str:
            table = table_of(ws)
            write_table(ws, table.set_column(0, "text", pa.array([EVIL] * table.num_rows)))
            return "base"

        def fit(rows: list[Any], **_: Any) -> None:
            seen.extend(str(row) for row in rows)
            raise StopError

        monkeypatch.setattr(training, "base_model", base_model)
        monkeypatch.setattr(training, "fit", fit)
        with pytest.raises(StopError):
            train(released, "r001")
        assert len(seen) == 16
        assert not any(EVIL in row for row in seen)


class TestFolders:
    @attack(
        "two releases exchange their folders",
        outcome="refused",
        by="G10: the manifest's hash, by name; `audit`",
    )
    def test_exchanged(self, released: Workspace) -> None:
        Reviewing(released).approve(*Reviewing(released).candidates(6)[4:])
        release(released)
        folder = released.releases_dir
        (folder / "r001").rename(folder / "aside")
        (folder / "r002").rename(folder / "r001")
        (folder / "aside").rename(folder / "r002")
        assert "manifest.json: was changed" in refused(released)

    @attack(
        "a folder is put under a name that no release has",
        outcome="refused",
        by="G10: the ledger's event; `audit`",
    )
    def test_a_folder_alone(self, released: Workspace) -> None:
        shutil.copytree(released.releases_dir / "r001", released.releases_dir / "r009")
        assert "no release.created event" in refused(released, "r009")

    @attack(
        "the release of another workspace is put in its place, manifest and all",
        outcome="refused",
        by="G10: the manifest's hash; `audit`",
    )
    def test_another_workspaces(self, released: Workspace, make_workspace: Callable[..., Workspace]) -> None:
        other = Reviewing(make_workspace(folder="other"))
        other.approve(*other.candidates(6))
        theirs = release(other.ws)
        shutil.rmtree(released.releases_dir / "r001")
        shutil.copytree(theirs.path, released.releases_dir / "r001")
        assert "manifest.json: was changed" in refused(released)

    @attack(
        "a leftover of a killed release is planted, for the next one to adopt",
        outcome="refused",
        by="`release` adopts only what it would have written",
    )
    def test_a_planted_leftover(self, released: Workspace, tmp_path: Path) -> None:
        Reviewing(released).approve(*Reviewing(released).candidates(6)[4:])
        shutil.copytree(released.releases_dir / "r001", released.releases_dir / "r002")
        made = release(released)
        assert (made.name, len(released_texts(made.path))) == ("r002", 6)
        assert faults(released) == []

    @pytest.mark.parametrize("name", ["../r001", "r001/../../x", "/etc", "R001", "r001\n", "r٠٠١", ""])
    @attack(
        "a release's name leads out of the folder, or differs in case or digits",
        outcome="refused",
        by="names of releases are r000, r001, ...",
    )
    def test_a_name_as_a_path(self, released: Workspace, name: str) -> None:
        with pytest.raises((InputError, RefusedError)):
            verify_release(released, name)

    @pytest.mark.parametrize("name", ["../../evil", "a/b", "/tmp/x", "base", "..", "Model", ".hidden", "a\n"])
    @attack(
        "a model's name leads out of the folder, or is the base model's",
        outcome="refused",
        by="a pattern for models' names",
    )
    def test_a_models_name_as_a_path(self, released: Workspace, name: str) -> None:
        with pytest.raises(InputError, match="cannot be a model's name"):
            train(released, "r001", output_name=name)

    @attack(
        "two releases are made at once, each from another reading",
        outcome="refused",
        by="the lease of `release`",
    )
    def test_two_at_once(self, approved: Workspace) -> None:
        with approved.ledger.lease("release"), pytest.raises(BusyError, match="another `release` runs"):
            release(approved)


class TestForgedEvents:
    @attack(
        "a release is rewritten with every hash right and a row that nobody approved, and its event appended",
        outcome="refused",
        by="G10: decisions are made again from the ledger; `audit`",
    )
    def test_a_row_that_nobody_approved(self, released: Workspace) -> None:
        pending = Reviewing(released).candidates(6)[5]

        def change(manifest: dict[str, Any], rows: list[dict[str, Any]]) -> None:
            manifest["rows"].append(manifest["rows"][-1] | {"id": pending})
            rows.append(rows[-1] | {"id": pending, "text": TEXTS[5][0], "label": TEXTS[5][1]})
            manifest["counts"]["rows"] += 1
            manifest["counts"]["approved"] += 1

        forge_release(released, "r001", change)
        assert "was not approved when the release was made" in refused(released)

    @attack(
        "a release is rewritten with every hash right and other evidence for a row",
        outcome="refused",
        by="G10: decisions are made again from the ledger; `audit`",
    )
    def test_other_evidence(self, released: Workspace) -> None:
        forge_release(
            released, "r001", lambda manifest, _: manifest["rows"][-1].update(approvers=["professor"])
        )
        assert "says otherwise about what its approval rests on" in refused(released)

    @attack(
        "a release is rewritten with every hash right and another text under an approved id",
        outcome="refused",
        by="G10: the id is the content's hash; `audit`",
    )
    def test_another_text(self, released: Workspace) -> None:
        forge_release(released, "r001", lambda _, rows: rows[-1].update(text=EVIL))
        assert "its content is not that of id" in refused(released)

    @attack(
        "a release is rewritten with every hash right and a candidate as a seed",
        outcome="refused",
        by="G1: the ledger's verified seeds; `audit`",
    )
    def test_a_candidate_as_a_seed(self, released: Workspace) -> None:
        forge_release(
            released,
            "r001",
            lambda manifest, _: manifest["rows"][-1].update(origin="seed", vouched_by="An Expert"),
        )
        assert "was no verified seed" in refused(released)

    @attack(
        "a release is rewritten to have an approved row many times, to weigh more",
        outcome="refused",
        by="G10: no row twice; `audit`",
    )
    def test_a_row_twice(self, released: Workspace) -> None:
        def change(manifest: dict[str, Any], rows: list[dict[str, Any]]) -> None:
            manifest["rows"].append(manifest["rows"][-1])
            rows.append(rows[-1])

        forge_release(released, "r001", change)
        assert "is in it twice" in refused(released)

    @attack(
        "a release claims to have been made later than it was, when more was approved",
        outcome="refused",
        by="G10: the event of the ledger it names; `audit`",
    )
    def test_another_head(self, released: Workspace) -> None:
        forge_release(
            released, "r001", lambda manifest, _: manifest.update(ledger_seq=manifest["ledger_seq"] + 50)
        )
        assert "is not the one it was made at" in refused(released)

    @attack(
        "rows of an unreleased wave are named in a made-up release, so that stale approvals count as released",
        outcome="detected",
        by="`audit`: the release has no folder",
    )
    def test_a_release_of_nothing(self, approved: Workspace) -> None:
        recorded_release(approved, *(e.subject for e in approved.ledger.events("candidate.created")))
        approved.guidelines_path.write_text("# Reviewing\n\nApprove less.\n")
        assert any("manifest.json: cannot be read" in fault for fault in faults(approved))

    @attack(
        "a training run is pointed at a release made for another declaration of the task",
        outcome="refused",
        by="G10: the task's hash",
    )
    def test_another_task(self, released: Workspace) -> None:
        config = released.root / "seedgate.toml"
        config.write_text(config.read_text().replace("where a parcel is", "where things are"))
        with Workspace(released.root) as again, pytest.raises(RefusedError, match="another declaration"):
            train(again, "r001")

    @attack(
        "a release is rewritten with other texts and another task's hash, so that ids cannot be checked",
        outcome="detected",
        by="`audit`: the ledger's bodies say what an id's content is; `train` by the task's hash",
    )
    def test_another_tasks_hash(self, released: Workspace) -> None:
        def change(manifest: dict[str, Any], rows: list[dict[str, Any]]) -> None:
            manifest["task_hash"] = "0" * 64
            rows[-1]["text"] = EVIL

        forge_release(released, "r001", change)
        assert any("its content is not that of id" in fault for fault in faults(released))
        refused(released)

    @attack(
        "an event that happens once is appended again: a round with a lower quorum, a release, a first event",
        outcome="detected",
        by="`audit`: it can happen only once",
    )
    def test_an_event_again(self, released: Workspace) -> None:
        for kind in (
            "workspace.created",
            "eval.locked",
            "round.opened",
            "candidate.created",
            "release.created",
        ):
            event = next(released.ledger.events(kind))
            released.ledger.append([NewEvent(kind, event.subject, event.payload)])
        assert sum("it can happen only once" in fault for fault in faults(released)) == 5


class TestCopies:
    @attack(
        "a workspace is copied and its copy tampered with, to be handed on as the true one",
        outcome="detected",
        by="`audit --expect-head` with a head noted elsewhere",
    )
    def test_a_copy(self, released: Workspace, tmp_path: Path) -> None:
        with copy_of(released, tmp_path / "copy") as copy:
            released.ledger.append([NewEvent("cycle.started", "1", {"target": 1, "simulated": False})])
            noted = released.ledger.head()[1]
            reviewing = Reviewing(copy)
            reviewing.approve(*reviewing.candidates(6)[4:])
            release(copy)
            assert faults(copy) == []
            assert any("history was rewritten" in fault for fault in faults(copy, expect_head=noted))
        assert faults(released, expect_head=noted) == []
