"""Where the embedded stack keeps its things, in the workspace and in the user's cache."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from seedgate.errors import InputError, ServiceError
from seedgate.files import os_errors

__all__ = ["Layout", "require_memory", "require_space", "seedgate_home"]


@dataclass(frozen=True)
class Layout:
    """The paths of one workspace's stack; `root` is absolute and without symbolic links."""

    root: Path

    @classmethod
    def of(cls, root: Path) -> Layout:
        """The layout of the workspace in `root`.

        Raises:
            InputError: The folder does not exist, or its name has a line break.
        """
        path = root.resolve()
        if not path.is_dir():
            raise InputError(f"{root}: no such folder", hint="make the workspace with `seedgate init`")
        if any(ord(character) < 32 for character in str(path)):
            raise InputError(
                f"{str(path)!r}: control characters in a folder's name", hint="rename the folder"
            )
        return cls(path)

    @property
    def stack(self) -> Path:
        """State, configuration and launch files of the supervised processes."""
        return self.root / ".seedgate" / "stack"

    @property
    def argilla(self) -> Path:
        """Argilla's database and Redis' dump: survives `down`."""
        return self.root / ".seedgate" / "argilla"

    @property
    def logs(self) -> Path:
        """One log per service, rotated."""
        return self.root / ".seedgate" / "logs"

    @property
    def lock(self) -> Path:
        """Held by `up` and `down` while they work."""
        return self.stack / "lock"

    def log(self, name: str) -> Path:
        """The log of a service or step."""
        return self.logs / f"{name}.log"

    def make(self) -> None:
        """Makes the folders, private to their owner."""
        for folder in (
            self.stack.parent,
            self.stack,
            self.stack / "launch",
            self.stack / "tmp",
            self.argilla,
            self.logs,
        ):
            with os_errors(folder, "making the folder"):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def seedgate_home() -> Path:
    """What workspaces share: SEEDGATE_HOME, else `seedgate` in XDG_CACHE_HOME or `~/.cache`."""
    given = os.environ.get("SEEDGATE_HOME")
    cache = os.environ.get("XDG_CACHE_HOME")
    if given:
        return Path(given).expanduser().resolve()
    return (Path(cache) if cache else Path.home() / ".cache").resolve() / "seedgate"


def require_space(folder: Path, megabytes: int, what: str) -> None:
    """Refuses to begin something that the disk has no room for.

    Raises:
        ServiceError: Less than `megabytes` are free where `folder` is or will be.
    """
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free // 10**6
    if free < megabytes:
        raise ServiceError(
            f"{place}: {free} MB free, {what} needs {megabytes} MB", hint="free some space, then run again"
        )


def require_memory(gib: float, what: str) -> None:
    """Refuses at once what would fail for want of memory after a minute of loading.

    Raises:
        ServiceError: The kernel says that less than `gib` GiB can be had.
    """
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1]) / 2**20
            if available < gib:
                raise ServiceError(
                    f"{available:.1f} GiB of memory available, {what} needs {gib:.1f} GiB",
                    hint="end other programs, or set a smaller KV cache",
                )
