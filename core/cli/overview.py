"""The report's facts as text for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedgate.cli.output import table

if TYPE_CHECKING:
    from seedgate.workspace import Workspace

__all__ = ["View", "overview", "text_of"]


MOST_LISTED = 10
"""Recalled rows named in the text; JSON has them all."""


@dataclass(frozen=True)
class View:
    """The same facts as JSON values and as text."""

    data: dict[str, Any]
    text: str


def overview(ws: Workspace) -> View:
    """Funnel, decisions, releases and accuracy of the whole workspace."""
    from seedgate.report import standing_facts

    data = standing_facts(ws)
    return View(data, text_of(data))


def text_of(facts: Mapping[str, Any]) -> str:
    """Facts as text, those that say nothing left out."""
    parts = [_cycle, _funnel, _scores, _releases, _recalled, _meaning, _accuracy, _another_batch, _time]
    return "\n\n".join(filter(None, (part(facts) for part in parts)))


def _cycle(facts: Mapping[str, Any]) -> str:
    number, name = facts["cycle"], facts["simulated_reviewer"]
    what = "running" if facts["running"] else ("finished" if number else "none yet")
    text = f"{facts['workspace']}: {facts['task']['name']}, cycle {number or '-'} ({what})"
    return text + (f"; SIMULATED reviewer allowed: {name}" if name else "")


def _funnel(facts: Mapping[str, Any]) -> str:
    counts, outcomes, strategies = facts["funnel"], facts["outcomes"], facts["strategies"]
    rows = [
        ["requests", counts["requests"]],
        ["items in the answers", counts["items"]],
        ["dropped by filters", counts["items"] - counts["candidates"]],
        ["candidates", counts["candidates"]],
        *(
            [name, outcomes[name]]
            for name in ("approved", "rejected", "conflict", "pending", "void")
            if outcomes.get(name)
        ),
    ]
    text = table(["funnel", "count"], rows)
    if facts["approved_simulated"]:
        text += f"\nof the approved, {facts['approved_simulated']} by the SIMULATED reviewer"
    if counts["dropped"]:
        dropped = sorted(counts["dropped"].items(), key=lambda i: -i[1])
        text += "\ndropped: " + ", ".join(f"{name} {n}" for name, n in dropped)
    if len(strategies) > 1:
        headers = ["strategy", *next(iter(strategies.values()))]
        text += "\n\n" + table(headers, [[name, *each.values()] for name, each in strategies.items()])
    return text


def _scores(facts: Mapping[str, Any]) -> str:
    """Over all cycles, and over the newest of several."""
    aucs, judge = facts["scores"], facts["judge"]
    newest = max((each["cycle"] or 0 for each in aucs), default=0)
    tables = [_score_table("AUC of", [each for each in aucs if each["cycle"] is None])]
    if newest:
        tables.append(_score_table(f"in cycle {newest}", [e for e in aucs if e["cycle"] == newest]))
    text = "\n\n".join(filter(None, tables))
    simulated = max((each["simulated"] for each in aucs), default=0)
    if simulated:
        text += f"\nof these decisions, {simulated} by the SIMULATED reviewer"
    if judge:
        body = [[each["among"], each["said"], each["alike"], each["decided"]] for each in judge]
        text += "\n\n" + table(["judge and people, among", "Cohen's kappa", "alike", "n"], body)
    return text


def _score_table(title: str, aucs: list[Mapping[str, Any]]) -> str:
    rows = {(each["score"], each["among"]): each for each in aucs}
    body: list[list[Any]] = []
    for name in dict.fromkeys(each["score"] for each in aucs):
        drawn, every = rows[name, "random"], rows[name, "all"]
        decided = [each["approved"] + each["rejected"] for each in (drawn, every)]
        body.append([name, drawn["said"], decided[0], every["said"], decided[1]])
    return table([title, "random slice", "n", "all", "n"], body) if body else ""


def _releases(facts: Mapping[str, Any]) -> str:
    rows, said = [], []
    for each in facts["releases"]:
        counts, bound = each["counts"], each["error_bound"]
        made = each["at"][:16]
        rows.append([each["name"], counts["seeds"], counts["approved"], counts["approved_simulated"], made])
        if bound is not None:
            said.append(f"{each['name']}: {bound if isinstance(bound, str) else bound['said']}")
    text = table(["release", "seeds", "approved", "of them simulated", "made"], rows) if rows else ""
    return "\n".join([text, *said])


def _recalled(facts: Mapping[str, Any]) -> str:
    rows = facts["recalled"]
    lines = [f"recalled: {row['said']}" for row in rows[:MOST_LISTED]]
    lines += [f"... and {len(rows) - MOST_LISTED} more"] if len(rows) > MOST_LISTED else []
    return "\n".join([*lines, *(each["said"] for each in facts["affected_models"])])


def _meaning(facts: Mapping[str, Any]) -> str:
    """Only where there is a map; `status` does not ask."""
    found = facts.get("meaning")
    return str(found["said"]) if found and found["clusters"] else ""


def _accuracy(facts: Mapping[str, Any]) -> str:
    results = facts["evaluations"]
    if not results:
        return ""
    rows, more = [], _columns_beside(results)
    for each in results:
        low, high = each["interval"]
        name = f"{each['model']} (current)" if each["model"] == facts["current_model"] else each["model"]
        value = [f"{each['value']:.3f}", f"{low:.3f} to {high:.3f}", each["n"]]
        rows.append([name, each["release"], *value, *(_beside(each, column) for column in more)])
    newest = results[-1]
    level = f"{newest['confidence']:.0%} interval"
    text = table(["model", "trained on", newest["metric"], level, "n", *more], rows)
    compared = (each if isinstance(each, str) else each["said"] for each in facts["comparisons"])
    seeds = (f"{each['models'][0]} {each['said']}" for each in facts["over_seeds"][-MOST_LISTED:])
    found = facts.get("confusion")  # `status` does not ask
    confused = [f"{found['model']}: {found['said']}"] if found else []
    return text + "".join(f"\n{each}" for each in (*seeds, *compared, *confused))


def _columns_beside(measured: list[Mapping[str, Any]]) -> list[str]:
    """The figures beside the metric that any measurement has."""
    free = ["unconstrained"] if any(each.get("unconstrained") for each in measured) else []
    return [*free, *dict.fromkeys(name for each in measured for name in each.get("secondary", ()))]


def _beside(measured: Mapping[str, Any], column: str) -> str:
    found = measured.get("secondary", {}).get(column) or measured.get(column)
    if not found:
        return "-"
    return f"{found['value']:.3f}" + (f" ({found['outside']} outside)" if "outside" in found else "")


def _another_batch(facts: Mapping[str, Any]) -> str:
    """What each cycle brought for the experts' time, and whether another is worth it."""
    found = facts["another_batch"]
    if not found["cycles"]:
        return ""
    rows: list[list[Any]] = [
        [
            each["cycle"],
            each["decided"],
            _rate(each["approved"]),
            _rate(each["new"]),
            "-"
            if each["seconds_each"] is None
            else "{:.0f} ({:.0f} to {:.0f})".format(*each["seconds_each"]),
        ]
        for each in found["cycles"]
    ]
    text = table(
        ["cycle", "decided", "approved", "of these new", "expert seconds per approved, new row"], rows
    )
    if found["trend"] is not None:
        text += "\napproved and new, last cycle beside the one before: {:+.2f} ({:+.2f} to {:+.2f})".format(
            *found["trend"]
        )
    if found["learning"] is not None:
        text += f"\nlearning curve: {found['learning']['said']}"
    simulated = sum(each["simulated"] for each in found["cycles"])
    if simulated:
        text += f"\nof these decisions, {simulated} by the SIMULATED reviewer"
    return f"{text}\n{found['said']}"


def _time(facts: Mapping[str, Any]) -> str:
    """Only where there is something to say; `status` does not ask."""
    time = facts.get("time")
    return str(time["said"]) if time and time["share"] is not None else ""


def _rate(rate: Mapping[str, Any]) -> str:
    if not rate["of"]:
        return "-"
    return f"{rate['found'] / rate['of']:.2f} ({rate['low']:.2f} to {rate['high']:.2f})"
