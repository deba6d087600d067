"""A workspace as one archive, and back.

The ledger goes in as a SQLite snapshot, whatever database it lives in, taken before the files that it speaks
of, so that every release in the snapshot is complete on disk. The last member is a manifest with the head and
a hash per file. Restoring trusts nothing in the archive: plain files with plain names, a limit on sizes,
built beside their place and renamed, so that half a workspace is never seen.
"""

from __future__ import annotations

import glob
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from sqlalchemy import insert, select

from seedgate.config import OWN_STRATEGY
from seedgate.errors import InputError, RefusedError
from seedgate.files import atomic_write, fsync_dir, os_errors
from seedgate.ledger import Ledger, schema
from seedgate.workspace import CONFIG_NAME, Workspace

__all__ = ["Archive", "backup", "restore"]

INDEX = "seedgate-backup.json"
DATABASE = ".seedgate/ledger.db"
SECRETS = ".seedgate/secrets.json"
FILES = (CONFIG_NAME, "seeds.jsonl", "eval.jsonl", "guidelines.md", "report.html")
MOST_FILES = 1_000_000
MOST_BYTES = 1 << 40
MOST_GROWTH = 1_100
"""Unpacked to packed size at most: gzip itself reaches 1,032 (https://zlib.net/zlib_tech.html)."""

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Archive:
    """A backup that was written or restored: how many events and files it has, and the ledger's head."""

    path: Path
    events: int
    head: str
    files: int
    restored: bool = False

    def __str__(self) -> str:
        done = "restored" if self.restored else "written"
        return f"{self.path} {done}: {self.files} files, {self.events} events\nhead {self.head}"


def backup(ws: Workspace, file: Path, *, models: bool = False, secrets: bool = False) -> Archive:
    """Writes the archive, readable by its owner only; whole or not at all.

    Args:
        ws: The workspace.
        file: Ends in `.tar.gz`; must not exist.
        models: With `models/`.
        secrets: With passwords and keys.

    Raises:
        InputError: The name does not fit, or the file exists.
        RefusedError: A file is a link out of the workspace.
    """
    if not file.name.endswith(".tar.gz"):
        raise InputError(f"{file}: a backup's name ends in .tar.gz")
    if file.exists():
        raise InputError(f"{file}: exists already", hint="give another name, or remove it")
    _sweep(_folder(file), f".{glob.escape(file.name)}.*")
    # In this order: the scratch copy of the ledger is gone before the archive has its name.
    with (
        atomic_write(file, mode=0o600) as out,
        tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=_folder(file)) as scratch,
    ):
        index = _write(ws, out, Path(scratch) / "ledger.db", models=models, secrets=secrets)
    return Archive(file, index["events"], index["head"], len(index["files"]))


def _write(ws: Workspace, out: IO[bytes], snapshot: Path, *, models: bool, secrets: bool) -> dict[str, Any]:
    _snapshot(ws, snapshot)
    with Ledger.open(f"sqlite:///{snapshot}") as ledger:
        seq, head = ledger.head()
        names = [event.subject for event in ledger.events("release.created")]
        trained = [event.subject for event in ledger.events("model.trained")] if models else []
    places = {DATABASE: snapshot} | _files(ws, names, trained, secrets=secrets)
    index: dict[str, Any] = {"version": 1, "events": seq, "head": head, "files": {}}
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, path in places.items():
            index["files"][name] = _add(tar, name, path)
        _add_bytes(tar, INDEX, json.dumps(index, sort_keys=True).encode())
    return index


def _sweep(folder: Path, pattern: str) -> None:
    """Removes what a killed run left of the same target: it holds text that may be redacted by now."""
    for path in folder.glob(pattern):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _folder(file: Path) -> Path:
    folder = file.resolve().parent
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    return folder


def _snapshot(ws: Workspace, target: Path) -> None:
    """One consistent state of the ledger, leases left out, as a SQLite file."""
    path = schema.sqlite_path(ws.ledger.url)
    if path is None:
        _dump(ws.ledger.url, target)
        return
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        copy.execute("DELETE FROM leases")
        copy.commit()
        copy.execute("PRAGMA journal_mode=DELETE")


def _dump(url: str, target: Path) -> None:
    """The tables of another database, read in one transaction."""
    source, copy = schema.make_engine(url), schema.make_engine(f"sqlite:///{target}")
    try:
        with schema.guard(source, "reading"), source.connect() as reading:
            if reading.dialect.name == "postgresql":
                reading = reading.execution_options(isolation_level="REPEATABLE READ")
            schema.metadata.create_all(copy)
            with copy.begin() as writing:
                for table in (schema.meta, schema.events, schema.bodies):
                    rows = reading.execution_options(yield_per=1000).execute(select(table)).mappings()
                    for part in rows.partitions(1000):
                        writing.execute(insert(table), [dict(row) for row in part])
    finally:
        source.dispose()
        copy.dispose()
    with closing(sqlite3.connect(target)) as done:
        done.execute("PRAGMA journal_mode=DELETE")


