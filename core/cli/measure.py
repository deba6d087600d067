"""`train`, `eval`, `audit`, `trace`: from approved rows to a measured model, and the proof."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seedgate.cli.options import DryRun, Json, WorkspaceDir
from seedgate.cli.output import emit, progress
from seedgate.errors import InputError, SeedgateError

__all__ = ["audit", "evaluate", "trace", "train"]


def train(
    release: Annotated[str | None, typer.Argument(help="A release [default: the newest].")] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="So many models, each with a training seed of its own.", min=1, max=100),
    ] = None,
    writer: Annotated[
        bool,
        typer.Option(
            "--writer", help="The other way round: a model that writes examples, for the strategy writer."
        ),
    ] = False,
    workspace: WorkspaceDir = Path(),
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Fine-tune the base model on a release that verifies against the ledger.

    With --seeds N the seeds go from that of `[training]` upwards, and each is a model; once several are measured,
    `eval` says the value over them. After a kill, run it again: what is trained is found.

    With --writer, the model learns to write examples of a label instead of answering them. `generate` asks it where
    [generation] strategies has a share for writer, and `cycle` trains one on each release by itself.

    Example: seedgate train r001
    Example: seedgate train r001 --seeds 3
    Example: seedgate train --writer
    """
    from seedgate.finetune import train as run
    from seedgate.finetune.training import plan_training
    from seedgate.finetune.verifying import newest_release
    from seedgate.workspace import Workspace

    if writer and seeds:
        raise InputError("a release has one writer: leave out --seeds")
    with Workspace(workspace) as ws, progress("training", quiet=json) as on_progress:
        name = release or newest_release(ws)
        first = ws.config.training.seed
        done = [
            plan_training(ws, name, writer=writer, seed=seed)
            if dry_run
            else run(ws, name, writer=writer, seed=seed, on_progress=on_progress)
            for seed in range(first, first + (seeds or 1))
        ]
    emit({"models": done} if seeds else done[0], "\n".join(map(str, done)), json_output=json)


def evaluate(
    model: Annotated[str | None, typer.Argument(help="A trained model [default: the base model].")] = None,
    against: Annotated[str | None, typer.Option(help="Also test the difference to this model.")] = None,
    promote: Annotated[
        bool,
        typer.Option("--promote", help="Make it the current model if it is better than the current one."),
    ] = False,
    workspace: WorkspaceDir = Path(),
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Measure a model on the locked evaluation set, through vLLM.

    Each decision on a promotion spends from one error budget: the more models were measured on this set, the clearer
    the next must be better, be it another training seed of the same.

    Example: seedgate eval r001-3c1d90ab --against base
    Example: seedgate eval r001-3c1d90ab --promote
    """
    from seedgate.cli.parts_text import parts_text
    from seedgate.finetune import compare, confusion, current_model, label_figures, over_seeds
    from seedgate.finetune import evaluate as run
    from seedgate.finetune import promote as judge
    from seedgate.finetune.evaluating import plan_evaluation
    from seedgate.workspace import Workspace

    if promote and model in (None, "base"):
        raise InputError("--promote needs the name of a trained model")
    if dry_run:
        with Workspace(workspace) as ws:
            asked = [model, *([against] if against else []), *([current_model(ws)] if promote else [])]
            plans = [plan_evaluation(ws, each) for each in dict.fromkeys(each or "base" for each in asked)]
        judged = [f"would then decide whether {model} becomes the current model"] if promote else []
        emit({"plans": plans, "promote": promote}, "\n".join([*map(str, plans), *judged]), json_output=json)
        return
    with Workspace(workspace) as ws, progress("evaluating", quiet=json) as on_progress:
        name = None if model == "base" else model
        result = run(ws, name, on_progress=on_progress)
        confused, seeds = confusion(ws, result), over_seeds(ws, result.model)
        comparison = None
        if against is not None:
            other = None if against == "base" else against
            run(ws, other, on_progress=on_progress)
            comparison = compare(ws, other, name)
        judgement = None
        if promote:
            run(ws, current_model(ws), on_progress=on_progress)
            judgement = judge(ws, str(model))
    labels = label_figures(confused) if confused is not None else {}
    said = (result, confused, seeds, comparison, judgement)
    lines = "\n".join(str(each) for each in said if each is not None)
    text = "\n\n".join(filter(None, (lines, parts_text(result, labels))))
    data = {
        "evaluation": result,
        "confusion": confused,
        "by_label": labels,
        "over_seeds": seeds,
        "comparison": comparison,
        "judgement": judgement,
    }
    emit(data, text, json_output=json)


def export(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="alpaca, sharegpt, openai or preferences.")],
    release: Annotated[str | None, typer.Argument(help="A release [default: the newest].")] = None,
    out: Annotated[Path | None, typer.Option(help="The file [default: RELEASE-FORMAT.jsonl here].")] = None,
    workspace: WorkspaceDir = Path(),
    json: Json = False,
) -> None:
    """Write a verified release as JSON lines that other trainers read, or preference pairs for DPO.

    A pair is a released answer, and one to the same prompt that reviewers corrected or rejected. An export is a copy: a
    later recall or redaction does not reach it; each line keeps its row's id.

    Example: seedgate export openai r001 --out train.jsonl
    """
    from seedgate.finetune import export as run
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws:
        done = run(ws, release, format=form, out=out)  # type: ignore[arg-type]  # checked there
    emit(done, str(done), json_output=json)


def audit(
    workspace: WorkspaceDir = Path(),
    expect_head: Annotated[
        str | None,
        typer.Option(
            help="A head noted earlier: also notices a history rewritten with its chain recomputed."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Recompute the ledger's chain and every release from it; name each event or row that differs.

    Example: seedgate audit --expect-head 5b0c...
    """
    from seedgate.finetune import affected_models, redactions
    from seedgate.finetune import audit as run
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws, progress("auditing", quiet=json) as on_progress:
        faults = run(ws, expect_head=expect_head, on_progress=on_progress)
        seq, head = ws.ledger.head()
        # A damaged ledger is not read any further; a recall is no fault.
        notes = [] if faults else [*redactions(ws.ledger), *map(str, affected_models(ws))]
    lines = [f"{fault.where}: {fault.what}" for fault in faults]
    clean = f"clean: {seq} events and every release agree"
    data = {"faults": [fault._asdict() for fault in faults], "events": seq, "head": head, "notes": notes}
    told = [f"note: {note}" for note in notes]
    emit(data, "\n".join([*lines, "" if lines else clean, *told, f"head {head}"]).lstrip(), json_output=json)
    if faults:
        raise SeedgateError(
            f"audit found {len(faults)} faults", hint="restore from a backup, or find out who did it"
        )


def trace(
    row: Annotated[str, typer.Argument(help="Id of an example, or its first 8 or more characters.")],
    workspace: WorkspaceDir = Path(),
    json: Json = False,
) -> None:
    """Tell where a row came from: prompt, seeds, model, reviewers, releases; and every event of it.

    Example: seedgate trace 3fa91c22
    """
    from seedgate.cli.tracing import trace_row
    from seedgate.workspace import Workspace

    with Workspace(workspace) as ws:
        view = trace_row(ws, row)
    emit(view.data, view.text, json_output=json)
