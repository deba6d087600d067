"""Does `push` put records into Argilla as fast as the SDK's bare `records.log`? At least 0.8 of its records per second.

Both arms send the same records (fields, pre-filled corrections) to the same server, in turns. `push` is timed
whole: planning, the ledger, accounts, workspace and dataset, records, reading back what arrived. `records.log` is
timed alone, its dataset made before. Then: seconds from a reviewer's last submission until `pull` has it.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from seedgate.generator import FilterChain
from seedgate.ledger import NewEvent
from seedgate.records import Candidate, Example, Provenance
from seedgate.review import pull, push
from seedgate.review.argilla_desk import ArgillaDesk
from seedgate.review.board import DatasetSpec
from seedgate.review.record_view import dataset_spec, record_fields, suggestions
from seedgate.review.visible import show
from seedgate.secrets import Secrets
from seedgate.seeds import example_workspace, lock, verified_seeds, verify
from seedgate.services import StackSpec, down, up
from seedgate.workspace import Workspace

TARGET = 0.8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="two short pairs of runs (default: six of 1,000)"
    )
    parser.add_argument("--url", help="an Argilla to use (default: the embedded one)")
    parser.add_argument("--key", help="its owner's API key")
    parser.add_argument("--records", type=int, help="per run of each arm, at most 1,000")
    parser.add_argument("--pairs", type=int, help="runs of each arm")
    args = parser.parse_args()
    records, pairs = args.records or (150 if args.quick else 1000), args.pairs or (2 if args.quick else 6)
    rates: dict[str, list[float]] = {"push": [], "records.log": []}
    waits: list[float] = []
    with served(args) as (url, key):
        for pair in range(1, pairs + 1):
            with fresh_workspace(url, key, records) as ws:
                rates["push"].append(with_push(ws, records))
                rates["records.log"].append(records / with_sdk(ws, url, key))
                waits += until_pulled(ws, 2 if args.quick else 5)
            shown = ", ".join(f"{name} {values[-1]:.0f} records/s" for name, values in rates.items())
            print(f"pair {pair}: {shown}; submission to pull {waits[-1]:.2f} s", flush=True)
    ours, theirs = (statistics.median(values) for values in rates.values())
    print(
        f"seconds from a submission until pull has it, waves of {records}: median {statistics.median(waits):.2f}"
    )
    result = {
        "name": "push",
        "value": round(ours, 1),
        "baseline": round(theirs, 1),
        "ratio": round(ours / theirs, 3),
        "target": TARGET,
        "ok": ours / theirs >= TARGET,
        "submission_to_pull_s": round(statistics.median(waits), 3),
    }
    print(json.dumps(result))


@contextmanager
def served(args: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Address and owner's key of an Argilla."""
    if args.url:
        yield args.url, args.key
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        try:
            state = up(root, StackSpec(services=("argilla",)), print)
            yield str(state.argilla_url), str(Secrets(root).get("argilla_api_key"))
        finally:
            down(root)


@contextmanager
def fresh_workspace(url: str, key: str, records: int) -> Iterator[Workspace]:
    """The shipped example with this many candidates and a reviewer that nobody knows yet."""
    os.environ["SEEDGATE_ARGILLA_URL"], os.environ["SEEDGATE_ARGILLA_API_KEY"] = url, key
    with tempfile.TemporaryDirectory() as folder:
        ws = example_workspace(Path(folder) / "bench", reviewers=(f"bench-{secrets.token_hex(4)}",))
        with ws:
            verify(ws, by="a benchmark", statement="the shipped example")
            lock(ws)
            add_candidates(ws, islice(pairs(ws), records))
            FilterChain.for_workspace(ws)  # stores what the texts mean, as `generate` would have
            yield ws


def pairs(ws: Workspace) -> Iterator[dict[str, str]]:
    """Rows of two seeds' texts, with the label of the first: as different from each other as seeds are."""
    label = ws.task.label_field
    assert label is not None
    seeds = [seed.fields for seed in verified_seeds(ws)[0].values()]
    for apart in range(1, len(seeds)):
        for number, first in enumerate(seeds):
            second = seeds[(number + apart) % len(seeds)]
            yield {"text": f"{first['text']} {second['text']}", label.name: first[label.name]}


