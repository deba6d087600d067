"""The page: one HTML file that needs nothing else, made of the report's facts.

Whatever a model, a reviewer or a file wrote is text here and never markup: Jinja escapes each expression, and `seen`
makes visible first what could not be seen. The page has no script, and its policy (CSP) lets it load nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from seedgate.files import atomic_write
from seedgate.report import charts
from seedgate.report.breakdown import breakdown
from seedgate.report.charts import Part, Point, scale_of, seen
from seedgate.report.effort import PARTS
from seedgate.report.heatmap import heatmap
from seedgate.report.wording import FILTERS, changes

__all__ = ["page_of", "write_page"]

"""Its name in the workspace."""
MOST = 20
"""Rows of a table that are shown; JSON has them all."""
EFFECT = ("value", "low", "high")
GROUPS = ("approved", "edited", "rejected", "open")


def write_page(facts: Mapping[str, Any], path: Path) -> None:
    """Writes the page; an older one stays until the new one is whole.

    Raises:
        SeedgateError: It cannot be written there.
    """
    page = page_of(facts).encode("utf-8")
    with atomic_write(path) as file:
        file.write(page)


def page_of(facts: Mapping[str, Any]) -> str:
    """The page of `report_facts`."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "page"),
        autoescape=True,
        finalize=seen,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    environment.globals.update(
        MOST=MOST,
        GROUPS=GROUPS,
        axis=charts.axis,
        changes=changes,
        dot=charts.dot,
        outcome_bar=_outcome_bar,
    )
    return environment.get_template("report.html").render(f=facts, **_views(facts))


