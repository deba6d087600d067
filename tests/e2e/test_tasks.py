"""Extraction and chats on real vLLM, real Argilla and a real browser: what is approved is what a person saw.

The model writes what it likes, so two rows that are known stand beside its own, and texts are compared word by word.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from seedgate.finetune import audit, release
from seedgate.finetune.verifying import verified_release
from seedgate.generator import generate
from seedgate.review import decisions, pull, push
from seedgate.review.visible import unshow
from seedgate.seeds import create_workspace, lock, read_examples, verify
from seedgate.task import Task
from seedgate.workspace import Workspace
from tests.conftest import add_fields
from tests.e2e.conftest import Stack
from tests.e2e.test_browser import ReviewPage, browser, screenshot

__all__ = ["browser"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

BILLS: list[dict[str, Any]] = [
    {"text": text, "data": {"total": total, "buyer": buyer}}
    for text, total, buyer in [
        ("Tea for 4 pounds, paid by Ann Lee in cash.", 4, "Ann Lee"),
        ("The kettle was 30, said Bob, who has not paid.", 30, "Bob"),
        ("Invoice 7: two lamps for Nora, 88.50 in all.", 88.5, "Nora"),
        ("Carla owes us 12 for the broken window pane.", 12, "Carla"),
        ("Repairing the roof of Mr Hill came to 910.", 910, "Mr Hill"),
        ("Dan settled his tab of 15 yesterday evening.", 15, "Dan"),
        ("One bicycle, second hand, for Olga: 70 pounds.", 70, "Olga"),
        ("Eve bought stamps worth 9 at the counter.", 9, "Eve"),
    ]
]
CHATS: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}
    for asked, said in [
        ("How do I boil an egg?", "Seven minutes in boiling water."),
        ("Is it raining in Leeds?", "I cannot look outside."),
        ("Name a river in France.", "The Loire."),
        ("Translate 'owl' into German.", "Eule."),
        ("Who wrote Emma?", "Jane Austen wrote it in 1815."),
        ("Give me two primes above ten.", "11 and 13."),
        ("What is baking soda good for?", "It makes dough rise."),
        ("How many legs has a spider?", "Eight."),
    ]
]
KNOWN: dict[str, list[dict[str, Any]]] = {
    "extraction": [
        {"text": "Three pots of glue,\nfor Ida: 21.", "data": {"total": 21, "buyer": "Ida"}},
        {"text": "Mr Roe left 5 on the table. ", "data": {"total": 5, "buyer": "Mr Roe"}},
    ],
    "chat": [
        {
            "messages": [
                {"role": "user", "content": "Is tin a metal?"},
                {"role": "assistant", "content": "Yes.\n\nIt is."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Spell 'gnu'. "},
                {"role": "assistant", "content": "G, n, u."},
            ]
        },
    ],
}
"""Rows with what is hard to show: more than one line, an empty one, white space at an end."""
TASKS: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str]] = {
    "extraction": (BILLS, {"schema": {"total": "number", "buyer": "string"}}, "data"),
    "chat": (CHATS, {"audience": "short questions to an assistant"}, "messages"),
}


@pytest.mark.parametrize("preset", ["extraction", "chat"])
def test_from_seeds_to_a_release(
    preset: str,
    stack: Stack,
    browser: BrowserContext,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    reviewer_name: str,
) -> None:
    stack.use(monkeypatch)
    rows, declared, field = TASKS[preset]
    with begun(tmp_path, preset, rows, declared, reviewer_name) as ws:
        report = generate(ws, cycle=1)
        assert report.candidates, report
        add_fields(ws, KNOWN[preset])
        made = [ws.ledger.body(event.subject) for event in ws.ledger.events("candidate.created")]
        assert len(made) == report.candidates + len(KNOWN[preset])
        for fields in made:
            assert ws.task.validate_fields(fields) == fields
            value = ws.task.field(field).value(fields[field])
            if preset == "extraction":
                assert set(value) == {"total", "buyer"}
            else:
                assert value[-1]["role"] == "assistant"

        place = push(ws, cycle=1).places[reviewer_name][1]
        password = ws.secrets.get(f"reviewer_{reviewer_name}_password")
        page = ReviewPage(browser.new_page(), stack.argilla.url, reviewer_name, str(password), place)
        box = page.question(f"corrected_{field}").locator("[contenteditable]")
        expect(box).to_be_visible()
        screenshot(page.page, f"review-{preset}")
        shown = page.field([each.name for each in ws.task.fields].index(field)).inner_text().strip()
        every = [words(str(fields[field])) for fields in made]
        assert words(unshow(shown)) in every, "the page has all of it"
        assert words(unshow(box.inner_text())) == words(unshow(shown))
        page.choose("decision", "approve")
        page.finish("Submit")

        page.page.goto(f"{page.address}?page=1&status=pending")
        expect(box).not_to_have_text(shown)
        corrected = (
            json.dumps({"total": 4711, "buyer": "Zoë"})
            if preset == "extraction"
            else "User: Why?\nAssistant: So."
        )
        box.click()
        box.press("Control+A")
        box.press("Delete")
        page.page.keyboard.insert_text(corrected)
        page.choose("decision", "edit")
        page.finish("Submit")

        assert pull(ws).decisions == {"approve": 1, "edit": 1}
        approved = [id_ for id_, found in decisions(ws).items() if found.outcome == "approved"]
        values = [ws.task.field(field).value(fields[field]) for fields in ws.ledger.bodies(approved).values()]
        wanted: Any = (
            json.loads(corrected)
            if preset == "extraction"
            else [
                {"role": "user", "content": "Why?"},
                {"role": "assistant", "content": "So."},
            ]
        )
        assert len(approved) == 2
        assert wanted in values
        release(ws)
        assert len(verified_release(ws, "r001").fields) == 8
        assert audit(ws) == []


def words(text: str) -> list[str]:
    """Without white space, of which a model writes any, and a page keeps some."""
    return text.split()


def begun(
    folder: Path, preset: str, rows: list[dict[str, Any]], declared: dict[str, Any], reviewer: str
) -> Workspace:
    """A workspace of six seeds and two locked rows, ready to generate."""
    task = {"preset": preset, "name": preset} | declared
    parts: list[Any] = []
    for name, part in (("seeds", rows[:6]), ("held", rows[6:])):
        path = folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
        parts.append(read_examples(str(path), Task.from_config(task)))
    ws = create_workspace(
        folder / "ws",
        name=preset,
        task=task,
        seeds=parts[0],
        evaluation=parts[1],
        guidelines="# Reviewing\n\nApprove what is right.\n",
        reviewers=(reviewer,),
        settings={
            "policy": {"verified_seeds": 6, "min_eval": 2, "semantic_leak": 0.99},
            "generation": {"candidates": 4, "max_tokens": 200, "temperature": 1.0, "language": "any"},
            "review": {"controls": 0, "min_pace_s": 0, "rereview": 0},
        },
    )
    verify(ws, by="An Expert", statement="I have read every row.")
    lock(ws)
    return ws
