"""A backup holds one consistent state, and restoring trusts nothing that an archive says."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from seedgate import backup as module
from seedgate.backup import Archive, backup, restore
from seedgate.errors import InputError, RefusedError, SeedgateError
from seedgate.finetune import audit, redact, release, verify_release
from seedgate.ledger import Ledger, NewEvent
from seedgate.workspace import Workspace
from tests.core.postgres_server import PostgresServer


@pytest.fixture
def ws(tiny_workspace: Workspace) -> Workspace:
    """A workspace with a release and a password."""
    release(tiny_workspace)
    tiny_workspace.secrets.ensure("argilla_api_key")
    return tiny_workspace


@pytest.fixture
def archive(ws: Workspace, tmp_path: Path) -> Path:
    backup(ws, tmp_path / "kept.tar.gz")
    return tmp_path / "kept.tar.gz"


def names_in(archive: Path) -> set[str]:
    with tarfile.open(archive) as tar:
        return set(tar.getnames())


def forged(path: Path, change: Callable[[tarfile.TarFile], None], source: Path) -> Path:
    """A copy of an archive with more in front."""
    with tarfile.open(source) as old, tarfile.open(path, "w:gz") as new:
        change(new)
        for member in old:
            new.addfile(member, old.extractfile(member))
    return path


def test_what_is_restored_is_the_workspace(ws: Workspace, archive: Path, tmp_path: Path) -> None:
    seq, head = ws.ledger.head()
    done = restore(archive, tmp_path / "again")
    assert (done.events, done.head, done.restored) == (seq, head, True)
    with Workspace(tmp_path / "again") as again:
        assert audit(again, expect_head=head) == []
        verify_release(again, "r000")
        # It goes on like any other.
        again.ledger.append([NewEvent("cycle.started", "1", {"target": 1, "simulated": False})])
    assert (tmp_path / "again/.seedgate/ledger.db").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "again/releases/r000/train.parquet").stat().st_mode & 0o777 == 0o444


def test_templates_and_strategies_of_ones_own_are_in_it(ws: Workspace, tmp_path: Path) -> None:
    config = ws.root / "seedgate.toml"
    shares = 'strategies = {few_shot = 1, "mine.py:ask" = 1, "mine.py:other" = 1}'
    config.write_text(config.read_text().replace("# strategies = {few_shot = 1.0}", shares))
    (ws.root / "mine.py").write_text("def ask(context): ...\n")
    ws.prompts_dir.mkdir()
    (ws.prompts_dir / "own.chat.txt").write_text("$about $seeds $instruction")
    with Workspace(ws.root) as changed:
        backup(changed, tmp_path / "kept.tar.gz")
    assert {"mine.py", "prompts/own.chat.txt"} <= names_in(tmp_path / "kept.tar.gz")
    restore(tmp_path / "kept.tar.gz", tmp_path / "again")
    assert (tmp_path / "again/prompts/own.chat.txt").read_text() == "$about $seeds $instruction"


def test_the_archive_is_private_and_without_secrets(ws: Workspace, archive: Path, tmp_path: Path) -> None:
    assert archive.stat().st_mode & 0o777 == 0o600
    assert ".seedgate/secrets.json" not in names_in(archive)
    backup(ws, tmp_path / "all.tar.gz", secrets=True)
    assert ".seedgate/secrets.json" in names_in(tmp_path / "all.tar.gz")
    restore(tmp_path / "all.tar.gz", tmp_path / "again")
    assert (tmp_path / "again/.seedgate/secrets.json").stat().st_mode & 0o777 == 0o600


def test_models_are_in_it_when_asked(ws: Workspace, archive: Path, tmp_path: Path) -> None:
    (ws.models_dir / "m1").mkdir(parents=True)
    (ws.models_dir / "m1" / "model.json").write_text("{}")
    ws.ledger.append([NewEvent("model.trained", "m1", {"release": "r000"})])
    backup(ws, tmp_path / "without.tar.gz")
    backup(ws, tmp_path / "with.tar.gz", models=True)
    assert "models/m1/model.json" in names_in(tmp_path / "with.tar.gz") - names_in(
        tmp_path / "without.tar.gz"
    )


def test_it_is_one_state_while_others_write(ws: Workspace, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        with Ledger.open(ws.ledger.url) as ledger:
            number = 0
            while not stop.is_set():
                number += 1
                payload = {"target": 1, "simulated": False}
                ledger.append([NewEvent("cycle.started", str(number), payload, None, (f"body {number}",))])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            backup(ws, tmp_path / f"{number}.tar.gz")
    finally:
        stop.set()
        writer.join()
    heads = []
    for number in range(3):
        heads.append(restore(tmp_path / f"{number}.tar.gz", tmp_path / f"again-{number}").head)
        with Workspace(tmp_path / f"again-{number}") as again:
            assert audit(again) == []
    assert len({*heads}) == 3


def test_another_database_is_dumped_table_by_table(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_snapshot", lambda ws, target: module._dump(ws.ledger.url, target))
    backup(ws, tmp_path / "dumped.tar.gz")
    restore(tmp_path / "dumped.tar.gz", tmp_path / "again")
    with Workspace(tmp_path / "again") as again:
        assert again.ledger.head() == ws.ledger.head()
        assert audit(again) == []


def test_a_folder_that_holds_something_is_refused(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(RefusedError, match="is not empty"):
        restore(archive, tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("name", ["kept.zip", "kept.tar.gz"])
def test_a_name_that_does_not_fit_or_is_taken_is_refused(ws: Workspace, archive: Path, name: str) -> None:
    with pytest.raises(InputError):
        backup(ws, archive.parent / name)


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


HOSTILE = {
    "parent": _member("../evil.txt"),
    "hidden parent": _member("releases/../../evil.txt"),
    "absolute": _member("/tmp/seedgate-evil.txt"),
    "symbolic link": _member("releases/r009", tarfile.SYMTYPE, "/etc"),
    "hard link": _member("seeds2.jsonl", tarfile.LNKTYPE, "/etc/passwd"),
    "device": _member("null", tarfile.CHRTYPE),
    "pipe": _member("pipe", tarfile.FIFOTYPE),
    "folder": _member("folder", tarfile.DIRTYPE),
    "not the plain name": _member("./releases//x"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_no_backup_holds_is_refused(archive: Path, tmp_path: Path, what: str) -> None:
    evil = forged(tmp_path / "evil.tar.gz", lambda tar: tar.addfile(HOSTILE[what]), archive)
    before = {*tmp_path.iterdir()}
    with pytest.raises(RefusedError, match="which no backup does"):
        restore(evil, tmp_path / "again")
    assert {*tmp_path.iterdir()} == before


def test_a_size_beyond_what_gzip_can_pack_is_refused(archive: Path, tmp_path: Path) -> None:
    def bomb(tar: tarfile.TarFile) -> None:
        tar.addfile(_member("big", size=1 << 20), io.BytesIO(bytes(1 << 20)))

    evil = forged(tmp_path / "evil.tar.gz", bomb, archive)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_GROWTH", 10)
        with pytest.raises(RefusedError, match="unpacks to more"):
            restore(evil, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_file_too_many_is_refused(archive: Path, tmp_path: Path) -> None:
    evil = forged(tmp_path / "evil.tar.gz", lambda tar: tar.addfile(_member("task.py")), archive)
    with pytest.raises(InputError, match="not those its index names"):
        restore(evil, tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("damage", ["cut", "changed", "no archive", "empty"])
def test_a_damaged_archive_leaves_nothing(archive: Path, tmp_path: Path, damage: str) -> None:
    data = bytearray(archive.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "changed":
        data[len(data) // 2] ^= 0xFF
    else:
        data = bytearray(b"nothing" if damage == "no archive" else b"")
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(data)
    before = {*tmp_path.iterdir()}
    with pytest.raises(SeedgateError):
        restore(broken, tmp_path / "again")
    assert {*tmp_path.iterdir()} == before


KILLED = """
import itertools, os, signal, sys
from pathlib import Path
from seedgate.backup import backup, restore
from seedgate.workspace import Workspace

