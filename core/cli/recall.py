"""`redact`, `reopen`, `backup`, `restore`: what happens to rows and workspaces after the fact."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seedgate.cli.options import DryRun, Json, WorkspaceDir
from seedgate.cli.output import emit
from seedgate.errors import InputError, SeedgateError

if TYPE_CHECKING:
    from seedgate.finetune import Redaction

__all__ = ["backup", "redact", "reopen", "restore"]


def redact(
    row: Annotated[str, typer.Argument(help="Id of a row, or its first 8 or more characters.")],
    by: Annotated[str, typer.Option(help="Who decided it; kept in the ledger.")] = "",
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger, so quote nothing.")] = "",
    comments: Annotated[
        bool, typer.Option("--comments", help="Also remove what reviewers commented on it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    workspace: WorkspaceDir = Path(),
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Remove a row's text for good, wherever this workspace has it; its hash stays.

    Pull first: answers in Argilla that were not pulled go with the records. Safe to repeat.

    Examples:

    seedgate redact 3fa91c22 --dry-run

    seedgate redact 3fa91c22 --by ana --reason "asked to be forgotten"
    """
    from seedgate.finetune import redact as run
    from seedgate.workspace import Workspace

    if not dry_run and not (by.strip() and reason.strip()):
        raise InputError("a redaction needs a name and a reason", hint="give --by and --reason")
    with Workspace(workspace) as ws:
        if not dry_run and not yes:
            if json:
                raise InputError("--json cannot ask", hint="add --yes, or look with --dry-run")
            planned = run(ws, row, by=by, reason=reason, comments=comments, dry_run=True)
            typer.echo(_told(planned), err=True)
            if not typer.confirm("Remove all this for good?", err=True):
                raise SeedgateError("nothing was removed", hint="answer y, or give --yes")
        done = run(ws, row, by=by, reason=reason, comments=comments, dry_run=dry_run)
    emit(done, _told(done), json_output=json)
    if not done.complete:
        what = f"Argilla: {done.argilla}" if done.argilla else "another process reads the ledger"
        raise SeedgateError(
            f"row {done.id[:12]} is redacted, but not everywhere yet ({what})",
            hint="run the same command again when that is mended",
        )


def _told(found: Redaction) -> str:
    verb = "would go" if found.dry_run else "gone"
    parts = [
        f"{verb}: {len(found.rows)} rows ({', '.join(id_[:12] for id_ in found.rows[:5])}),"
        f" {len(found.hashes)} bodies, {found.seeds} lines of seeds.jsonl, {found.evaluation} of eval.jsonl"
    ]
    if not found.dry_run:
        parts.append(f"records deleted in Argilla: {found.records}")
    if found.releases:
        parts.append(f"releases withdrawn: {', '.join(found.releases)}; `seedgate release` makes one without")
    parts += [f"affected: {model}" for model in found.models]
    if found.report:
        parts.append("report.html, which shows rows; `seedgate report` writes it anew")
    if found.evaluation:
        parts.append("the evaluation set is locked anew without it: release, train and measure again")
    if found.quoted:
        numbers = ", ".join(map(str, found.quoted[:10]))
        parts.append(f"quoted in events that cannot be changed: {numbers}")
    parts += [f"still holds the text: {name}" for name in found.remaining]
    parts += [f"out of reach: {what}" for what in found.beyond]
    return "\n".join(parts)


def reopen(
    row: Annotated[str, typer.Argument(help="Id of a recalled row, or its first 8 or more characters.")],
    by: Annotated[str, typer.Option(help="Who wants it.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    workspace: WorkspaceDir = Path(),
    json: Json = False,
) -> None:
    """Put a recalled row before reviewers anew; what was said about it before counts no more.

    Example: seedgate reopen 3fa91c22 --by ana --reason "rejected by mistake"
    """
    from seedgate.review import reopen as run
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws:
        id_ = run(ws, row, by=by, reason=reason)
    text = f"row {id_[:12]} waits for review again; `seedgate push` puts it before a reviewer"
    emit({"id": id_, "by": by, "reason": reason}, text, json_output=json)


def backup(
    file: Annotated[Path, typer.Argument(help="The archive to write, ending in .tar.gz.")],
    models: Annotated[bool, typer.Option("--models", help="With trained models.")] = False,
    secrets: Annotated[bool, typer.Option("--secrets", help="With passwords and keys.")] = False,
    workspace: WorkspaceDir = Path(),
    json: Json = False,
) -> None:
    """Write the workspace into one archive, consistent while others work. Note the head that it prints.

    Example: seedgate backup ../support-monday.tar.gz
    """
    from seedgate.backup import backup as run
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws:
        report = run(ws, file, models=models, secrets=secrets)
    emit(report, str(report), json_output=json)


def restore(
    file: Annotated[Path, typer.Argument(help="An archive that `seedgate backup` wrote.")],
    folder: Annotated[Path, typer.Argument(help="The new workspace's folder; must not hold anything.")],
    json: Json = False,
) -> None:
    """Unpack a backup into a new folder and audit it. Compare the head it prints with the one you noted.

    Redact again what was redacted after the backup was made.

    Example: seedgate restore support-monday.tar.gz support
    """
    from seedgate.backup import restore as run
    from seedgate.finetune import audit
    from seedgate.workspace import Workspace

    report = run(file, folder)
    # What was restored is audited, whatever database seedgate.toml or the shell names.
    named = os.environ.pop("SEEDGATE_LEDGER_URL", "")
    os.environ["SEEDGATE_LEDGER_URL"] = f"sqlite:///{report.path / '.seedgate' / 'ledger.db'}"
    with Workspace(folder) as ws:
        faults, named = audit(ws), named or ws.config.ledger.url
    lines = [str(report), *(f"{fault.where}: {fault.what}" for fault in faults)]
    lines.append("" if faults else "audit: clean")
    if named:
        lines.append(
            "the ledger is restored as .seedgate/ledger.db, but the settings name another: to go on from the"
            " backup, take [ledger] url and SEEDGATE_LEDGER_URL away, or load it into an empty database"
        )
    data = {"head": report.head, "events": report.events, "files": report.files, "root": str(report.path)}
    text = "\n".join(line for line in lines if line)
    emit(data | {"faults": [fault._asdict() for fault in faults]}, text, json_output=json)
    if faults:
        raise SeedgateError(f"audit found {len(faults)} faults in the restored workspace")
