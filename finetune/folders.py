"""Folders that appear whole or not at all, and the check that one still holds what it held.

A release and a trained model are folders that nobody changes after they were made. They are built beside
their place, flushed to the disk and renamed; only then does an event make them count. A folder without an
event is what a killed process left behind.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from seedgate.canonical import sha256
from seedgate.files import fsync_dir, os_errors
from seedgate.finetune.records import FileEntry
from seedgate.ledger import Fault

__all__ = ["build_beside", "file_entries", "folder_faults", "place", "remove_leftovers", "write_file"]


_BUILDING, _OLD = ".building.", ".old."


def write_file(path: Path, data: bytes) -> FileEntry:
    """Writes a read-only file that survives a power cut, once its folder is placed."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), 0o444)
        os.fsync(file.fileno())
    return FileEntry(sha256=sha256(data), size=len(data))


def file_entries(folder: Path) -> dict[str, FileEntry]:
    """Path below the folder to hash and size, of every regular file in it."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): FileEntry(sha256=_file_hash(path), size=path.stat().st_size)
        for path in found
    }


def _file_hash(path: Path) -> str:
    return sha256(path.read_bytes())


@contextmanager
def build_beside(target: Path) -> Iterator[Path]:
    """Yields a new hidden folder next to `target`; removes it if it is still there in the end.

    Raises:
        SeedgateError: The disk is full, or the folder cannot be written.
    """
    with os_errors(target.parent, "making a folder"):
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f"{_BUILDING}{target.name}.", dir=target.parent))
    try:
        with os_errors(target, "writing"):
            yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def place(aside: Path, target: Path) -> None:
    """Makes the finished folder `aside` appear as `target`, in place of a leftover if there is one."""
    for path in aside.rglob("*"):
        if path.is_file():
            path.chmod(0o444)
            _sync(path)
    for path in (aside, *(path for path in aside.rglob("*") if path.is_dir())):
        path.chmod(0o755)
        fsync_dir(path)
    _remove(target)
    aside.rename(target)
    fsync_dir(target.parent)


def remove_leftovers(parent: Path) -> None:
    """Removes what killed processes left of `build_beside` and `place`; call it under the stage's lease."""
    if parent.is_dir():
        with os_errors(parent, "cleaning up"):
            for path in [*parent.glob(f"{_BUILDING}*"), *parent.glob(f"{_OLD}*")]:
                shutil.rmtree(path)


def folder_faults(folder: Path, expected: Mapping[str, FileEntry], *, where: str) -> Iterator[Fault]:
    """What differs between a folder and the files it should hold; follows no symbolic link.

    Args:
        expected: Path below the folder to its entry.
        where: What to call the folder in the faults.
    """
    if folder.is_symlink() or not folder.is_dir():
        yield Fault(where, f"{folder} is missing, or no plain folder")
        return
    seen: dict[str, Path] = {}
    wanted_folders = {parent.as_posix() for name in expected for parent in Path(name).parents}
    for path in _walk(folder):
        name = path.relative_to(folder).as_posix()
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode) and name in expected:
            seen[name] = path
        elif not (stat.S_ISDIR(mode) and name in wanted_folders):
            kind = "symbolic link" if stat.S_ISLNK(mode) else "file or folder"
            yield Fault(where, f"{name}: a {kind} that does not belong there")
    for name, entry in expected.items():
        if name not in seen:
            yield Fault(where, f"{name}: missing, or no plain file")
            continue
        size = seen[name].stat().st_size
        if size != entry.size:
            yield Fault(where, f"{name}: has {size} bytes, not {entry.size}; it was changed")
        elif _file_hash(seen[name]) != entry.sha256:
            yield Fault(where, f"{name}: was changed, its hash is not the manifest's")


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)


def _remove(path: Path) -> None:
    """Removes whatever is at `path`; a folder leaves its name first, so no half of it is ever seen there."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        aside = Path(tempfile.mkdtemp(prefix=_OLD, dir=path.parent))
        path.rename(aside / "old")
        shutil.rmtree(aside)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