root, work = map(Path, sys.argv[1:])


def forked(action, kill_at):
    child = os.fork()
    if child == 0:
        seen = itertools.count(1)
        def hook(event, arguments):
            if event in ("open", "os.rename", "os.mkdir", "os.chmod") and str(work) in str(arguments[0]):
                if next(seen) == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(hook)
        action()
        os._exit(0)
    return os.waitpid(child, 0)[1]


def write():
    with Workspace(root) as ws:
        backup(ws, work / "b.tar.gz")


kills = 0
for action, made in ((write, work / "b.tar.gz"), (lambda: restore(work / "b.tar.gz", work / "w"), work / "w")):
    for kill_at in itertools.count(1, 2):
        if forked(action, kill_at) == 0:
            break
        kills += 1
        if made.exists():  # killed after it was in its place: whole
            break
        assert kill_at < 200
    assert made.exists()
with Workspace(work / "w") as ws:
    assert not list(ws.ledger.verify())
print(kills)
"""


def test_killed_anywhere_nothing_half_made_has_the_name(ws: Workspace, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    command = [sys.executable, "-W", "ignore", "-c", KILLED, str(ws.root), str(work)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) >= 10
    assert sorted(path.name for path in work.iterdir()) == ["b.tar.gz", "w"]


def test_a_report_reads_as_a_line_with_the_head(archive: Path) -> None:
    text = str(Archive(archive, 3, "ab" * 32, 2))
    assert text == f"{archive} written: 2 files, 3 events\nhead {'ab' * 32}"


class TestOnPostgreSQL:
    @pytest.fixture
    def ws(
        self,
        postgres: PostgresServer,
        make_workspace: Callable[..., Workspace],
        monkeypatch: pytest.MonkeyPatch,
    ) -> Workspace:
        """A released workspace whose ledger is on a real server."""
        monkeypatch.setenv("SEEDGATE_LEDGER_URL", postgres.url(postgres.new_database()))
        ws = make_workspace(settings={"policy": {"verified_seeds": 11, "min_eval": 6}})
        release(ws)
        return ws

    def test_its_ledger_is_restored_as_a_file(
        self, ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        head = ws.ledger.head()
        assert ws.ledger.url.startswith("postgresql")
        backup(ws, tmp_path / "kept.tar.gz")
        done = restore(tmp_path / "kept.tar.gz", tmp_path / "again")
        assert (done.events, done.head) == head
        monkeypatch.delenv("SEEDGATE_LEDGER_URL")
        with Workspace(tmp_path / "again") as again:
            assert again.ledger.url.startswith("sqlite")
            assert audit(again, expect_head=head[1]) == []

    def test_a_redacted_seed_is_gone_from_it(self, ws: Workspace) -> None:
        seed = next(event.subject for event in ws.ledger.events("seed.added"))
        done = redact(ws, seed, by="ana", reason="asked")
        assert (done.complete, ws.ledger.bodies([seed])) == (True, {})
        assert audit(ws) == []
