"""Fixtures that several rooms share: the public data folder, and a small workspace that is ready to generate."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from seedgate.ledger import NewEvent
from seedgate.records import Candidate, Example, Provenance
from seedgate.seeds import create_workspace, lock, verify
from seedgate.seeds.minilm import MiniLM
from seedgate.workspace import Workspace

# Scenarios that tests of two folders import; here, since this file is read before any of them.
pytest.register_assert_rewrite(
    "tests.review.scenarios",
    "tests.review.case_scenarios",
    "tests.review.seed_scenarios",
    "tests.review.invariants",
)

# Time limits per example would fail on a busy machine, not on a fault; pytest's own timeout still holds.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# What CI lands on is the same examples for the same code; new ones are drawn wherever else the tests run.
settings.register_profile("same", settings.get_profile("patient"), derandomize=True)
settings.load_profile("same" if os.environ.get("SEEDGATE_TEST_ALL") else "patient")

REPOSITORY = Path(__file__).parents[1]

TINY_TASK: dict[str, Any] = {
    "preset": "classification",
    "name": "tiny",
    "audience": "messages that customers sent to a shop",
    "labels": {
        "delivery": "where a parcel is",
        "billing": "what was charged",
        "account": "signing in",
    },
}

TINY_SEEDS = {
    "delivery": [
        "Where is the parcel I ordered last week?",
        "The courier left nothing but a card.",
        "Tracking says Leeds since Monday. Stuck?",
        "Still no kettle here!",
    ],
    "billing": [
        "You took 40 pounds twice for one order.",
        "My voucher was not accepted at checkout.",
        "Why does the invoice say 12.99 instead of 9.99?",
        "Card declined, though there's money on it.",
    ],
    "account": [
        "I forgot my password and the reset mail never comes.",
        "Somebody in Spain signed in as me.",
        "How do I change the e-mail I log in with?",
        "Locked out again :(",
    ],
}

TINY_EVALUATION = {
    "delivery": ["When will the teapot get here?", "Neighbour has no package of mine either."],
    "billing": ["Please explain the extra fee on my statement.", "The discount vanished after I paid."],
    "account": ["Your site keeps throwing me out after the code.", "Can't sign up, it says name taken."],
}


def tiny_examples(texts: dict[str, list[str]], source: str) -> list[Example]:
    """Examples of the tiny task, by label in turn."""
    rows = [
        (text, label)
        for turn in zip(*texts.values(), strict=True)
        for text, label in zip(turn, texts, strict=True)
    ]
    return [
        Example(fields={"text": text, "label": label}, source=f"{source}:{number}")
        for number, (text, label) in enumerate(rows, 1)
    ]


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of public data sets; the test is skipped, visibly, where it is absent."""
    folder = Path(os.environ.get("SEEDGATE_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no public data at {folder}: set SEEDGATE_DATA")
    return folder


@pytest.fixture(autouse=True, scope="session")
def remembered_vectors() -> Iterator[Callable[..., Any]]:
    """The real model, but each text only once in a process: most workspaces here hold the same rows.

    Yields what always computes.
    """
    embed = MiniLM.embed
    known: dict[str, Any] = {}

    def remembering(self: MiniLM, texts: Sequence[str]) -> Any:
        import numpy as np

        fresh = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(fresh, embed(self, fresh), strict=True))
        return np.stack([known[text] for text in texts]) if texts else embed(self, [])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MiniLM, "embed", remembering)
        yield embed


@pytest.fixture
def make_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Workspace]]:
    """Makes small workspaces: 12 seeds, 6 evaluation rows, three labels; closes them in the end.

    Keyword arguments: `folder` (default `workspace`), `verified` and `locked` (default both true), and
    whatever `create_workspace` takes; `settings` are merged over the lowered policy.
    """
    monkeypatch.delenv("SEEDGATE_LEDGER_URL", raising=False)
    made: list[Workspace] = []

    def make(
        *, folder: str = "workspace", verified: bool = True, locked: bool = True, **given: Any
    ) -> Workspace:
        settings = {"policy": {"verified_seeds": 12, "min_eval": 6}} | given.pop("settings", {})
        # Answers come at a program's pace here, and counts are of candidates; who tests controls asks for them.
        settings["review"] = {"controls": 0, "min_pace_s": 0} | settings.get("review", {})
        arguments: dict[str, Any] = {
            "name": "tiny",
            "task": TINY_TASK,
            "seeds": tiny_examples(TINY_SEEDS, "seeds.jsonl"),
            "evaluation": tiny_examples(TINY_EVALUATION, "eval.jsonl"),
            "guidelines": "# Reviewing\n\nApprove what a customer could have written, with the right label.\n",
            "reviewers": ("reviewer",),
            "settings": settings,
        }
        ws = create_workspace(tmp_path / folder, **(arguments | given))
        made.append(ws)
        if verified:
            verify(ws, by="An Expert", statement="I have read every row.")
        if locked:
            lock(ws)
        return ws

    yield make
    for ws in made:
        ws.close()


@pytest.fixture
def tiny_workspace(make_workspace: Callable[..., Workspace]) -> Workspace:
    """A small workspace with verified seeds and a locked evaluation set."""
    return make_workspace()


def add_rows(ws: Workspace, rows: dict[str, str], *, cycle: int = 1) -> list[str]:
    """Puts candidates into a workspace's ledger as generation would: text to label, and their cycle."""
    return add_fields(ws, [{"text": text, "label": label} for text, label in rows.items()], cycle=cycle)


def add_fields(ws: Workspace, rows: Sequence[dict[str, Any]], *, cycle: int = 1) -> list[str]:
    """The same for whatever fields the task has; their ids."""
    events = []
    for fields in rows:
        example = Example(fields=ws.task.validate_fields(fields))
        candidate = Candidate(
            example=example,
            provenance=Provenance(
                cycle=cycle,
                run="run",
                strategy="few_shot",
                model="model",
                prompt_hash="0" * 64,
                request_id="request",
                at="2026-01-01T00:00:00+00:00",
            ),
        )
        payload = candidate.model_dump(mode="json", exclude={"example": {"fields"}})
        key, body = f"candidate:{example.id}", dict(example.fields)
        events.append(NewEvent("candidate.created", example.id, payload, key, (body,)))
    ws.ledger.append(events)
    return [event.subject for event in events]


@pytest.fixture
def add_candidates() -> Callable[..., list[str]]:
    """`add_rows`, for tests that ask for it by name."""
    return add_rows
