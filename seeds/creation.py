"""`seedgate init`: a new workspace, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from seedgate.canonical import canonical_json
from seedgate.errors import InputError, RefusedError, SeedgateError
from seedgate.files import atomic_write, fsync_dir, os_errors
from seedgate.ledger import Ledger, NewEvent
from seedgate.records import Example
from seedgate.seeds.configfile import config_text
from seedgate.seeds.reading import read_examples
from seedgate.seeds.signoff import added
from seedgate.task import Task
from seedgate.workspace import CONFIG_NAME, Workspace, task_files

__all__ = ["create_workspace", "example_workspace", "rehearse_workspace"]

_OWN = (CONFIG_NAME, "seeds.jsonl", "eval.jsonl", "guidelines.md", ".seedgate", "releases", "models")
_BEGINNING = ("workspace.created", "seed.added")


def create_workspace(
    root: Path,
    *,
    name: str,
    task: Mapping[str, Any],
    seeds: Sequence[Example],
    evaluation: Sequence[Example],
    guidelines: str,
    reviewers: tuple[str, ...] = ("reviewer",),
    simulated_reviewer: str | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> Workspace:
    """Makes a workspace in `root` and opens it.

    Args:
        root: A folder that does not exist, or has no workspace in it yet.
        name: Short name: lower-case letters, digits, hyphens.
        task: The `[task]` table. Where it names a class, `task.py:Ticket`, the file is taken along.
        seeds: The examples to be verified.
        evaluation: The examples to be locked; may be empty.
        guidelines: What reviewers are told, in markdown.
        reviewers: Argilla user names.
        simulated_reviewer: The account that a program may answer with, for demonstrations; its name
            starts with `simulated`. Fixed from here on.
        settings: Other tables of `seedgate.toml`, as `{"policy": {"verified_seeds": 50}}`.

    Raises:
        InputError: Something given does not fit; `root` is unchanged.
        RefusedError: `root`, or the ledger that is configured, holds a workspace already.
    """
    root = root.resolve()
    with _built_beside(root) as folder:
        _fill(
            folder,
            root,
            name=name,
            task=task,
            seeds=seeds,
            evaluation=evaluation,
            guidelines=guidelines,
            reviewers=reviewers,
            simulated_reviewer=simulated_reviewer,
            settings=settings,
        )
    return Workspace(root)


def rehearse_workspace(root: Path, **given: Any) -> None:
    """What `create_workspace` refuses, this refuses; it leaves nothing behind, and no ledger is written.

    Args and errors are those of `create_workspace`.
    """
    root = root.resolve()
    _refuse_workspace(root)
    with TemporaryDirectory(prefix="seedgate-init-") as folder, _named(Path(folder), root):
        _fill(Path(folder), root, **given, dry_run=True)


def _fill(
    folder: Path,
    root: Path,
    *,
    name: str,
    task: Mapping[str, Any],
    seeds: Sequence[Example],
    evaluation: Sequence[Example],
    guidelines: str,
    reviewers: tuple[str, ...],
    simulated_reviewer: str | None,
    settings: Mapping[str, Mapping[str, Any]] | None,
    dry_run: bool = False,
) -> None:
    """Makes the workspace that will be `root` in an empty folder."""
    if simulated_reviewer is not None and not simulated_reviewer.startswith("simulated"):
        raise InputError(
            f"simulated reviewer {simulated_reviewer!r}: the name must start with 'simulated'",
            hint="choose a name that nobody can take for a person's",
        )
    tables = {key: dict(table) for key, table in (settings or {}).items()}
    tables["review"] = {"reviewers": list(reviewers)} | tables.get("review", {})
    _write(folder / CONFIG_NAME, config_text(name, task, tables))
    _bring_files(root, folder, task)
    _write(folder / "guidelines.md", guidelines)
    (folder / ".seedgate").mkdir(mode=0o700)
    # Ignores itself, too: what a person keeps in `.gitignore` stays theirs.
    _write(folder / ".seedgate" / ".gitignore", "*\n")
    with Workspace(folder) as staged:
        staged.guidelines()
        checked = _checked(staged.task, seeds)
        _write(staged.seeds_path, _lines(staged.task, checked))
        _write(staged.eval_path, _lines(staged.task, _checked(staged.task, evaluation)))
        if not dry_run:
            _first_events(staged, name, checked, simulated_reviewer)


def example_workspace(root: Path, *, simulated: bool = False, **overrides: Any) -> Workspace:
    """A workspace from the shipped example, a support desk with ten labels and 200 seeds.

    Args:
        root: As for `create_workspace`.
        simulated: Whether a program may answer as the reviewer `simulated-reviewer`.
        overrides: Other arguments of `create_workspace`.
    """
    with as_file(files("seedgate.seeds.examples").joinpath("support_desk")) as example:
        table = tomllib.loads((example / "task.toml").read_text(encoding="utf-8"))
        guidelines = (example / "guidelines.md").read_text(encoding="utf-8")
        given: dict[str, Any] = {
            "name": "support-desk",
            "task": table,
            "guidelines": guidelines,
            "simulated_reviewer": "simulated-reviewer" if simulated else None,
        } | overrides
        task = Task.from_config(given["task"])
        for part, file in (("seeds", "seeds.jsonl"), ("evaluation", "eval.jsonl")):
            if part not in given:
                given[part] = read_examples(str(example / file), task)
    return create_workspace(root, **given)


@contextmanager
def _built_beside(root: Path) -> Iterator[Path]:
    """A new folder that becomes `root` (or, where that exists, moves into it) when the block ends well."""
    _refuse_workspace(root)
    exists = root.is_dir()
    with os_errors(root, "making the workspace"):
        root.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".seedgate-init-", dir=root if exists else root.parent))
    try:
        with _named(folder, root):
            yield folder
        with os_errors(root, "making the workspace"):
            folder.chmod(0o755)
            if exists:
                _move_in(folder, root)
            else:
                folder.rename(root)
            fsync_dir(root.parent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _named(folder: Path, root: Path) -> Iterator[None]:
    """Lets errors speak of the folder that was asked for, not of where it is being built."""
    try:
        yield
    except SeedgateError as error:
        raise type(error)(error.message.replace(str(folder), str(root)), hint=error.hint) from error


def _bring_files(root: Path, folder: Path, task: Mapping[str, Any]) -> None:
    """What a task names, a class's file or a schema, lies in the workspace; from `root`, else the current folder."""
    for name in task_files(task):
        found = (place / name for place in (root, Path.cwd()) if Path(name).name == name)
        path = next((path for path in found if path.is_file()), None)
        if path is not None:
            with os_errors(path, "copying"):
                shutil.copyfile(path, folder / name)


