"""Chats and extraction through all rooms, at fake servers: from a file of rows to rows for a trainer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.argilla_server import OWNER_KEY, FakeArgilla
from fakes.reviewing import Reviewer
from fakes.vllm_server import FakeVllm
from typer.testing import CliRunner

from seedgate.canonical import content_hash
from seedgate.cli.app import app
from seedgate.errors import InputError
from seedgate.finetune import audit, evaluate, export, release
from seedgate.finetune.verifying import verified_release
from seedgate.generator import generate
from seedgate.review import decisions, pull, push
from seedgate.review.visible import unshow
from seedgate.seeds import check_workspace, lock, read_examples, verify
from seedgate.workspace import Workspace

SETTINGS = """
[policy]
verified_seeds = 6
min_eval = 2
[generation]
candidates = 3
completions = 1
concurrency = 1
language = "any"
[review]
reviewers = ["ana"]
controls = 0
min_pace_s = 0
"""

BILLS = [
    ("Tea for 4 pounds, paid by Ann Lee in cash.", {"total": 4, "buyer": "Ann Lee"}),
    ("The kettle was 30, said Bob, who has not paid.", {"total": 30, "buyer": "Bob"}),
    ("Invoice 7: two lamps, 88.50 in all.", {"total": 88.5}),
    ("Carla owes us 12 for the broken window pane.", {"total": 12, "buyer": "Carla"}),
    ("Repairing the roof came to 910.", {"total": 910.0}),
    ("Dan settled his tab of 15 yesterday evening.", {"total": 15, "buyer": "Dan"}),
    ("One bicycle, second hand: 70 pounds.", {"total": 70}),
    ("Eve bought stamps worth 9 at the counter.", {"total": 9, "buyer": "Eve"}),
]
CHATS = [
    ["How do I boil an egg?", "Seven minutes in boiling water."],
    [
        "Is it raining in Leeds?",
        "I cannot look outside.",
        "And in theory?",
        "Then it usually is:\nAssistant: yes.",
    ],
    ["Name a river in France", "The Loire."],
    ["Translate 'owl' into German.", "Eule 🦉"],
    ["מה השעה?", "אין לי שעון."],
    ["Who wrote Emma?", "Jane Austen wrote it in 1815."],
    ["Give me two primes above ten.", "11 and 13."],
    ["What is baking soda good for?", "It makes dough rise."],
]


def turns(texts: list[str], roles: tuple[str, str], role: str, text: str) -> list[dict[str, str]]:
    return [{role: roles[n % 2], text: each} for n, each in enumerate(texts)]


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVllm]:
    monkeypatch.delenv("SEEDGATE_LEDGER_URL", raising=False)
    with FakeArgilla().serve() as argilla, FakeVllm() as vllm:
        monkeypatch.setenv("SEEDGATE_ARGILLA_URL", argilla.url)
        monkeypatch.setenv("SEEDGATE_ARGILLA_API_KEY", OWNER_KEY)
        monkeypatch.setenv("SEEDGATE_VLLM_URLS", vllm.url)
        yield vllm


def begun(folder: Path, rows: list[dict[str, Any]], *options: str) -> Workspace:
    """A workspace by `init`, verified and locked, ready for a few candidates."""
    seeds, held = folder / "seeds.jsonl", folder / "held.jsonl"
    seeds.write_text("".join(json.dumps(row) + "\n" for row in rows[:6]))
    held.write_text("".join(json.dumps(row) + "\n" for row in rows[6:]))
    command = ["init", str(folder / "ws"), "--seeds", str(seeds), "--eval", str(held), *options]
    plan = CliRunner().invoke(app, [*command, "--dry-run"], catch_exceptions=False)
    assert plan.exit_code == 0, plan.output
    assert "6 seeds, 2 evaluation examples; nothing was written" in plan.stdout
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    config = folder / "ws" / "seedgate.toml"
    head = config.read_text().partition("\n# Where the models")[0]
    config.write_text(f'{head}\n{SETTINGS}\n[vllm]\nmodel = "fake-135m"\n')
    ws = Workspace(folder / "ws")
    assert not [f for f in check_workspace(ws).findings if f.severity == "error"]
    verify(ws, by="An Expert", statement="I have read every row.")
    lock(ws)
    generate(ws, cycle=1)
    return ws


def reviewed(ws: Workspace, field: str, correct: Callable[[str], str], broken: str) -> tuple[str, str, str]:
    """One approval, one correction and one that cannot be read; gives the three ids."""
    push(ws, cycle=1)
    with Reviewer(ws, "ana") as ana:
        first, second, third = ana.records()[:3]
        ana.put(first, first["prefilled"] | {"decision": "approve"})
        mended = correct(second["prefilled"][f"corrected_{field}"])
        ana.put(second, second["prefilled"] | {"decision": "edit", f"corrected_{field}": mended})
        ana.put(third, third["prefilled"] | {"decision": "edit", f"corrected_{field}": broken})
        shown = unshow(first["fields"][field])
    pull(ws)
    found = decisions(ws)
    bodies = ws.ledger.bodies(found)
    (seen,) = (id_ for id_, fields in bodies.items() if fields[field] == shown)
    edited = next(
        e.payload["corrected_hash"]
        for e in ws.ledger.events("verdict.recorded")
        if e.payload["decision"] == "edit" and not e.payload.get("problem")
    )
    (odd,) = (e.subject for e in ws.ledger.events("verdict.recorded") if e.payload.get("problem"))
    return seen, edited, odd


def test_extraction_from_rows_to_training(servers: FakeVllm, tmp_path: Path) -> None:
    rows = [{"text": text, "data": data} for text, data in BILLS]
    with begun(tmp_path, rows, "--task", "extraction") as ws:
        assert ws.task.field("data").json_schema["required"] == ["total"]
        assert json.loads(ws.seeds_path.read_text().splitlines()[0])["data"] == BILLS[0][1]
        schema = servers.bodies[0]["response_format"]["json_schema"]["schema"]["properties"]["data"]
        assert schema["properties"] == {"total": {"type": "number"}, "buyer": {"type": "string"}}
        assert '"data": {"buyer": "Ann Lee", "total": 4}' in json.dumps(servers.bodies).replace(
            '\\\\\\"', '"'
        ).replace('\\"', '"')

        def correct(shown: str) -> str:
            assert shown.startswith('{\n  "buyer": ')
            return json.dumps(json.loads(shown) | {"buyer": "Zoë", "total": 5.0})

        seen, edited, odd = reviewed(ws, "data", correct, '{"total": "five"}')
        found = decisions(ws)
        assert (found[seen].outcome, found[edited].outcome) == ("approved", "approved")
        assert found[odd].outcome == "pending"
        assert "malformed: field 'data': total: \"five\" is no number" in found[odd].reason
        body = ws.ledger.bodies([edited])[edited]
        assert body["data"] == '{\n  "buyer": "Zoë",\n  "total": 5\n}'
        assert content_hash(body) == edited
        release(ws)
        rows_out = [
            row for fields in verified_release(ws, "r001").fields for row in ws.task.training_rows(fields)
        ]
        assert len(rows_out) == 8
        assert '{"buyer": "Zoë", "total": 5}' in [row["completion"][0]["content"] for row in rows_out]
        assert audit(ws) == []
        lines = export(ws, format="openai", out=tmp_path / "out.jsonl")
        assert lines.rows == 8
        measured = evaluate(ws)
        assert (measured.metric, measured.value, measured.exact) == ("field_f1", 0.0, 0.0)
        assert "0.000 exactly right" in str(measured)


@pytest.mark.parametrize("form", ["openai", "sharegpt"])
def test_chats_from_rows_to_training(servers: FakeVllm, tmp_path: Path, form: Any) -> None:
    if form == "openai":
        rows = [{"messages": turns(chat, ("user", "assistant"), "role", "content")} for chat in CHATS]
    else:
        rows = [{"conversations": turns(chat, ("human", "gpt"), "from", "value")} for chat in CHATS]
        rows[0]["system"] = "You are a cook."
    with begun(tmp_path, rows, "--task", "chat") as ws:
        seeds = read_examples(str(ws.seeds_path), ws.task)
        assert seeds[1].fields["messages"].count("\n") == 4
        assert "\n| Assistant: yes." in seeds[1].fields["messages"]

        def correct(shown: str) -> str:
            assert shown.startswith("User: ")
            return shown + "\n| Indeed.\nUser: Sure?\nAssistant: Quite."

        seen, edited, odd = reviewed(ws, "messages", correct, "User: Hello\nthere\nAssistant: Yes")
        found = decisions(ws)
        assert (found[seen].outcome, found[edited].outcome) == ("approved", "approved")
        assert found[odd].outcome == "pending"
        assert "malformed: field 'messages': line 2 begins no turn" in found[odd].reason
        release(ws)
        chats = verified_release(ws, "r001").fields
        rows_out = [row for fields in chats for row in ws.task.training_rows(fields)]
        assert (len(chats), len(rows_out)) == (8, 10), "one row for each assistant turn"
        assert [len(row["prompt"]) for row in ws.task.training_rows(seeds[1].fields)] == [1, 3]
        assert audit(ws) == []
        done = export(ws, format=form, out=tmp_path / "out.jsonl")
        written = [json.loads(line) for line in done.path.read_text().splitlines()]
        column = "messages" if form == "openai" else "conversations"
        assert rows[1][column] in [row[column] for row in written]
        assert evaluate(ws).metric == "token_f1"


# -- what `init` takes -------------------------------------------------------------------------------


def init(folder: Path, rows: list[dict[str, Any]], *options: str) -> Any:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    command = ["init", str(folder / "ws"), "--seeds", str(folder / "rows.jsonl"), *options]
    return CliRunner().invoke(app, command, catch_exceptions=False)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SEEDGATE_LEDGER_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_json_schema_is_written_into_the_workspace(here: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"total": {"type": "number", "default": None}},
        "required": ["total"],
    }
    (here / "bill.json").write_text(json.dumps(schema))
    rows = [{"text": "It was 4.", "data": '{"total": 4.0}'}, {"text": "And 5.", "data": {"total": 5}}]
    done = init(here, rows, "--task", "extraction", "--schema", "bill.json")
    assert done.exit_code == 0, done.output
    (here / "bill.json").unlink()
    with Workspace(here / "ws") as ws:
        assert ws.task.field("data").json_schema["properties"] == {"total": {"type": "number"}}
        assert [row["data"] for row in map(json.loads, ws.seeds_path.read_text().splitlines())] == [
            {"total": 4},
            {"total": 5},
        ]
        assert ws.config.generation.max_tokens == 512


def test_a_class_is_taken_along(here: Path) -> None:
    (here / "tasks.py").write_text(
        "from pydantic import BaseModel, Field\n"
        "class Bill(BaseModel):\n    total: float\n"
        "class Reader(BaseModel):\n"
        "    'Read.'\n"
        "    text: str = Field(json_schema_extra={'role': 'input'})\n"
        "    bill: Bill = Field(json_schema_extra={'role': 'output'})\n"
    )
    done = init(here, [{"text": "It was 4.", "bill": {"total": 4}}], "--task", "tasks.py:Reader")
    assert done.exit_code == 0, done.output
    with Workspace(here / "ws") as ws:
        assert (ws.root / "tasks.py").is_file()
        assert ws.task.json_output is not None


@pytest.mark.parametrize(
    ("rows", "options", "complaint"),
    [
        (
            [{"text": "a", "data": {"n": 1}}, {"text": "b", "data": {"n": "x"}}],
            ["--task", "extraction"],
            "several types",
        ),
        (
            [{"text": "a", "out": {"n": 1}}],
            ["--task", "extraction"],
            "rows.jsonl:1: no column 'data' (columns: text, out)",
        ),
        ([{"text": "a", "data": "{n}"}], ["--task", "extraction"], "no valid JSON at line 1, column 2"),
        ([{"text": "a"}], ["--task", "chat", "--schema", "x.json"], "--schema goes with --task extraction"),
        ([{"text": "a"}], ["--task", "chats"], "preset 'chats' is unknown"),
        (
            [{"messages": [{"role": "user", "content": "Hi"}, {"role": "tool", "content": "4"}]}],
            ["--task", "chat"],
            "a turn that is no text of system, user or assistant",
        ),
        (
            [{"messages": [{"role": "user", "content": "Hi"}]}],
            ["--task", "chat"],
            "ends with an answer by the assistant",
        ),
        ([{"messages": []}], ["--task", "chat"], "the chat has no turns"),
        (
            [{"messages": turns(CHATS[1], ("user", "assistant"), "role", "content")}],
            ["--task", "instruction"],
            "or a task of chats (--task chat)",
        ),
    ],
)
def test_rows_that_do_not_fit_are_said_in_one_line(
    here: Path, rows: Any, options: list[str], complaint: str
) -> None:
    with pytest.raises(InputError) as failed:
        init(here, rows, *options)
    assert complaint in str(failed.value)
    assert "\n" not in str(failed.value)
    assert not (here / "ws").exists()
