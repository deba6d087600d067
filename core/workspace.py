"""A workspace: one folder with its configuration, its task, its ledger and the addresses it works with."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from seedgate.canonical import sha256, strict_loads
from seedgate.config import Config, load_config
from seedgate.errors import ConfigError, InputError, RefusedError, ServiceError
from seedgate.ledger import Ledger
from seedgate.task import Task

if TYPE_CHECKING:
    from seedgate.secrets import Secrets

__all__ = ["CONFIG_NAME", "Workspace", "find_root", "load_task", "task_files"]

CONFIG_NAME = "seedgate.toml"


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start` with a `seedgate.toml`.

    Raises:
        InputError: There is none.
    """
    folder = start.resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / CONFIG_NAME).is_file():
            return candidate
    raise InputError(
        f"{folder}: no {CONFIG_NAME} here or above",
        hint="make a workspace with `seedgate init`, or name one with --workspace",
    )


class Workspace:
    """An existing workspace.

    Attributes:
        root: Absolute path of its folder.
        config: The checked `seedgate.toml`.
        task: The Task it declares.

    Example:
        >>> with Workspace("demo") as ws:  # doctest: +SKIP
        ...     ws.ledger.head()
    """

    def __init__(self, path: str | Path = ".") -> None:
        self.root = find_root(Path(path))
        self.config: Config = load_config(self.root / CONFIG_NAME)
        self.task: Task = load_task(self.root, self.config.task)
        self._ledger: Ledger | None = None

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the ledger, if it was opened."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    # -- places --------------------------------------------------------------------------------------

    @property
    def seeds_path(self) -> Path:
        """The verified examples, one JSON object per line."""
        return self.root / "seeds.jsonl"

    @property
    def eval_path(self) -> Path:
        """The evaluation set, one JSON object per line; locked by hash."""
        return self.root / "eval.jsonl"

    @property
    def guidelines_path(self) -> Path:
        """What reviewers are told; each round is bound to its hash."""
        return self.root / "guidelines.md"

    @property
    def report_path(self) -> Path:
        """The page that `report` writes, from the ledger alone; need not exist."""
        return self.root / "report.html"

    @property
    def prompts_dir(self) -> Path:
        """Prompt templates that replace shipped ones; need not exist."""
        return self.root / "prompts"

    @property
    def releases_dir(self) -> Path:
        """One immutable folder per release."""
        return self.root / "releases"

    @property
    def models_dir(self) -> Path:
        """One folder per trained model."""
        return self.root / "models"

    @property
    def state_dir(self) -> Path:
        """`.seedgate`: ledger, secrets, logs, service state."""
        return self.root / ".seedgate"

    # -- parts ---------------------------------------------------------------------------------------

    @property
    def ledger_url(self) -> str:
        """SQLAlchemy URL: SEEDGATE_LEDGER_URL, else `[ledger] url`, else SQLite in the state folder."""
        url = os.environ.get("SEEDGATE_LEDGER_URL") or self.config.ledger.url
        if url:
            return url
        from sqlalchemy.engine import URL

        file = URL.create("sqlite", database=str(self.state_dir / "ledger.db"))  # any character but "/" in it
        return file.render_as_string(hide_password=False)

    @property
    def ledger(self) -> Ledger:
        """The open ledger."""
        if self._ledger is None:
            self._ledger = Ledger.open(self.ledger_url)
        return self._ledger

    @cached_property
    def secrets(self) -> Secrets:
        """Passwords and keys, from the environment or `.seedgate/secrets.json`."""
        from seedgate.secrets import Secrets

        return Secrets(self.root)

    def guidelines(self) -> tuple[str, str]:
        """Text and hash of the guidelines.

        Raises:
            InputError: The file is missing, empty or not UTF-8.
        """
        path = self.guidelines_path
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else f"not UTF-8 at byte {error.start + 1}"
            raise InputError(
                f"{path}: cannot be read: {why}", hint="write what reviewers should approve and reject"
            ) from None
        if not text.strip():
            raise InputError(f"{path}: is empty", hint="write what reviewers should approve and reject")
        return text, sha256(text)

    @cached_property
    def simulated_reviewer(self) -> str | None:
        """The account that a program may answer with; fixed by `init`, None in real workspaces."""
        # The first, not the newest: who can append must not be able to name a program.
        event = next(self.ledger.events("workspace.created"), None)
        if event is None:
            raise RefusedError(
                "the ledger has no first event", hint="make the workspace with `seedgate init`"
            )
        name = event.payload.get("simulated_reviewer")
        return str(name) if name else None

    @cached_property
    def near_duplicate(self) -> float:
        """The similarity from which content leaks or clashes: the policy's, or what `init` recorded if stricter.

        Loosened between push and release, the policy would let in what the evaluation set has.
        """
        event = next(self.ledger.events("workspace.created"), None)
        recorded = event.payload.get("policy", {}).get("near_duplicate", 1.0) if event else 1.0
        return min(self.config.policy.near_duplicate, float(recorded))

    # -- addresses -----------------------------------------------------------------------------------

    @property
    def vllm_offline(self) -> bool:
        """Whether commands load the model themselves; SEEDGATE_VLLM_URLS goes before."""
        return bool(self.config.vllm.offline) and not os.environ.get("SEEDGATE_VLLM_URLS", "").strip(", ")

    def vllm_urls(self) -> tuple[str, ...]:
        """Base URLs ending in `/v1`: SEEDGATE_VLLM_URLS, else `[vllm] urls`, else the embedded stack."""
        given = os.environ.get("SEEDGATE_VLLM_URLS", "")
        urls = tuple(url.strip() for url in given.split(",") if url.strip()) or self.config.vllm.urls
        return tuple(_address(url, "vLLM") for url in urls) or (self._embedded("vllm_url"),)

    def vllm_key(self) -> str | None:
        """The API key for vLLM (SEEDGATE_VLLM_API_KEY or the stack's own), if any."""
        key = self.secrets.get("vllm_api_key")
        return _header_value(key, "vLLM") if key else None

    def embeddings_url(self) -> str:
        """Base URL of the server of `/v1/embeddings`, empty if the model runs in this process."""
        url = self.config.embeddings.url
        return _address(url, "the embeddings").rstrip("/") if url else ""

    def embeddings_key(self) -> str | None:
        """The API key for that server (SEEDGATE_EMBEDDINGS_API_KEY), if any."""
        key = self.secrets.get("embeddings_api_key")
        return _header_value(key, "the embeddings") if key else None

    def argilla_url(self) -> str:
        """Base URL of Argilla: SEEDGATE_ARGILLA_URL, else `[argilla] url`, else the embedded stack."""
        url = os.environ.get("SEEDGATE_ARGILLA_URL") or self.config.argilla.url
        return _address(url, "Argilla") if url else self._embedded("argilla_url")

    def argilla_key(self) -> str:
        """The pusher's API key.

        Raises:
            ServiceError: None is known.
        """
        key = self.secrets.get("argilla_api_key")
        if not key:
            raise ServiceError(
                "no API key for Argilla", hint="run `seedgate up`, or set SEEDGATE_ARGILLA_API_KEY"
            )
        return _header_value(key, "Argilla")

    def _embedded(self, name: str) -> str:
        from seedgate.services import read_state

        state = read_state(self.root)
        url = getattr(state, name, None) if state is not None else None
        if not url:
            service = name.split("_")[0]
            raise ServiceError(
                f"no address for {service}: the embedded stack of {self.root} is not up",
                hint=f"run `seedgate up`, or set SEEDGATE_{'VLLM_URLS' if service == 'vllm' else 'ARGILLA_URL'}",
            )
        return str(url)