def _views(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the template would have to compute."""
    measured = facts["evaluations"]
    reference = [each for each in facts["scores"] if each["cycle"] is None]
    return {
        "steps": _steps(facts),
        "budget": _budget(facts["time"]),
        "accuracy_scale": scale_of([each[end] for each in measured for end in ("low", "high")]),
        "curve": _curve(measured),
        "beside": sorted({name for each in measured for name in each.get("secondary") or ()}),
        "freely": any(each.get("unconstrained") for each in measured),
        "breakdown": breakdown(facts),
        "confusion": heatmap(facts["confusion"]),
        "ablation": _ablation(facts["ablation"]),
        "learning": _learning(facts["learning_curve"]),
        "scores": _scores(reference),
        "score_scale": scale_of([0.4, 1.0, *(each["low"] for each in reference if each["low"] is not None)]),
        "covered": _covered(facts["coverage"]),
        "meaning": {"rows": _with_bars(facts["meaning"]["clusters"])},
        "bounds": [_bound(each) for each in facts["releases"] if each["counts"].get("approved")],
    }


def _outcome_bar(counts: Mapping[str, int], whole: float) -> Any:
    return charts.bar([Part(group, counts[group], group) for group in GROUPS], whole)


def _steps(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The funnel, each step with its bar and its share of the one before."""
    cycles = facts["approvals"]["cycle"].values()
    total = {group: sum(each[group] for each in cycles) for group in GROUPS}
    approved = total["approved"] + total["edited"]
    steps = [
        ("items in the answers", facts["funnel"]["items"], "plain"),
        ("passed the filters", facts["funnel"]["candidates"], "plain"),
        ("decided by reviewers", approved + total["rejected"], "plain"),
        ("approved", approved, "approved"),
    ]
    whole = max(value for _, value, _ in steps)
    return [
        {
            "name": name,
            "value": value,
            "share": value / steps[n - 1][1] if n and steps[n - 1][1] else None,
            "bar": charts.bar([Part(kind, value, name)], whole, height=24),
        }
        for n, (name, value, kind) in enumerate(steps)
    ]


def _budget(time: Mapping[str, Any]) -> dict[str, Any]:
    total = sum(time[name]["seconds"] for name in PARTS)
    parts = [Part(name, round(time[name]["seconds"]), f"seconds of {name}") for name in PARTS]
    marks = [share * total for share in time["rule"]]
    return {
        "total": total,
        "bar": charts.bar(parts, total, height=34, marks=marks),
        "rows": [
            {
                "name": name,
                "seconds": time[name]["seconds"],
                "share": time[name]["seconds"] / total if total else 0.0,
            }
            for name in PARTS
        ],
    }


def _curve(measured: Sequence[Mapping[str, Any]]) -> Any:
    """The models over the rows of their releases; of several on as many rows, the newest."""
    newest = {each["rows"]: each for each in measured}
    points = [
        _point(rows, each, f"{each['model']}, {rows:,} rows")
        for rows, each in sorted(newest.items())
        if len(newest) > 1
    ]
    if not points:
        return None
    title = f"{measured[-1]['metric']} over rows trained on: " + "; ".join(point.name for point in points)
    return charts.curve(points, title, "rows trained on")


def _learning(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The newest measured curve with its picture; None where its event lacks what that needs."""
    points = [
        _point(each["rows"], each["score"], f"{each['rows']:,} approved rows")
        for each in (found or {}).get("points", ())
        if _is_effect(each.get("score"))
    ]
    if found is None or len(points) < 2:
        return None
    title = f"{found.get('metric')} over approved rows: " + "; ".join(point.name for point in points)
    gain = found.get("gain_next")
    return {
        "picture": charts.curve(points, title, "approved rows beside the seeds"),
        "points": points,
        "metric": _plain(found),
        "gain": gain if _is_effect(gain) else None,
        "next": found.get("next_rows"),
        "simulated": found.get("simulated"),
        "release": found["release"],
        "at": found["at"],
    }


def _point(rows: float, score: Mapping[str, float], name: str) -> Point:
    value, low, high = (float(score[key]) for key in ("value", "low", "high"))
    return Point(rows, value, low, high, f"{name}: {value:.3f} ({low:.3f} to {high:.3f})")


def _is_effect(value: Any) -> bool:
    """Whether it is a figure with its interval; later versions may say it otherwise."""
    return isinstance(value, Mapping) and all(isinstance(value.get(key), int | float) for key in EFFECT)


def _plain(found: Mapping[str, Any]) -> str:
    return str(found.get("metric", "the metric")).replace("_", " ")


def _ablation(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The newest ablation: arms with a score, the others with why they were left out."""
    if found is None:
        return None
    arms = [arm for arm in found.get("arms", ()) if _is_effect(arm.get("score"))]
    left_out = [arm for arm in found.get("arms", ()) if arm.get("left_out")]
    return {
        "arms": [
            {
                "name": arm.get("title") or arm.get("arm", ""),
                "rows": arm.get("rows", 0),
                "steps": arm.get("steps", 0),
                "gain": arm["gain"] if _is_effect(arm.get("gain")) else None,
                **{key: float(arm["score"][key]) for key in EFFECT},
            }
            for arm in arms
        ],
        "left_out": [f"{arm.get('title') or arm.get('arm', '')}: {arm['left_out']}" for arm in left_out],
        "release": found["release"],
        "at": found["at"],
        "metric": _plain(found),
        "student": found.get("student", ""),
        "conclusion": found.get("conclusion", ""),
        "simulated": found.get("simulated", 0),
        "scale": scale_of([arm["score"][end] for arm in arms for end in ("low", "high")]),
    }


def _scores(scores: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row per score: among the random slice where enough of it is decided, else among all."""
    rows = {(each["score"], each["among"]): each for each in scores}
    out = []
    for name in dict.fromkeys(each["score"] for each in scores):
        drawn, every = rows[name, "random"], rows[name, "all"]
        out.append(
            {"name": name, "drawn": drawn, "all": every, "best": drawn if drawn["auc"] is not None else every}
        )
    return out


def _covered(coverage: Mapping[str, Any]) -> dict[str, Any]:
    rows = coverage["labels"] or coverage["tags"]
    return {
        "by": "label" if coverage["labels"] else "tag",
        "least": (min(row["seeds"] for row in rows), min(row["seeds"] + row["approved"] for row in rows))
        if rows
        else None,
        "rows": _with_bars(rows),
    }


def _with_bars(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of seeds and approved, each with its bar."""
    whole = max((row["seeds"] + row["approved"] for row in rows), default=0)
    return [
        {
            **row,
            "bar": charts.bar(
                [Part("seed", row["seeds"], "seeds"), Part("approved", row["approved"], "approved")], whole
            ),
        }
        for row in rows
    ]


def _bound(release: Mapping[str, Any]) -> dict[str, Any]:
    """A release with its bound as a bar, on a scale that ends at a fifth unless the bound is above it."""
    bound = release["error_bound"]
    known = isinstance(bound, Mapping) and bound["wrong"] < bound["rows"]
    share = float(bound["share"]) if known and isinstance(bound, Mapping) else None
    return {
        "name": release["name"],
        "counts": release["counts"],
        "share": share,
        "said": bound if isinstance(bound, str) else bound["said"] if bound else "no error bound",
        "bar": charts.bar(
            [Part("rejected", round(100 * share, 1), "at most per cent wrong")], max(20.0, 100 * share)
        )
        if share is not None
        else None,
    }
