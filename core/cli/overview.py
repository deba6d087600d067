"""Views over the ledger for people: the funnel, accuracy by model, where a row came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedgate.cli.output import as_json, table
from seedgate.cycle import cycle_state
from seedgate.errors import InputError, SeedgateError
from seedgate.workspace import Workspace

if TYPE_CHECKING:
    from seedgate.records import Decision
    from seedgate.review import Rate, ScoreAuc

__all__ = ["View", "overview", "trace_row"]


MOST_LISTED = 10
"""Recalled rows named in the text; JSON has them all."""


@dataclass(frozen=True)
class View:
    """The same facts as JSON values and as text."""

    data: dict[str, Any]
    text: str


def overview(ws: Workspace) -> View:
    """Funnel, decisions, releases and accuracy of the whole workspace."""
    from seedgate.review import decisions

    found = decisions(ws)
    parts = [_cycle(ws), _funnel(ws, found), _scores(ws, found), _releases(ws), _recalled(ws), _accuracy(ws)]
    parts.append(_another_batch(ws))
    data = {key: value for part in parts for key, value in part.data.items()}
    return View(data, "\n\n".join(part.text for part in parts if part.text))


def _cycle(ws: Workspace) -> View:
    state = cycle_state(ws)
    what = "running" if state.running else ("finished" if state.number else "none yet")
    text = f"{ws.config.name}: {ws.task.name}, cycle {state.number or '-'} ({what})"
    if ws.simulated_reviewer:
        text += f"; SIMULATED reviewer allowed: {ws.simulated_reviewer}"
    data = {"workspace": ws.config.name, "cycle": state.number, "running": state.running}
    return View(data | {"simulated_reviewer": ws.simulated_reviewer}, text)


def _funnel(ws: Workspace, found: Mapping[str, Decision]) -> View:
    from seedgate.generator import funnel, strategy_of

    counts = funnel(ws.ledger)
    strategies = _by_strategy(counts, found, strategy_of(ws.ledger))
    outcomes = Counter(decision.outcome for decision in found.values())
    simulated = sum(d.outcome == "approved" and d.simulated for d in found.values())
    why = Counter(f"{d.outcome}: {d.reason}" for d in found.values() if d.outcome != "approved")
    rows = [
        ["requests", counts["requests"]],
        ["items in the answers", counts["items"]],
        ["dropped by filters", counts["items"] - counts["candidates"]],
        ["candidates", counts["candidates"]],
        *(
            [name, outcomes[name]]
            for name in ("approved", "rejected", "conflict", "pending", "void")
            if outcomes[name]
        ),
    ]
    text = table(["funnel", "count"], rows)
    if simulated:
        text += f"\nof the approved, {simulated} by the SIMULATED reviewer"
    dropped = counts["dropped"]
    if dropped:
        text += "\ndropped: " + ", ".join(
            f"{name} {n}" for name, n in sorted(dropped.items(), key=lambda i: -i[1])
        )
    if len(strategies) > 1:
        headers = ["strategy", *next(iter(strategies.values()))]
        text += "\n\n" + table(headers, [[name, *each.values()] for name, each in strategies.items()])
    return View(
        {
            "funnel": counts,
            "strategies": strategies,
            "outcomes": dict(outcomes),
            "approved_simulated": simulated,
            "why": dict(why),
        },
        text,
    )


def _by_strategy(
    counts: dict[str, Any], found: Mapping[str, Decision], strategy_of: Mapping[str, str]
) -> dict[str, dict[str, int]]:
    """What each strategy asked, brought, and what became of it; a corrected row counts for its original's."""
    decided = Counter((strategy_of[id_], each.outcome) for id_, each in found.items() if id_ in strategy_of)
    return {
        name: {
            **asked,
            **{outcome: decided[name, outcome] for outcome in ("approved", "rejected", "pending")},
        }
        for name, asked in counts["strategies"].items()
    }


