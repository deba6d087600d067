"""`init`, `seeds verify` and `seeds lock`: the workspace and its baseline."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from seedgate.cli.options import DryRun, Json, WorkspaceDir
from seedgate.cli.output import emit, progress, table
from seedgate.errors import InputError

__all__ = ["init", "lock", "verify"]

GUIDELINES = """# Guidelines for reviewers

{instructions}

- **approve**: you would have written or accepted this row yourself, text and answer both.
- **edit**: nearly right; correct the fields, then submit.
- **reject**: wrong, unnatural, unsafe, off-topic or a repetition; say why.
"""


# Limits made for labels and sentences would cut JSON and conversations off.
_LONG_ANSWERS = {"generation": {"max_tokens": 512}, "evaluation": {"max_tokens": 256}}


def init(
    folder: Annotated[Path, typer.Argument(help="The new workspace's folder.")],
    seeds: Annotated[
        str | None,
        typer.Option(help="Verified examples: JSON, JSONL, CSV, Parquet, or a datasets folder or name."),
    ] = None,
    evaluation: Annotated[
        str | None, typer.Option("--eval", help="Evaluation examples, disjoint from the seeds.")
    ] = None,
    task: Annotated[
        str, typer.Option(help="Preset: classification, instruction, chat or extraction.")
    ] = "classification",
    task_file: Annotated[
        Path | None, typer.Option(help="A TOML file with the whole [task] table, instead of --task.")
    ] = None,
    schema: Annotated[
        Path | None, typer.Option(help="For extraction: a JSON Schema of what is extracted; it is copied.")
    ] = None,
    example: Annotated[str | None, typer.Option(help="A shipped example instead: support-desk.")] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="COLUMN=FIELD, or COLUMN= to leave it out (repeatable).")
    ] = None,
    guidelines: Annotated[Path | None, typer.Option(help="What reviewers are told (Markdown).")] = None,
    reviewer: Annotated[list[str] | None, typer.Option(help="A reviewer's name (repeatable).")] = None,
    simulated_reviewer: Annotated[
        str | None,
        typer.Option(
            help="Allow a program to review under this name (simulated...), for demos and tests; fixed for good."
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Which split of the seeds, if they are a dataset.")] = "train",
    eval_split: Annotated[
        str, typer.Option(help="Which split of --eval, if that is a dataset: often test.")
    ] = "train",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Make a workspace from a verified baseline.

    Rows may be Alpaca's (instruction, input, output), or OpenAI's `messages` or ShareGPT's `conversations`: whole
    chats with --task chat, else one exchange, which becomes the columns system, user and assistant. For extraction
    the fields of the JSON are learnt from the seeds, unless --schema names them. --dry-run shows what becomes of each
    column and refuses what would be refused; --map names columns of either source. Several turns become one text
    with --map messages=FIELD.

    Examples:

    seedgate init support --example support-desk

    seedgate init bank --seeds seeds.csv --eval test.csv --map category=label

    seedgate init bank --seeds me/banking --eval me/banking --eval-split test

    seedgate init helper --task instruction --seeds chats.jsonl --map system= --dry-run

    seedgate init talk --task chat --seeds sharegpt.json

    seedgate init invoices --task extraction --seeds rows.jsonl --schema invoice.json
    """
    from seedgate.seeds import create_workspace, example_workspace, read_baseline, rehearse_workspace

    reviewers = tuple(reviewer or ("reviewer",))
    if example is not None:
        if example != "support-desk":
            raise InputError(f"no shipped example {example!r}", hint="use --example support-desk")
        if dry_run:
            raise InputError(
                "--dry-run shows what becomes of --seeds", hint="the example is read as it stands"
            )
        ws = example_workspace(folder, reviewers=reviewers, simulated_reviewer=simulated_reviewer)
    else:
        if seeds is None:
            raise InputError("no seeds given", hint="pass --seeds FILE, or --example support-desk")
        if (seeds, split) == (evaluation, eval_split):
            raise InputError(
                f"{seeds}: given as the seeds and as --eval",
                hint="name another, or another split with --eval-split",
            )
        columns = _mapping(mapping or [])
        source = _Source(seeds, split, columns)
        table = _task_table(folder, task, task_file, source)
        if schema is not None:
            table["schema"] = _schema(table, schema)
        elif table.get("preset") == "extraction" and "schema" not in table:
            table["schema"] = _inferred(source)
        rows, measured = read_baseline(
            seeds, evaluation, _task(folder, table), mapping=columns, splits=(split, eval_split)
        )
        text = _text(guidelines) if guidelines else GUIDELINES
        given: dict[str, Any] = {
            "name": table["name"],
            "task": table,
            "seeds": rows,
            "evaluation": measured,
            "guidelines": text.replace("{instructions}", table.get("instructions", "")),
            "reviewers": reviewers,
            "simulated_reviewer": simulated_reviewer,
            "settings": _LONG_ANSWERS if table.get("preset") in ("chat", "extraction") else None,
        }
        if dry_run:
            rehearse_workspace(folder, **given)
            _show_plan(folder, table, source, (rows, measured), json=json)
            return
        ws = create_workspace(folder, **given)
    with ws:
        count, measured_count = ws.ledger.count("seed.added"), _lines(ws.eval_path)
        text = (
            f"{ws.root}: {count} seeds, {measured_count} evaluation examples\n"
            "next: seedgate seeds check; seedgate seeds verify --by YOU; seedgate seeds lock; seedgate up"
        )
        emit({"root": str(ws.root), "seeds": count, "evaluation": measured_count}, text, json_output=json)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the seeds are, and what becomes of their columns."""

    name: str
    split: str
    columns: dict[str, str]

    def column(self, field: str) -> str:
        """The column of a field."""
        return next((column for column, target in self.columns.items() if target == field), field)


def _show_plan(
    folder: Path, task: dict[str, Any], source: _Source, read: tuple[Any, Any], *, json: bool
) -> None:
    from seedgate.seeds import column_uses

    uses = column_uses(source.name, _task(folder, task), mapping=source.columns, split=source.split)
    rows, measured = read
    shown = table(
        ["column", "becomes", "first value"], [[u.column, u.field or "(left out)", u.first] for u in uses]
    )
    labels = f"labels: {', '.join(task['labels'])}\n" if "labels" in task else ""
    text = f"{shown}\n{labels}{len(rows)} seeds, {len(measured)} evaluation examples; nothing was written"
    plan = {"columns": uses, "task": task, "seeds": len(rows), "evaluation": len(measured), "dry_run": True}
    emit(plan, text, json_output=json)


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # editors of Windows put a mark in front
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}", hint="check the path") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 at byte {error.start + 1}", hint="save the file as UTF-8"
        ) from None


def _mapping(pairs: list[str]) -> dict[str, str]:
    columns = {}
    for pair in pairs:
        column, equals, field = pair.partition("=")
        if not equals or not column:
            raise InputError(f"--map {pair!r}: write COLUMN=FIELD, or COLUMN= to leave the column out")
        columns[column] = field
    return columns


def _task_table(folder: Path, preset: str, task_file: Path | None, source: _Source) -> dict[str, Any]:
    letters = (c if c.isascii() and c.isalnum() else "-" for c in folder.resolve().name.lower())
    name = "".join(letters).strip("-")[:40] or "task"
    if task_file is not None:
        try:
            data = tomllib.loads(_text(task_file))
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{task_file}: not valid TOML: {error}") from None
        table = data.get("task", data)
        if not isinstance(table, dict):
            raise InputError(f"{task_file}: 'task' is no table", hint="write [task] and its keys below it")
        return {"name": name} | table
    if preset != "classification":  # a preset, or FILE.py:CLASS
        return {"preset": preset, "name": name}
    from seedgate.seeds import column_values

    labels = column_values(source.name, source.column("label"), split=source.split, mapped=source.columns)
    return {"preset": preset, "name": name, "labels": labels}


def _schema(table: dict[str, Any], path: Path) -> Any:
    if table.get("preset") != "extraction":
        raise InputError("--schema goes with --task extraction")
    from seedgate.canonical import strict_loads
    from seedgate.json_schema import closed_schema

    try:
        found = strict_loads(_text(path))
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: holds no JSON Schema")
    try:
        return closed_schema(found)  # without defaults, whose null has no form in TOML
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def _inferred(source: _Source) -> dict[str, Any]:
    """The table of names and types that the seeds' JSON fits."""
    from seedgate.seeds import json_values
    from seedgate.seeds.schema_learning import inferred

    column = source.column("data")
    try:
        return inferred(json_values(source.name, column, split=source.split, mapped=source.columns))
    except InputError as error:
        raise InputError(
            f"{source.name}: column {column!r}: {error.message}",
            hint=error.hint or "name a JSON Schema with --schema",
        ) from None


