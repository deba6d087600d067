"""The facts of a workspace, as plain JSON values: what the text, `--json` and the page are all made of.

`standing_facts` is what `status` shows too; `report_facts` has all that the page needs. Whatever carries a sentence of
its own has it as `said`, so that text and page say it in the same words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import seedgate
from seedgate.cycle import cycle_state
from seedgate.errors import SeedgateError
from seedgate.plain import as_json
from seedgate.report.counting import counts
from seedgate.report.effort import effort
from seedgate.report.meaning import meaning
from seedgate.report.measuring import ablation, confused, learning_curve, placed
from seedgate.report.samples import samples

if TYPE_CHECKING:
    from seedgate.records import Decision
    from seedgate.review.facts import Standing
    from seedgate.workspace import Workspace

__all__ = ["report_facts", "standing_facts"]

_PARTICULAR = re.compile(r"\b[0-9a-f]{12,64}\b|\b[01]\.\d+\b")
"""Ids, and how near something is."""


def standing_facts(ws: Workspace) -> dict[str, Any]:
    """Where the workspace stands: funnel, decisions, scores, releases, accuracy, and whether another batch pays."""
    from seedgate.review.facts import standing

    return _standing(ws, standing(ws))


def report_facts(ws: Workspace) -> dict[str, Any]:
    """All of the report's facts, as of now; reads the ledger and writes nothing."""
    from seedgate.review.facts import standing
    from seedgate.review.measures import measure_agreement, measure_reviewers

    now = standing(ws)
    state, found = now
    data = _standing(ws, now)
    data |= {
        **confused(ws, placed(ws, data["evaluations"])),
        "made": {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seedgate": seedgate.__version__,
            "ledger_head": ws.ledger.head()[1],
        },
        "task": {"name": ws.task.name, "fields": [field.name for field in ws.task.fields]},
        "reviewers": as_json(measure_reviewers(ws, state)),
        "agreement": as_json(measure_agreement(ws, state)),
        "ablation": ablation(ws),
        "learning_curve": learning_curve(ws),
        **counts(ws, found),
        **meaning(ws, found),
        **effort(ws),
        "samples": samples(ws, found),
    }
    data["simulated"] = _simulated(data)
    data["headline"] = _headline(data)
    return data


def _standing(ws: Workspace, now: Standing) -> dict[str, Any]:
    return {
        **_cycle(ws),
        **_funnel(ws, now.decisions),
        **_scores(ws, now),
        **_releases(ws),
        **_recalled(ws),
        **_accuracy(ws),
        **_another_batch(ws, now),
    }


def _told(value: Any) -> dict[str, Any]:
    """A record with the sentence that it says of itself."""
    return {**as_json(value), "said": str(value)}


def _cycle(ws: Workspace) -> dict[str, Any]:
    state = cycle_state(ws)
    return {
        "workspace": ws.config.name,
        "task": {"name": ws.task.name},
        "cycle": state.number,
        "running": state.running,
        "simulated_reviewer": ws.simulated_reviewer,
    }


def _funnel(ws: Workspace, found: Mapping[str, Decision]) -> dict[str, Any]:
    from seedgate.generator import funnel, strategy_of

    counted = funnel(ws.ledger)
    why = Counter(f"{d.outcome}: {d.reason}" for d in found.values() if d.outcome != "approved")
    return {
        "funnel": counted,
        "strategies": _by_strategy(counted, found, strategy_of(ws.ledger)),
        "outcomes": dict(Counter(decision.outcome for decision in found.values())),
        "approved_simulated": sum(d.outcome == "approved" and d.simulated for d in found.values()),
        "why": dict(why.most_common()),
        "why_kinds": _kinds(found),
    }


def _kinds(found: Mapping[str, Decision]) -> list[dict[str, Any]]:
    """Why rows are not approved, most frequent first; reasons that differ in ids and figures only are one."""
    kinds = Counter(
        (d.outcome, _PARTICULAR.sub("...", d.reason)) for d in found.values() if d.outcome != "approved"
    )
    return [
        {"outcome": outcome, "reason": reason, "rows": rows}
        for (outcome, reason), rows in kinds.most_common()
    ]


def _by_strategy(
    counted: dict[str, Any], found: Mapping[str, Decision], strategy_of: Mapping[str, str]
) -> dict[str, dict[str, int]]:
    """What each strategy asked, brought, and what became of it; a corrected row counts for its original's."""
    decided = Counter((strategy_of[id_], each.outcome) for id_, each in found.items() if id_ in strategy_of)
    return {
        name: {
            **asked,
            **{outcome: decided[name, outcome] for outcome in ("approved", "rejected", "pending")},
        }
        for name, asked in counted["strategies"].items()
    }