def _files(ws: Workspace, releases: list[str], models: list[str], *, secrets: bool) -> dict[str, Path]:
    """Name in the archive to file: what the ledger speaks of, and what a person wrote."""
    found = [ws.root / name for name in FILES]
    module = str(ws.config.task.get("class") or "").partition(":")[0]
    found += [ws.root / module] if module else []
    own = map(OWN_STRATEGY.fullmatch, ws.config.generation.strategies)
    found += [ws.root / name for name in dict.fromkeys(match.group(1) for match in own if match)]
    found += sorted(ws.prompts_dir.glob("*.txt"))
    for folder in [
        *(ws.releases_dir / n for n in releases),
        *(ws.models_dir / n for n in dict.fromkeys(models)),
    ]:
        found += sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    found += [ws.root / SECRETS] if secrets else []
    for path in found:
        if path.is_symlink() or (path.exists() and not path.resolve().is_relative_to(ws.root)):
            raise RefusedError(
                f"{path}: is a link, which a backup cannot hold", hint="put the file itself there"
            )
    return {path.relative_to(ws.root).as_posix(): path for path in found if path.is_file()}


def _add(tar: tarfile.TarFile, name: str, path: Path) -> str:
    # In one go, so that hash and content are of the same moment; the big ones do not change once made.
    with os_errors(path, "reading"), path.open("rb") as file:
        info = tarfile.TarInfo(name)
        info.size, info.mode = os.fstat(file.fileno()).st_size, os.fstat(file.fileno()).st_mode & 0o777
        counted = _Hashing(file)
        tar.addfile(info, counted)
    return counted.digest.hexdigest()


class _Hashing:
    """A file that hashes what is read from it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o600
    tar.addfile(info, io.BytesIO(data))


def restore(file: Path, folder: Path) -> Archive:
    """Unpacks a backup as the workspace `folder`.

    Raises:
        InputError: The archive cannot be read, or is no backup.
        RefusedError: The folder holds something, or the archive holds what no backup does.
    """
    target = folder.resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RefusedError(f"{folder}: is not empty", hint="restore into a new folder")
    with os_errors(target, "making the folder"):
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent, f".{glob.escape(target.name)}.restoring.*")
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.restoring.", dir=target.parent))
    try:
        with os_errors(target, "restoring"):
            index = _unpack(file, aside)
            _check(file, aside, index)
            _private(aside)
            if target.exists():
                target.rmdir()
            aside.rename(target)
            fsync_dir(target.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Archive(target, int(index["events"]), str(index["head"]), len(index["files"]), restored=True)


def _unpack(file: Path, aside: Path) -> dict[str, Any]:
    try:
        with tarfile.open(file, mode="r:gz") as tar:
            for member in _checked(file, tar):
                tar.extract(member, aside, filter="data")
        index = json.loads((aside / INDEX).read_text(encoding="utf-8"))
        (aside / INDEX).unlink()
        if not (index["version"] == 1 and isinstance(index["files"], dict)):
            raise ValueError("another version")
    except FileNotFoundError:
        raise InputError(f"{file}: no such file, or no backup of seedgate") from None
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(f"{file}: cannot be read as a backup: {error}") from None
    return dict(index)


def _checked(file: Path, tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members, each refused before anything of it is written."""
    limit = min(MOST_BYTES, MOST_GROWTH * file.stat().st_size)
    seen: set[str] = set()
    total = 0
    for member in tar:
        path = PurePosixPath(member.name)
        plain = member.isfile() and not path.is_absolute() and path.parts and ".." not in path.parts
        if not plain or path.as_posix() != member.name or "\\" in member.name or "\0" in member.name:
            raise RefusedError(f"{file}: holds {member.name!r}, which no backup does", hint="do not use it")
        total += member.size
        seen.add(member.name.casefold())
        if total > limit or len(seen) > MOST_FILES:
            raise RefusedError(f"{file}: unpacks to more than a backup can hold", hint="do not use it")
        yield member


def _check(file: Path, aside: Path, index: dict[str, Any]) -> None:
    """Every file is what the index says, no more and no less, and the ledger has the head it names."""
    present = {path.relative_to(aside).as_posix(): path for path in aside.rglob("*") if path.is_file()}
    if present.keys() != index["files"].keys() or not {CONFIG_NAME, DATABASE} <= present.keys():
        raise InputError(f"{file}: its files are not those its index names")
    for name, path in present.items():
        if _file_hash(path) != index["files"][name]:
            raise InputError(f"{file}: {name} is damaged", hint="use another backup")
    with Ledger.open(f"sqlite:///{aside / DATABASE}") as ledger:
        if ledger.head() != (index["events"], index["head"]):
            raise InputError(f"{file}: its ledger does not have the head its index names")


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _private(aside: Path) -> None:
    for path in (path for path in aside.rglob("*") if path.is_file()):
        if path.relative_to(aside).parts[0] in ("releases", "models"):
            path.chmod(0o444)
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
    (aside / ".seedgate").chmod(0o700)
    (aside / DATABASE).chmod(0o600)
    if (aside / SECRETS).exists():
        (aside / SECRETS).chmod(0o600)
    aside.chmod(0o755)