def _address(url: str, service: str) -> str:
    """The address if it is one."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or not url.isprintable() or " " in url:
        raise ConfigError(
            f"the address of {service} is no http(s) URL: {url!r}", hint="write it like http://host:8000"
        )
    return url


def _header_value(key: str, service: str) -> str:
    """The key if HTTP can carry it; it is not shown otherwise either."""
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigError(
            f"the API key for {service} has a character that no key has (a line end, a space, a letter with an accent)",
            hint="copy it again",
        )
    return key


def load_task(root: Path, table: Mapping[str, Any]) -> Task:
    """The Task of `[task]`; `class = "task.py:Ticket"` names a pydantic class in a file of the workspace.

    So does `preset`, and a `schema` may be a file of JSON there.

    Raises:
        ConfigError: The table or the class does not declare a task.
    """
    place = _class_of(table)
    if place is None:
        return Task.from_config(_with_schemas(root, table))
    settings = {key: value for key, value in table.items() if key not in ("class", "preset")}
    file_name, _, class_name = str(place).partition(":")
    path = (root / file_name).resolve()
    if not path.is_relative_to(root) or not path.is_file() or not class_name:
        raise ConfigError(f"[task] class {place!r}: give FILE.py:CLASS, a file inside the workspace")
    spec = importlib.util.spec_from_file_location(f"seedgate_task_{sha256(str(path))[:8]}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"[task] class {place!r}: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        model = getattr(module, class_name)
    except (Exception, SystemExit) as error:
        raise ConfigError(f"[task] class {place!r}: {type(error).__name__}: {error}") from error
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise ConfigError(f"[task] class {place!r}: is no pydantic class")
    named = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", class_name).lower().replace("_", "-")[:40]
    return Task.from_class(model, **({"name": named} | settings))


def task_files(table: Mapping[str, Any]) -> tuple[str, ...]:
    """The files of the workspace that a `[task]` table names."""
    fields = table.get("fields")
    parts = [table, *(fields if isinstance(fields, list | tuple) else ())]
    named = [part.get("schema") for part in parts if isinstance(part, Mapping)]
    named.append((_class_of(table) or "").partition(":")[0])
    return tuple(dict.fromkeys(name for name in named if isinstance(name, str) and name))


def _class_of(table: Mapping[str, Any]) -> str | None:
    """FILE.py:CLASS, from where a preset could stand, too."""
    place, preset = table.get("class"), table.get("preset")
    if place is not None:
        return str(place)
    return preset if isinstance(preset, str) and ".py:" in preset else None


def _with_schemas(root: Path, table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with each schema that is a file's name read."""
    out = dict(table)
    if isinstance(out.get("schema"), str):
        out["schema"] = _schema_file(root, str(out["schema"]))
    if isinstance(out.get("fields"), list | tuple):
        out["fields"] = [
            _with_schemas(root, each) if isinstance(each, Mapping) else each for each in out["fields"]
        ]
    return out


def _schema_file(root: Path, name: str) -> dict[str, Any]:
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()) or not path.is_file():
        raise ConfigError(f"[task] schema {name!r}: give a table, or a JSON file inside the workspace")
    try:
        schema = strict_loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"[task] schema {name!r}: {error}") from None
    if not isinstance(schema, dict):
        raise ConfigError(f"[task] schema {name!r}: holds no object")
    return schema