def _scores(ws: Workspace, now: Standing) -> dict[str, Any]:
    """How well each score told approved from rejected rows; and how far the judge, if there is one, agrees."""
    from seedgate.review import judge_kappas, score_aucs

    return {
        "scores": [_told(each) for each in score_aucs(ws, now)],
        "judge": [_told(each) for each in judge_kappas(ws, now)],
    }


def _releases(ws: Workspace) -> dict[str, Any]:
    from seedgate.finetune import stated_bound

    data = []
    for event in ws.ledger.events("release.created"):
        bound = stated_bound(ws, event)
        told = bound if bound is None or isinstance(bound, str) else {**_told(bound), "share": bound.share}
        data.append({"name": event.subject, "at": event.at, **event.payload, "error_bound": told})
    return {"releases": data}


def _recalled(ws: Workspace) -> dict[str, Any]:
    from seedgate.finetune import affected_models, recalled_rows

    return {
        "recalled": [_told(each) for each in recalled_rows(ws)],
        "affected_models": [_told(each) for each in affected_models(ws)],
    }


def _accuracy(ws: Workspace) -> dict[str, Any]:
    """The latest measurement of each model, trainings over their seeds, the newest model beside others."""
    from seedgate.finetune import current_model
    from seedgate.finetune.repeating import every_over_seeds

    made = {event.subject: event.payload["release"] for event in ws.ledger.events("model.trained")}
    latest: dict[str, Any] = {event.subject: event.payload for event in ws.ledger.events("model.evaluated")}
    if not latest:
        return {"evaluations": [], "comparisons": [], "over_seeds": [], "current_model": "base"}
    return {
        "evaluations": [
            {"model": model, "release": made.get(model, "-"), **each} for model, each in latest.items()
        ],
        "comparisons": _compared(ws, [model for model in latest if model in made], made),
        "over_seeds": [_told(each) for each in every_over_seeds(ws)],
        "current_model": current_model(ws),
    }


def _compared(ws: Workspace, trained: list[str], made: dict[str, str]) -> list[Any]:
    from seedgate.finetune import compare

    if not trained:
        return []
    newest = trained[-1]
    alone = [model for model in trained if made[model] == "r000" and model != newest]
    try:
        return [_told(compare(ws, before, newest)) for before in (None, *alone[-1:])]
    except SeedgateError as error:  # measured under different settings: nothing to compare
        return [str(error)]


def _another_batch(ws: Workspace, now: Standing) -> dict[str, Any]:
    from seedgate.finetune import another_batch

    batch = another_batch(ws, now)
    told = _told(batch)
    if batch.learning is not None:
        told["learning"] = _told(batch.learning)
    return {"another_batch": told}


def _simulated(data: Mapping[str, Any]) -> bool:
    """Whether anything here rests on what a program answered."""
    return bool(data["approved_simulated"] or data["time"]["curation"]["simulated"])


def _headline(data: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that come first, None where not known; `gain` is over the seeds alone where they were measured."""
    by_people = data["outcomes"].get("approved", 0) - data["approved_simulated"]
    seconds = data["time"]["curation"]["seconds"]
    bound = data["releases"][-1]["error_bound"] if data["releases"] else None
    gains = _gains(data)
    return {
        "approved": data["outcomes"].get("approved", 0),
        "approved_simulated": data["approved_simulated"],
        "minutes_per_approved": seconds / 60 / by_people if seconds and by_people > 0 else None,
        "error_bound": bound if isinstance(bound, dict) and bound["wrong"] < bound["rows"] else None,
        "gain": gains[-1] if gains else None,
        "gain_over_base": gains[0] if gains else None,
    }


def _gains(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the newest model gained over the base model, then over the seeds alone; of training seeds, the mean."""
    newest = next((each["model"] for each in data["evaluations"][::-1] if each["release"] != "-"), None)
    for each in data["over_seeds"]:
        if newest in each["models"]:
            found = {
                gain["over"]: {**gain, "metric": each["metric"], "before": gain["before"][0]}
                for gain in each["gains"]
            }
            if found.keys() & {"base", "seeds alone"}:
                return [found[over] for over in ("base", "seeds alone") if over in found]
    return [each for each in data["comparisons"] if isinstance(each, dict)]
