"""Passwords and keys of a workspace: from the environment, else from one file that only its owner can read.

The environment wins so that a deployment can hand secrets in (`SEEDGATE_ARGILLA_API_KEY`) without a file;
the embedded stack generates its own and keeps them in `.seedgate/secrets.json`, mode 600. A file that
others can read is refused rather than repaired: by then the secrets may be known, and only a person can
decide to replace them.
"""

from __future__ import annotations

import json
import os
import re
import secrets as generator
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seedgate.errors import InputError, SeedgateError
from seedgate.files import atomic_write, os_errors
from seedgate.locks import exclusive

__all__ = ["Secrets"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
GENERATED_BYTES = 24  # 32 URL-safe characters


class Secrets:
    """The secrets of the workspace in `root`.

    >>> import tempfile
    >>> secrets = Secrets(Path(tempfile.mkdtemp()))
    >>> secrets.ensure("vllm_api_key") == secrets.get("vllm_api_key")
    True
    """

    def __init__(self, root: Path) -> None:
        self.path = root / ".seedgate" / "secrets.json"

    def __repr__(self) -> str:
        return f"Secrets({str(self.path)!r}, values hidden)"

    def get(self, name: str) -> str | None:
        """The secret `name`: SEEDGATE_<NAME> if that is set, else the file's, else None.

        Raises:
            SeedgateError: The file can be read by others, or cannot be read or understood.
        """
        return os.environ.get(variable(name)) or self._read().get(name)

    def set(self, name: str, value: str) -> None:
        """Writes `value` to the file (the environment still wins)."""
        variable(name)
        with self._locked():
            self._write({**self._read(), name: value})

    def ensure(self, name: str) -> str:
        """The secret `name`, generated and written first if there is none."""
        known = self.get(name)
        if known:
            return known
        with self._locked():
            stored = self._read()
            if not stored.get(name):
                stored[name] = generator.token_urlsafe(GENERATED_BYTES)
                self._write(stored)
            return stored[name]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with os_errors(self.path.parent, "making the folder"):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with exclusive(self.path.with_name(".secrets.lock")):
            yield

    def _read(self) -> dict[str, str]:
        try:
            with self.path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                content = file.read()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise SeedgateError(f"{self.path}: cannot be read: {error.strerror}") from error
        if mode & 0o077:
            raise SeedgateError(
                f"{self.path}: others can read these secrets (mode {mode:03o})",
                hint=f"run `chmod 600 {self.path}`, and delete the file first if somebody may have read it",
            )
        try:
            stored = json.loads(content)
        except ValueError:
            stored = None
        if not isinstance(stored, dict) or not all(isinstance(value, str) for value in stored.values()):
            raise SeedgateError(
                f"{self.path}: is not a JSON object of strings", hint="restore it from a backup, or delete it"
            )
        return stored

    def _write(self, stored: dict[str, str]) -> None:
        with atomic_write(self.path, mode=0o600) as file:
            file.write(json.dumps(stored, indent=2, sort_keys=True).encode() + b"\n")


def variable(name: str) -> str:
    """The environment variable of a secret.

    >>> variable("vllm_api_key")
    'SEEDGATE_VLLM_API_KEY'

    Raises:
        InputError: The name has other characters than letters, digits, `.`, `_` and `-`.
    """
    if not NAME.fullmatch(name):
        raise InputError(f"secret name {name!r}: use letters, digits, '.', '_' and '-'")
    return "SEEDGATE_" + re.sub(r"[^A-Z0-9]", "_", name.upper())