def _task(folder: Path, table: dict[str, Any]) -> Any:
    from seedgate.workspace import load_task, task_files

    beside = all((folder / name).is_file() for name in task_files(table))
    return load_task(folder.resolve() if beside else Path.cwd(), table)


def verify(
    by: Annotated[str, typer.Option(help="Who vouches for these examples.")] = "",
    statement: Annotated[
        str, typer.Option(help="What is vouched for.")
    ] = "I have read every row and vouch that it is right.",
    in_argilla: Annotated[
        bool,
        typer.Option(
            "--in-argilla", help="Put the next wave of unverified seeds before the reviewers instead."
        ),
    ] = False,
    limit: Annotated[
        int | None, typer.Option(help="With --in-argilla: seeds at most [default: wave_size].")
    ] = None,
    workspace: WorkspaceDir = Path(),
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Sign the baseline off: records who vouches for the seeds, and when. Only before the first generation.

    With --in-argilla the reviewers approve seed by seed, at any time; `seedgate pull` fetches their answers.
    An edit adds the corrected example as a seed and leaves seeds.jsonl alone.

    Example: seedgate seeds verify --by ana
    """
    from seedgate.seeds import verify as run
    from seedgate.workspace import Workspace

    if in_argilla:
        _verify_in_argilla(workspace, by=by, limit=limit, dry_run=dry_run, json=json)
        return
    if not by.strip() or limit is not None:
        raise InputError(
            "--limit goes with --in-argilla" if by.strip() else "a sign-off needs a name",
            hint="say who vouches with --by, or let the reviewers decide with --in-argilla",
        )
    with Workspace(workspace) as ws:
        count = run(ws, by=by, statement=statement, dry_run=dry_run)
    done = "would be verified" if dry_run else "verified"
    emit({"verified": count, "by": by}, f"{count} seeds {done}, vouched for by {by}", json_output=json)


def _verify_in_argilla(folder: Path, *, by: str, limit: int | None, dry_run: bool, json: bool) -> None:
    from seedgate.review import push_seeds
    from seedgate.workspace import Workspace

    if by:
        raise InputError("--by goes with a sign-off", hint="in Argilla the reviewers' own answers count")
    with Workspace(folder) as ws, progress("pushing", quiet=json) as on_progress:
        report = push_seeds(ws, limit=limit, dry_run=dry_run, on_progress=on_progress)
    emit(report, str(report), json_output=json)


def lock(workspace: WorkspaceDir = Path(), dry_run: DryRun = False, json: Json = False) -> None:
    """Lock the evaluation set by its hash, before anything is generated.

    Measures how alike in meaning its rows are, and fixes from where a generated text counts as a leak.

    Example: seedgate seeds lock
    """
    from seedgate.seeds import lock as run
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws, progress("locking", quiet=json) as on_progress:
        report = run(ws, dry_run=dry_run, on_progress=on_progress)
    emit(report, str(report), json_output=json)
