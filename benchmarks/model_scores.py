"""Do the scores that ask a model tell right from wrong candidates, and do they add to the one that asks none?

Two sets for which the truth is known, both stand-ins for completions of a model:

- **banking77**: rows of 20 confusable labels, half of them with another label, the one whose rows are nearest in
  meaning (as people confuse them). A draw has 200 seeds and other rows as candidates. `label_agreement`, which asks no
  model, is the baseline of `likelihood`, `self_consistency` and `judge`, on the same rows.
- **gsm8k_solutions**: solutions that models wrote for grade school questions. No baseline: labels there are none. A
  small model cannot solve these, so about .5 is expected.

AUC is the probability that a right row has more than a wrong one, with a 95 % interval. The server is real; its model
is small unless `--url` and `--model` name another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from seedgate.generator.clients.server import ServerClient
from seedgate.generator.scores import MODEL_SCORERS, Item, LabelAgreement, Pool, Setting
from seedgate.generator.scores.asking import ask_scores
from seedgate.generator.scores.recorded import Mark
from seedgate.generator.templating import Templates
from seedgate.ledger import NewEvent
from seedgate.records import Example
from seedgate.review import auc_of
from seedgate.seeds import example_workspace
from seedgate.seeds.embedding import open_embedder
from seedgate.task import Task

SEEDS, LABELS, WRONG = 200, 20, 0.5
OF_A_LABEL = 20
"""Rows from which the middle of a label is computed."""
FIRST_DRAW = 3000
CONCURRENCY = 16


@dataclass(frozen=True)
class Server:
    """A vLLM server and its model."""

    url: str
    model: str
    key: str | None


@dataclass(frozen=True)
class Trial:
    """Candidates, whether each is right, and what a workspace would give to scorers.

    Attributes:
        vectors: Of the candidates, shape [candidates, width].
    """

    setting: Setting
    candidates: list[Example]
    vectors: np.ndarray
    right: list[bool]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="60 rows of banking77 (default: 300)")
    parser.add_argument("--candidates", type=int, help="rows of banking77; half as many solutions")
    parser.add_argument("--data", type=Path, help="folder of data sets (default: SEEDGATE_DATA)")
    parser.add_argument(
        "--url", help="base URL of a vLLM server, ending in /v1 (default: the embedded stack)"
    )
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--key", help="its API key (default: SEEDGATE_VLLM_API_KEY)")
    parser.add_argument(
        "--form", choices=("list", "chat"), default="list", help="chat for models that follow orders"
    )
    parser.add_argument("--draw", type=int, default=FIRST_DRAW, help="number of the draw")
    args = parser.parse_args()
    given = args.data or os.environ.get("SEEDGATE_DATA")
    folder = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    if not (folder / "banking77" / "train.jsonl").is_file():
        print(json.dumps({"name": "model_scores", "skipped": f"no banking77 in {folder}: give --data"}))
        return
    candidates = args.candidates or (60 if args.quick else 300)
    with served(args) as server:
        print(
            f"{server.model} at {server.url}, draw {args.draw}, {CONCURRENCY} in flight; banking77: {SEEDS} seeds of"
            f" {LABELS} labels, {WRONG:.0%} of the candidates with the nearest other label"
        )
        bank = measured(server, banking(folder, args, candidates))
        solved = measured(server, solutions(folder, args, candidates // 2))
    gain = bank["likelihood"]["auc"] - bank["label_agreement"]["auc"]
    told = {"name": "model_scores", "what": "AUC of likelihood - AUC of label agreement, banking77"}
    print(json.dumps(told | {"value": round(gain, 4), "draw": args.draw, "banking77": bank, "gsm8k": solved}))


@contextmanager
def served(args: argparse.Namespace) -> Iterator[Server]:
    """The server that was named, else one of our own on the loopback."""
    url = args.url or os.environ.get("SEEDGATE_VLLM_URLS", "").split(",")[0]
    if url:
        yield Server(url.rstrip("/"), args.model, args.key or os.environ.get("SEEDGATE_VLLM_API_KEY"))
        return
    from seedgate.services import StackSpec, down, up

    with tempfile.TemporaryDirectory() as made:
        ws = example_workspace(Path(made) / "workspace", settings={"vllm": {"model": args.model}})
        with ws:
            try:
                state = up(ws.root, StackSpec(services=("vllm",)), print)
                if state.vllm_url is None:
                    raise SystemExit("the embedded stack has no vLLM")
                yield Server(state.vllm_url, args.model, ws.vllm_key())
            finally:
                down(ws.root)


# -- the sets -------------------------------------------------------------------------------------------


def banking(folder: Path, args: argparse.Namespace, candidates: int) -> Trial:
    rows, chance = rows_of(folder / "banking77" / "train.jsonl"), np.random.default_rng(args.draw)
    names = sorted({row["label"] for row in rows})
    labels = np.array([names.index(row["label"]) for row in rows])
    shown = np.concatenate([np.flatnonzero(labels == label)[:OF_A_LABEL] for label in range(len(names))])
    middles = vectors_of([rows[place]["text"] for place in shown]).reshape(len(names), OF_A_LABEL, -1).mean(1)
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    near = middles @ middles.T
    # The labels nearest to one of them: the most confusable there are.
    chosen = np.argsort(-near[chance.integers(len(names))], kind="stable")[:LABELS]
    places = chance.permutation(np.flatnonzero(np.isin(labels, chosen)))
    seeds = np.concatenate([places[labels[places] == label][: SEEDS // LABELS] for label in chosen])
    drawn = [place for place in places.tolist() if place not in set(seeds.tolist())][:candidates]
    wrong = set(chance.permutation(len(drawn))[: round(WRONG * len(drawn))].tolist())
    inner = near[np.ix_(chosen, chosen)] - 2 * np.eye(LABELS)
    nearest = {label: int(chosen[inner[at].argmax()]) for at, label in enumerate(chosen.tolist())}
    task = Task.from_config(
        {
            "preset": "classification",
            "name": "bank",
            "audience": "messages that customers wrote to a bank",
            "labels": [names[label] for label in sorted(chosen.tolist())],
        }
    )

    def made(place: int, label: int) -> Example:
        return Example(fields=task.validate_fields({"text": rows[place]["text"], "label": names[label]}))

    return Trial(
        setting_of(
            task,
            [made(place, labels[place]) for place in seeds.tolist()],
            vectors_of([rows[place]["text"] for place in seeds]),
            args.form,
            32,
        ),
        [made(p, nearest[int(labels[p])] if at in wrong else int(labels[p])) for at, p in enumerate(drawn)],
        vectors_of([rows[place]["text"] for place in drawn]),
        [at not in wrong for at in range(len(drawn))],
    )


def solutions(folder: Path, args: argparse.Namespace, candidates: int) -> Trial | None:
    path = folder / "gsm8k_solutions" / "candidates.jsonl"
    if not path.is_file():
        return None
    rows = rows_of(path)
    order = np.random.default_rng(args.draw).permutation(sorted({row["question"] for row in rows})).tolist()
    known = set(order[:SEEDS])
    task = Task.from_config(
        {
            "preset": "instruction",
            "name": "solve",
            "instructions": "Solve the question step by step; the last line is A: and the number.",
            "audience": "grade school questions",
        }
    )

    def made(row: Mapping[str, Any]) -> Example:
        return Example(
            fields=task.validate_fields(
                {"instruction": row["question"], "input": "", "output": row["solution"]}
            )
        )

    right = {row["question"]: made(row) for row in rows if row["is_correct"] and row["question"] in known}
    # One solution of each question, so that no question counts more than another.
    one = {
        row["question"]: row
        for row in sorted(rows, key=lambda row: str(row["id"]))
        if row["question"] not in known
    }
    chosen = [one[question] for question in order if question in one][:candidates]
    seeds = list(right.values())
    return Trial(
        setting_of(task, seeds, vectors_of([s.fields["instruction"] for s in seeds]), "chat", 160),
        [made(row) for row in chosen],
        vectors_of([row["question"] for row in chosen]),
        [bool(row["is_correct"]) for row in chosen],
    )


def setting_of(task: Task, seeds: list[Example], vectors: np.ndarray, form: Any, max_tokens: int) -> Setting:
    return Setting(task, seeds, vectors, Templates(), form, max_tokens, open_embedder().embed)


# -- the scores -----------------------------------------------------------------------------------------


def measured(server: Server, trial: Trial | None) -> dict[str, Any]:
    if trial is None:
        return {"skipped": "no such data"}
    label = trial.setting.task.label_field
    found: dict[str, dict[str, float]] = {}
    if label is not None:
        pool = Pool(
            trial.vectors,
            trial.setting.vectors,
            trial.vectors[:0],
            [each.fields[label.name] for each in trial.candidates],
            [each.fields[label.name] for each in trial.setting.seeds],
        )
        values = LabelAgreement().score(pool).tolist()
        found["label_agreement"] = dict(zip((each.id for each in trial.candidates), values, strict=True))
    for name, make in MODEL_SCORERS.items():
        if make.unsuited(trial.setting.task, trial.setting.seeds):
            continue
        started = time.perf_counter()
        found[name] = asyncio.run(asked(server, trial, make(trial.setting)))
        print(f"{trial.setting.task.name}: {name}, {time.perf_counter() - started:.0f} s", flush=True)
    out = {name: figures(trial, values) for name, values in found.items()}
    out["together"] = {"held_out_auc": together(trial, found)}
    for name, each in out.items():
        print(f"{trial.setting.task.name}: {name:16} {each}", flush=True)
    return out


async def asked(server: Server, trial: Trial, scorer: Any) -> dict[str, float]:
    client = ServerClient((server.url,), server.model, api_key=server.key, connections=CONCURRENCY)
    items = {
        each.id: Item(each, vector) for each, vector in zip(trial.candidates, trial.vectors, strict=True)
    }
    events: list[NewEvent] = []
    await client.start()
    try:
        done = await ask_scores(
            client,
            {Mark(scorer.name, scorer.version, server.model, ""): (scorer, list(items))},
            lambda ids: [items[id_] for id_ in ids],
            events.extend,
            concurrency=CONCURRENCY,
        )
    finally:
        await client.aclose()
    for warning in done.warnings:
        print(warning, flush=True)
    return {event.subject: event.payload["score"] for event in events if "score" in event.payload}


def figures(trial: Trial, values: Mapping[str, float]) -> dict[str, Any]:
    told = [
        (values[each.id], right)
        for each, right in zip(trial.candidates, trial.right, strict=True)
        if each.id in values and values[each.id] == values[each.id]
    ]
    if len({right for _, right in told}) < 2:
        return {"auc": float("nan"), "n": len(told)}
    auc = auc_of([value for value, _ in told], [right for _, right in told])
    quarters = np.percentile([value for value, _ in told], [0, 25, 50, 75, 100]).round(3).tolist()
    return {
        "auc": round(auc.value, 3),
        "low": round(auc.low, 3),
        "high": round(auc.high, 3),
        "right": auc.approved,
        "wrong": auc.rejected,
        "quartiles": quarters,
    }


def together(trial: Trial, found: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Held-out AUC of a logistic regression on all scores, and on all but each: what each adds."""
    names = list(found)
    raw = np.array([[found[name].get(each.id, np.nan) for name in names] for each in trial.candidates])
    raw = np.nan_to_num((raw - np.nanmean(raw, 0)) / np.where(np.nanstd(raw, 0) > 0, np.nanstd(raw, 0), 1))
    arms = {"all": list(range(len(names)))}
    arms |= {f"without {name}": [at for at in arms["all"] if names[at] != name] for name in names}
    out = {}
    for arm, columns in arms.items():
        if columns:
            chances = cross_val_predict(
                LogisticRegression(), raw[:, columns], trial.right, cv=5, method="predict_proba"
            )[:, 1]
            out[arm] = round(auc_of(chances.tolist(), trial.right).value, 3)
    return out


def vectors_of(texts: Sequence[str]) -> np.ndarray:
    return open_embedder().embed(texts)


def rows_of(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


if __name__ == "__main__":
    main()