def add_candidates(ws: Workspace, rows: Iterable[Mapping[str, Any]]) -> None:
    """Candidates with these fields, as generation would leave them."""
    events = []
    for fields in rows:
        example = Example(fields=ws.task.validate_fields(fields))
        born = Provenance(
            cycle=1,
            run="bench",
            strategy="few_shot",
            model="none",
            prompt_hash="0" * 64,
            request_id="bench",
            at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        payload = Candidate(example=example, provenance=born).model_dump(
            mode="json", exclude={"example": {"fields"}}
        )
        events.append(
            NewEvent("candidate.created", example.id, payload, f"candidate:{example.id}", (example.fields,))
        )
    ws.ledger.append(events)


def with_push(ws: Workspace, records: int) -> float:
    """Records per second of one whole push; some of them are controls, whose sources wait."""
    begin = time.perf_counter()
    report = push(ws, cycle=1, limit=records)
    seconds = time.perf_counter() - begin
    assert report.created >= records >= report.candidates > 0.8 * records, report
    return report.created / seconds


def with_sdk(ws: Workspace, url: str, key: str) -> float:
    """Seconds of `records.log` of the same records into a dataset with the same fields and questions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import argilla as rg

        logging.getLogger("argilla.sdk").setLevel(logging.ERROR)
        client = rg.Argilla(api_url=url, api_key=key)
        name = f"sdk-{secrets.token_hex(4)}"
        rg.Workspace(name=name, client=client).create()
        settings = sdk_settings(dataset_spec(ws.task, ws.guidelines()[0]))
        dataset = rg.Dataset(name=name, workspace=name, settings=settings, client=client).create()
        rows = list(sdk_rows(ws))
        begin = time.perf_counter()
        dataset.records.log(rows)
        return time.perf_counter() - begin


def sdk_settings(spec: DatasetSpec) -> Any:
    """The same page in the SDK's words."""
    import argilla as rg

    questions: list[Any] = []
    for q in spec.questions:
        if q.kind == "text":
            questions.append(rg.TextQuestion(name=q.name, title=q.title, required=q.required))
        else:
            kind = rg.LabelQuestion if q.kind == "label" else rg.MultiLabelQuestion
            labels = {option.value: option.text for option in q.options}
            questions.append(kind(name=q.name, title=q.title, labels=labels, required=q.required))
    fields = [rg.TextField(name=f.name, title=f.title, required=f.required) for f in spec.fields]
    return rg.Settings(fields=fields, questions=questions, guidelines=spec.guidelines)


def sdk_rows(ws: Workspace) -> Iterator[dict[str, Any]]:
    """What `push` sent, as rows of field and question names."""
    ids = [event.subject for event in ws.ledger.events("candidate.created")]
    for id_, fields in ws.ledger.bodies(ids).items():
        shown = {name: show(text) for name, text in record_fields(ws.task, fields, fields).items()}
        yield {"id": id_[:32], **shown, **suggestions(ws.task, fields)}


def until_pulled(ws: Workspace, times: int) -> list[float]:
    """Seconds from a submission's answer until `pull` returns with it."""
    (name,) = ws.config.review.reviewers
    password = ws.secrets.get(f"reviewer_{name}_password")
    pushed = ws.ledger.last("round.opened")
    assert pushed is not None
    assert password is not None
    place = pushed.payload["round"]["datasets"][name]
    waits = []
    with ArgillaDesk(ws.argilla_url(), name, password) as desk:
        for record in desk.records(*place)[:times]:
            desk.submit({record.key: {"decision": "approve", **record.suggestions}})
            begin = time.perf_counter()
            assert pull(ws).recorded == 1
            waits.append(time.perf_counter() - begin)
    return waits


if __name__ == "__main__":
    main()