def _scores(ws: Workspace, found: Mapping[str, Decision]) -> View:
    """How well each score told approved from rejected rows: over all cycles, and over the newest of several.

    And how far the judge, where there is one, agrees with people.
    """
    from seedgate.review import judge_kappas, score_aucs

    aucs = score_aucs(ws, found)
    newest = max((each.cycle or 0 for each in aucs), default=0)
    tables = [_score_table("AUC of", [each for each in aucs if each.cycle is None])]
    if newest:
        tables.append(_score_table(f"in cycle {newest}", [each for each in aucs if each.cycle == newest]))
    text = "\n\n".join(filter(None, tables))
    simulated = max((each.simulated for each in aucs), default=0)
    if simulated:
        text += f"\nof these decisions, {simulated} by the SIMULATED reviewer"
    kappas = judge_kappas(ws, found)
    if kappas:
        body = [[each.among, each, each.alike, each.decided] for each in kappas]
        text += "\n\n" + table(["judge and people, among", "Cohen's kappa", "alike", "n"], body)
    return View({"scores": as_json(aucs), "judge": as_json(kappas)}, text)


def _score_table(title: str, aucs: Sequence[ScoreAuc]) -> str:
    rows = {(each.score, each.among): each for each in aucs}
    body: list[list[Any]] = []
    for name in dict.fromkeys(each.score for each in aucs):
        drawn, every = rows[name, "random"], rows[name, "all"]
        body.append([name, drawn, drawn.decided, every, every.decided])
    return table([title, "random slice", "n", "all", "n"], body) if body else ""


def _releases(ws: Workspace) -> View:
    from seedgate.finetune import stated_bound

    rows, data, said = [], [], []
    for event in ws.ledger.events("release.created"):
        counts = event.payload["counts"]
        rows.append(
            [event.subject, counts["seeds"], counts["approved"], counts["approved_simulated"], event.at[:16]]
        )
        bound = stated_bound(ws, event)
        if bound is not None:
            said.append(f"{event.subject}: {bound}")
        data.append({"name": event.subject, "at": event.at, **event.payload, "error_bound": as_json(bound)})
    text = table(["release", "seeds", "approved", "of them simulated", "made"], rows) if rows else ""
    return View({"releases": data}, "\n".join([text, *said]))


def _recalled(ws: Workspace) -> View:
    from seedgate.finetune import affected_models, recalled_rows

    rows, models = recalled_rows(ws), affected_models(ws)
    lines = [f"recalled: {row}" for row in rows[:MOST_LISTED]]
    lines += [f"... and {len(rows) - MOST_LISTED} more"] if len(rows) > MOST_LISTED else []
    return View(
        {"recalled": as_json(rows), "affected_models": as_json(models)},
        "\n".join([*lines, *map(str, models)]),
    )


def _accuracy(ws: Workspace) -> View:
    from seedgate.finetune import current_model

    made = {event.subject: event.payload["release"] for event in ws.ledger.events("model.trained")}
    latest: dict[str, Any] = {event.subject: event.payload for event in ws.ledger.events("model.evaluated")}
    rows, data = [], []
    for model, result in latest.items():
        low, high = result["interval"]
        trained_on = made.get(model, "-")
        rows.append([model, trained_on, f"{result['value']:.3f}", f"{low:.3f} to {high:.3f}", result["n"]])
        data.append({"model": model, "release": trained_on, **result})
    if not rows:
        return View({"evaluations": [], "comparisons": [], "current_model": "base"}, "")
    current = current_model(ws)
    rows = [[f"{row[0]} (current)" if row[0] == current else row[0], *row[1:]] for row in rows]
    newest = next(iter(reversed(latest.values())))
    level = f"{newest['confidence']:.0%} interval"
    text = table(["model", "trained on", newest["metric"], level, "n"], rows)
    compared = _compared(ws, [model for model in latest if model in made], made)
    text += "".join(f"\n{comparison}" for comparison in compared)
    return View({"evaluations": data, "comparisons": as_json(compared), "current_model": current}, text)


