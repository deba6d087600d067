"""A user's own strategy: it is asked like any other, and what is wrong with it is one line with a place."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from seedgate.errors import ConfigError
from seedgate.generator import candidates, generate, replay
from seedgate.workspace import Workspace
from tests.fakes.vllm_server import FakeVllm

MINE = '''
"""Polite messages, two seeds of one label at a time."""

from collections.abc import Iterator

from seedgate.generator import Ask, Context


def ask(context: Context) -> Iterator[Ask]:
    while True:
        for group in context.groups:
            seeds = context.rng.sample(group.seeds, 2)
            yield Ask(tuple(seeds), instruction="All are polite.", tags=("core", "polite"))


def once(context):
    yield Ask(context.seeds[:1])


def breaks(context):
    yield Ask(context.seeds[:1])
    raise KeyError("no such thing")


def early(context):
    return 1 / 0


def odd(context):
    yield "words"


def empty(context):
    yield Ask(())


def foreign(context):
    from seedgate.records import Example

    yield Ask((Example(fields={"text": "Mine", "label": "billing"}),))


def unlabelled(context):
    yield Ask(context.seeds[:1], fixed={})


def wrong(context):
    yield Ask(context.seeds[:1], fixed={"label": "praise"})


def everything(context):
    yield Ask(context.seeds[:1], fixed={"label": "billing", "text": "All of it."})


def other(context):
    yield Ask(context.seeds[:1], fixed={"label": "billing", "tone": "kind"})


def shown(context):
    yield Ask(tuple(seed.fields for seed in context.seeds))


def tagged(context):
    yield Ask(context.seeds[:1], tags="polite")


from enum import StrEnum
from types import MappingProxyType


class Label(StrEnum):
    BILLING = "billing"


def with_enum(context):
    while True:
        for seed in context.seeds:
            yield Ask((seed,), fixed=MappingProxyType({"label": Label.BILLING}), tags=(Label.BILLING,))


def drawing(context):
    while True:
        yield Ask(context.seeds[:2], fixed={"label": context.seeds[0].fields["label"]}, drawn=context.seeds[2:5])


number = 5
'''

GUIDE = Path(__file__).parents[2] / "docs/generating.md"
Make = Callable[..., Workspace]


def using(ready: Make, fake: FakeVllm, shares: dict[str, float], text: str = MINE) -> Workspace:
    ws = ready(fake, strategies=shares)
    (ws.root / "mine.py").write_text(text)
    return ws


def test_what_only_its_own_file_knows_is_plain_before_it_goes_to_another_process(
    fake: FakeVllm, ready: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedgate.generator.run.pays", lambda wanted: True)
    ws = using(ready, fake, {"mine.py:with_enum": 1})
    generate(ws, candidates=10, cycle=1)
    made = list(candidates(ws.ledger))
    assert {each.example.fields["label"] for each in made} == {"billing"}
    assert {each.example.tags for each in made} == {("billing",)}


def test_what_a_prompt_draws_on_without_showing_it_does_not_count_in_its_list(
    fake: FakeVllm, ready: Make
) -> None:
    ws = using(ready, fake, {"mine.py:drawing": 1})
    generate(ws, candidates=10, cycle=1)
    made = list(candidates(ws.ledger))
    assert {len(each.provenance.seed_ids) for each in made} == {5}
    assert (
        max(each.provenance.item for each in made) >= 1
    )  # lines after the first count on from the two shown
    again = replay(ws)
    assert (again.found, again.lost) == (0, 0)


def test_it_asks_beside_the_others_and_its_name_stays_with_what_it_brought(
    fake: FakeVllm, ready: Make
) -> None:
    ws = using(ready, fake, {"few_shot": 1, "mine.py:ask": 1})
    generate(ws, candidates=30, cycle=1)
    mine = [each for each in candidates(ws.ledger) if each.provenance.strategy == "mine.py:ask"]
    assert len(mine) >= 5
    assert {each.example.tags for each in mine} == {("core", "polite")}
    prompts = [body["prompt"] for body in fake.bodies if "All are polite." in body["prompt"]]
    assert "Delivery: where a parcel is All are polite.\n" in "".join(prompts)
    started = ws.ledger.last("run.started")
    assert started is not None
    assert len(started.payload["settings"]["templates"]["mine.py:ask"]) == 64  # of the file as it was


def test_it_is_asked_again_after_a_rerun_where_it_stopped(fake: FakeVllm, ready: Make) -> None:
    ws = using(ready, fake, {"mine.py:ask": 1})
    generate(ws, candidates=10, cycle=1)
    generate(ws, candidates=40, cycle=1)
    whole = using(lambda *a, **k: ready(*a, given={"folder": "whole"}, **k), fake, {"mine.py:ask": 1})
    generate(whole, candidates=40, cycle=1)
    asked = [
        {e.payload["index"]: e.payload["prompt_hash"] for e in each.ledger.events("request.completed")}
        for each in (ws, whole)
    ]
    common = asked[0].keys() & asked[1].keys()
    assert len(common) >= 6
    assert {n: asked[0][n] for n in common} == {n: asked[1][n] for n in common}


def test_one_that_ends_ends_the_run_with_a_word(fake: FakeVllm, ready: Make) -> None:
    report = generate(using(ready, fake, {"mine.py:once": 1}), candidates=30, cycle=1)
    assert report.requests == 1
    assert "nothing more to ask" in report.warnings[-1]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("breaks", r"'mine\.py:breaks' failed at .*mine\.py:22: KeyError: 'no such thing'"),
        ("early", r"failed at .*mine\.py:26: ZeroDivisionError: division by zero"),
        ("odd", r"it yielded str, not seedgate\.generator\.Ask"),
        ("empty", "shows no seed"),
        ("foreign", "no verified seed"),
        ("unlabelled", "its fixed fields lack 'label'"),
        ("wrong", "'praise' is no value of 'label'"),
        ("everything", "nothing to write"),
        ("other", "'tone', which is no field"),
        ("shown", "something else than seeds"),
        ("tagged", "its tags are 'polite', no tuple"),
        ("number", "has no function 'number'"),
        ("missing", "has no function 'missing'"),
    ],
)
def test_what_is_wrong_with_it_is_one_line(fake: FakeVllm, ready: Make, function: str, said: str) -> None:
    ws = using(ready, fake, {f"mine.py:{function}": 1})
    with pytest.raises(ConfigError, match=said) as caught:
        generate(ws, candidates=10, cycle=1)
    assert "\n" not in str(caught.value)


def test_what_came_back_before_it_failed_is_kept(fake: FakeVllm, ready: Make) -> None:
    ws = using(ready, fake, {"mine.py:breaks": 1})
    with pytest.raises(ConfigError, match="KeyError"):
        generate(ws, candidates=30, cycle=1)
    assert ws.ledger.count("request.completed") == 1
    assert ws.ledger.count("run.finished") == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_of_the_kind", r"mine\.py:1: ModuleNotFoundError"),
        ("def ask(context):\n  yield (", r"mine\.py:2: SyntaxError"),
        ("raise SystemExit(3)", r"mine\.py:1: SystemExit: 3"),
    ],
)
def test_a_file_that_does_not_run_is_one_line(fake: FakeVllm, ready: Make, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        generate(using(ready, fake, {"mine.py:ask": 1}, text), candidates=10, cycle=1)


@pytest.mark.parametrize("name", ["../mine.py:ask", "gone.py:ask"])
def test_the_file_must_lie_in_the_workspace(fake: FakeVllm, ready: Make, name: str) -> None:
    ws = using(ready, fake, {name: 1})
    (ws.root.parent / "mine.py").write_text(MINE)
    with pytest.raises(ConfigError, match="a file inside the workspace"):
        generate(ws, candidates=10, cycle=1)


def test_a_link_out_of_the_workspace_does_not_count_as_inside(fake: FakeVllm, ready: Make) -> None:
    ws = using(ready, fake, {"mine.py:ask": 1})
    (ws.root.parent / "theirs.py").write_text(MINE)
    (ws.root / "mine.py").unlink()
    (ws.root / "mine.py").symlink_to(ws.root.parent / "theirs.py")
    with pytest.raises(ConfigError, match="a file inside the workspace"):
        generate(ws, candidates=10, cycle=1)


def test_the_example_of_the_guide_works(fake: FakeVllm, ready: Make) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    ws = using(ready, fake, {"few_shot": 0.8, "mine.py:ask": 0.2}, example)
    report = generate(ws, candidates=40, cycle=1)
    assert report.strategies["mine.py:ask"]["candidates"] >= 1
