"""Files are the old one or the new one, never half of it."""

import errno
import stat
from pathlib import Path

import pytest

from seedgate.errors import InputError, SeedgateError
from seedgate.files import atomic_write, os_errors


def test_a_file_appears_whole_with_its_mode(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.txt", mode=0o600) as file:
        file.write(b"one")
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_bytes() == b"one"
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(RuntimeError, match="stop"):
        write_half(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def write_half(path: Path) -> None:
    with atomic_write(path) as file:
        file.write(b"half")
        raise RuntimeError("stop")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SeedgateError, match="No space left on device: free space") as failed:
        write_to_full_disk(tmp_path / "a.txt")
    assert str(failed.value).startswith(f"{tmp_path}/a.txt: writing failed: ")


def write_to_full_disk(named: Path) -> None:
    with os_errors(named, "writing"), open("/dev/full", "wb") as full:
        full.write(b"x" * 100_000)


def test_a_missing_folder_is_wrong_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="writing failed: no such file or folder"):
        atomic_write(tmp_path / "no" / "a.txt").__enter__()


def test_other_failures_keep_the_systems_word(tmp_path: Path) -> None:
    with pytest.raises(SeedgateError, match="Read-only file system"), os_errors(tmp_path, "making"):
        raise OSError(errno.EROFS, "Read-only file system")