def _compared(ws: Workspace, trained: list[str], made: dict[str, str]) -> list[Any]:
    """The newest model against the base model, and against the newest one on the seeds alone."""
    from seedgate.finetune import compare

    if not trained:
        return []
    newest = trained[-1]
    alone = [model for model in trained if made[model] == "r000" and model != newest]
    try:
        return [compare(ws, before, newest) for before in (None, *alone[-1:])]
    except SeedgateError as error:  # measured under different settings: nothing to compare
        return [str(error)]


def _another_batch(ws: Workspace) -> View:
    """What each cycle brought for the experts' time, and whether another is worth it."""
    from seedgate.finetune import another_batch

    found = another_batch(ws)
    data = {"another_batch": as_json(found)}
    if not found.cycles:
        return View(data, "")
    rows: list[list[Any]] = [
        [
            each.cycle,
            each.decided,
            _rate(each.approved),
            _rate(each.new),
            "-" if each.seconds_each is None else "{:.0f} ({:.0f} to {:.0f})".format(*each.seconds_each),
        ]
        for each in found.cycles
    ]
    text = table(
        ["cycle", "decided", "approved", "of these new", "expert seconds per approved, new row"], rows
    )
    if found.trend is not None:
        text += "\napproved and new, last cycle beside the one before: {:+.2f} ({:+.2f} to {:+.2f})".format(
            *found.trend
        )
    if found.learning is not None:
        text += f"\nlearning curve: {found.learning}"
    simulated = sum(each.simulated for each in found.cycles)
    if simulated:
        text += f"\nof these decisions, {simulated} by the SIMULATED reviewer"
    return View(data, f"{text}\n{found}")


def _rate(rate: Rate) -> str:
    return f"{rate.found / rate.of:.2f} ({rate.low:.2f} to {rate.high:.2f})" if rate.of else "-"


def trace_row(ws: Workspace, prefix: str) -> View:
    """Everything the ledger knows about one example, oldest first.

    Raises:
        InputError: No example, or more than one, begins with `prefix`.
    """
    kinds = ("seed.added", "candidate.created")
    found = {event.subject for event in ws.ledger.events(*kinds) if event.subject.startswith(prefix)}
    if len(prefix) < 8 or len(found) != 1:
        raise InputError(
            f"{prefix!r} names {len(found)} examples", hint="give the whole id, or at least 8 characters"
        )
    (example_id,) = found
    events = list(ws.ledger.events(subject=example_id))
    fields = ws.ledger.bodies([example_id]).get(example_id)
    made = [e for e in events if e.kind == "candidate.created"]
    requests = [
        request
        for event in made
        for request in ws.ledger.events(
            "request.completed", subject=event.payload["provenance"]["request_id"]
        )
    ]
    releases = [
        event.subject
        for event in ws.ledger.events("release.created")
        if _in_release(ws, event.subject, example_id)
    ]
    lines = [f"{example_id}", f"fields: {fields if fields is not None else 'redacted'}"]
    for event in [*requests, *events]:
        lines.append(f"{event.at[:19]}  #{event.seq} {event.kind}  {_short(event.payload)}")
    lines.append(f"releases: {', '.join(releases) or 'none'}")
    data = {
        "id": example_id,
        "fields": fields,
        "events": [e._asdict() for e in [*requests, *events]],
        "in": releases,
    }
    return View(data, "\n".join(lines))


def _in_release(ws: Workspace, name: str, example_id: str) -> bool:
    # A 64-digit hash can only stand in the manifest as this row's id.
    manifest = ws.releases_dir / name / "manifest.json"
    return manifest.is_file() and f'"{example_id}"' in manifest.read_text(encoding="utf-8")


def _short(payload: Any) -> str:
    text = str(payload)
    return text if len(text) <= 400 else text[:397] + "..."