def _refuse_workspace(root: Path) -> None:
    if root.exists() and not root.is_dir():
        raise InputError(f"{root}: is a file", hint="name a folder")
    for name in _OWN:
        if (root / name).exists():
            what = "is a workspace already" if name == CONFIG_NAME else f"has a {name} already"
            raise RefusedError(f"{root}: {what}", hint="choose another folder")


def _move_in(folder: Path, root: Path) -> None:
    """The configuration last: it is what makes a folder a workspace."""
    moved: list[Path] = []
    try:
        for name in sorted((item.name for item in folder.iterdir()), key=lambda name: name == CONFIG_NAME):
            if (root / name).exists():
                continue
            (folder / name).rename(root / name)
            moved.append(root / name)
    except OSError:
        for path in moved:
            path.rename(folder / path.name)
        raise


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode("utf-8"))


def _lines(task: Task, examples: Sequence[Example]) -> str:
    """As people write rows: JSON and chats as the values that they are."""
    rows = (
        {field.name: field.value(example.fields[field.name]) for field in task.fields}
        | ({"tags": list(example.tags)} if example.tags else {})
        for example in examples
    )
    return "".join(canonical_json(row) + "\n" for row in rows)


def _checked(task: Task, examples: Sequence[Example]) -> list[Example]:
    """The examples as reading their file will give them again: checked, defaults filled in, no two the same."""
    out: dict[str, Example] = {}
    for example in examples:
        where = example.source or f"example {example.id[:12]}"
        try:
            fields = task.validate_fields(example.fields)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        whole = Example(fields=fields, tags=example.tags, source=example.source)
        if whole.id in out:
            raise InputError(f"{where}: the same content as {out[whole.id].source or 'another example'}")
        out[whole.id] = whole
    return list(out.values())


def _first_events(ws: Workspace, name: str, seeds: Sequence[Example], simulated: str | None) -> None:
    first = NewEvent(
        "workspace.created",
        name,
        {
            "task_hash": ws.task.hash,
            "name": name,
            "simulated_reviewer": simulated,
            "policy": ws.config.policy.model_dump(mode="json"),
        },
        key="workspace",
    )
    with Ledger.create(ws.ledger_url) as ledger:
        # Only a ledger elsewhere (PostgreSQL) has events here: those of an `init` that was killed, or
        # another workspace's.
        begun, newest = next(ledger.events(), None), ledger.last()
        if begun and newest and (begun.payload != first.payload or newest.kind not in _BEGINNING):
            raise RefusedError(
                f"the ledger {ledger!r} holds the workspace {begun.subject!r} already",
                hint="give this workspace a ledger of its own",
            )
        ledger.append([first, *(added(seed) for seed in seeds)])
