"""Prompt templates: what comes along says what it always said, a workspace's own replace it, faults have a place."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedgate.canonical import content_hash
from seedgate.config import STRATEGIES
from seedgate.errors import ConfigError, InputError
from seedgate.generator import TEMPLATES, Templates, generate
from seedgate.generator.clients.base import Sampling
from seedgate.generator.prompts import ChatForm, ListForm
from seedgate.generator.rendering import Form
from seedgate.generator.strategies.base import Tally
from seedgate.generator.strategies.few_shot import FewShot
from seedgate.generator.templating import names_of
from seedgate.records import Example
from seedgate.task import Task
from seedgate.workspace import Workspace
from tests.fakes.vllm_server import FakeVllm

TASK = Task.from_config(
    {
        "preset": "classification",
        "name": "desk",
        "audience": "messages to a shop",
        "labels": {"late_delivery": "a parcel is overdue", "billing": "a charge is wrong"},
    }
)
HELP = Task.from_config({"preset": "instruction", "name": "help"})
DESK_SEEDS = [
    Example(
        fields={"text": f"Message {n} on {label}" + " again" * n, "label": label},
        tags=("edge",) if n < 2 else ("core",),
    )
    for label in ("late_delivery", "billing")
    for n in range(8)
]
HELP_SEEDS = [Example(fields={"instruction": f"Say {n}.", "input": "", "output": f"{n}"}) for n in range(6)]
LATE = {"label": "late_delivery"}


# Hashes of what was sent before prompts were templates: measured yields rest on these very prompts.
@pytest.mark.parametrize(
    ("form", "seeds", "expected"),
    [
        (ListForm(TASK, 160), DESK_SEEDS, "258a37ba85c0bd6ed4dc927d7bc636c2205cafe6f47eb74a5fd67b39ab1467b2"),
        (ChatForm(TASK), DESK_SEEDS, "dffff02800baba0a3d71e4b08d38f67fa174b6c9a8893e8c72b66c5dd790413f"),
        (ChatForm(HELP), HELP_SEEDS, "3ffa781039eb08c7f9271de843577395206d0720a6d91ce4582caae81fcf3405"),
    ],
    ids=["list", "chat", "instruction"],
)
def test_few_shot_prompts_are_byte_for_byte_what_they_were(
    form: Form, seeds: list[Example], expected: str
) -> None:
    sampling = Sampling(2, 0.7, 0.9, 160)
    strategy = FewShot(form, seeds, key="k", request_prefix="r-", sampling=sampling, shots=4, run=3)
    sent = []
    for plan in islice(strategy.plans(Tally()), 20):
        prompt = plan.request.prompt
        words = prompt if isinstance(prompt, str) else [dict(message) for message in prompt]
        sent.append([words, list(plan.request.sampling.stop), plan.request.json_schema])
    assert content_hash(sent) == expected


def folder(tmp_path: Path, **texts: str) -> Path:
    place = tmp_path / "prompts"
    place.mkdir()
    for name, text in texts.items():
        (place / f"{name.replace('__', '.')}.txt").write_text(text, encoding="utf-8")
    return place


class TestShipped:
    def test_every_template_passes_its_own_check_and_is_listed(self, tmp_path: Path) -> None:
        own = Templates(tmp_path / "prompts")
        for name in TEMPLATES:
            own.copy(name)
        assert {path.stem for path in (tmp_path / "prompts").iterdir()} == set(TEMPLATES)
        copied = Templates(tmp_path / "prompts")
        for name in TEMPLATES:
            assert copied.hash(name) == own.hash(name)
            assert (own.place(name), copied.place(name)) == ("shipped", f"prompts/{name}.txt")

    @given(value=st.text(st.sampled_from("$a{}s \n")))
    def test_what_is_filled_in_is_never_read_as_a_template(self, value: str) -> None:
        for name in TEMPLATES:
            values = dict.fromkeys(names_of(name), f"<{value}>")
            text = Templates().text(name)
            assert Templates().fill(name, values).count(f"<{value}>") == text.count("$")


class TestOverride:
    def test_a_file_of_the_workspace_replaces_the_shipped_one(self, tmp_path: Path) -> None:
        own = Templates(folder(tmp_path, few_shot__list="Say $audience\r\n$seeds\n$next. $open:\n\n"))
        prompt = ListForm(TASK, 160, own).render([DESK_SEEDS[0]], LATE).prompt
        assert prompt == (
            "Say Messages to a shop.\n1. Late delivery: Message 0 on late_delivery\n2. Late delivery:"
        )

    def test_seeds_that_look_like_placeholders_stay_as_they_are(self) -> None:
        odd = Example(fields={"text": "Cost $5, $seeds ${open} {label} $$", "label": "billing"})
        for form in (ListForm(TASK, 160), ChatForm(TASK)):
            prompt = form.render([odd], {"label": "billing"}).prompt
            text = prompt if isinstance(prompt, str) else prompt[1]["content"]
            assert "Cost $5, $seeds ${open} {label} $$" in text

    @pytest.mark.parametrize(
        ("name", "text", "said"),
        [
            (
                "few_shot__list",
                "$audience\n$sedes\n$next. $open:",
                r"few_shot\.list\.txt:2: \$sedes .* mean \$seeds\?",
            ),
            ("few_shot__list", "a\nb\n$seeds $5 $next. $open:", r"list\.txt:3: a \$ without a name.*\$\$"),
            ("few_shot__list", "$seeds\n$next. Late:\n", r"list\.txt:2: .* without \$open"),
            ("few_shot__chat", "$seeds\n$open", r"chat\.txt:2: \$open is unknown: known: \$about, \$answer"),
            ("few_shot__chat", "$seeds", r"chat\.txt:1: .* without \$about"),
            ("repair__chat", "$about $seeds ${original}", r"repair\.chat\.txt:1: .* without \$reasons"),
            (
                "fewshot__list",
                "$seeds",
                r"fewshot\.list\.txt: no prompt uses this file: did you mean few_shot\.list",
            ),
            ("system__chat", "", r"system\.chat\.txt:1: .* without \$fields"),
        ],
    )
    def test_a_fault_is_said_with_file_and_line(
        self, tmp_path: Path, name: str, text: str, said: str
    ) -> None:
        with pytest.raises(ConfigError, match=said):
            Templates(folder(tmp_path, **{name: text}))

    def test_other_encodings_are_refused(self, tmp_path: Path) -> None:
        (folder(tmp_path) / "few_shot.list.txt").write_bytes(b"\xff\xfe")
        with pytest.raises(ConfigError, match="not UTF-8 at byte 0"):
            Templates(tmp_path / "prompts")

    def test_a_copy_replaces_no_file(self, tmp_path: Path) -> None:
        own = Templates(folder(tmp_path, own__list="$instruction $seeds $next. $open:"))
        with pytest.raises(InputError, match="is there already"):
            own.copy("own.list")
        with pytest.raises(InputError, match=r"did you mean writer\.list"):
            own.copy("repair.list")
        assert not own.copy("own.chat", dry_run=True).exists()


def test_the_ledger_says_which_templates_a_run_used(fake: FakeVllm, ready: Callable[..., Workspace]) -> None:
    ws = ready(fake, strategies={"few_shot": 1, "evolve": 1})
    generate(ws, candidates=5, cycle=1)
    (ws.root / "prompts").mkdir()
    (ws.root / "prompts/evolve_deeper.list.txt").write_text("Go on:\n$seeds\n$next. $open:")
    generate(ws, candidates=30, cycle=1)
    first, second = (event.payload["settings"] for event in ws.ledger.events("run.started"))
    assert first["strategies"] == {"few_shot": 1.0, "evolve": 1.0}
    assert set(first["templates"]) == {"few_shot.list", "evolve_deeper.list", "evolve_broader.list"}
    changed: set[Any] = {
        name for name in first["templates"] if first["templates"][name] != second["templates"][name]
    }
    assert changed == {"evolve_deeper.list"}
    assert any(body["prompt"].startswith("Go on:") for body in fake.bodies)


def test_the_guide_names_every_strategy_template_and_placeholder() -> None:
    guide = (Path(__file__).parents[2] / "docs/generating.md").read_text(encoding="utf-8")
    assert [name for name in STRATEGIES if f"| `{name}` |" not in guide] == []
    assert {name for each in TEMPLATES for name in names_of(each) if f"${name}`" not in guide} == set()
