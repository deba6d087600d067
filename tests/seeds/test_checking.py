"""`seeds check`: what is wrong with a set of seeds, told by row with what to do."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from seedgate.errors import InputError
from seedgate.records import Example
from seedgate.seeds import CheckReport, check, check_workspace, near, text_of
from seedgate.seeds.content import output_of
from seedgate.task import Task
from seedgate.workspace import Workspace

TASK = Task.from_config({"preset": "classification", "name": "t", "labels": ["bug", "billing"]})
ALPACA = Task.from_config({"preset": "instruction", "name": "t"})


def examples(*rows: tuple[str, str], source: str = "seeds.jsonl") -> list[Example]:
    return [
        Example(fields={"text": text, "label": label}, source=f"{source}:{number}")
        for number, (text, label) in enumerate(rows, 1)
    ]


SOUND = [
    ("The kettle will not switch on.", "bug"),
    ("You took the money twice.", "billing"),
    ("The lid came off at once.", "bug"),
    ("What is this fee for?", "billing"),
]


def codes(report: CheckReport) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(finding.code, finding.severity, finding.rows) for finding in report.findings]


def test_sound_seeds_have_no_findings() -> None:
    report = check(examples(*SOUND), [], TASK)
    assert report.ok
    assert report.findings == ()
    assert report.labels == {"bug": 2, "billing": 2}
    assert str(report) == "4 seeds, 0 evaluation rows: 0 errors, 0 warnings"


@pytest.mark.parametrize(
    ("rows", "code", "severity"),
    [
        ([("It broke again today.", "bug"), ("it  BROKE again today.", "bug")], "duplicate", "error"),
        ([("It broke again today.", "bug"), ("It broke again today!", "bug")], "near_duplicate", "warning"),
        ([("It broke again today.", "bug"), ("It broke again today.", "billing")], "conflict", "error"),
        ([("It broke again today.", "bug"), ("It broke again today!", "billing")], "conflict", "warning"),
    ],
)
def test_likeness_among_seeds_names_both_rows(rows: list[tuple[str, str]], code: str, severity: str) -> None:
    report = check(examples(*rows, *SOUND), [], TASK)
    assert codes(report) == [(code, severity, ("seeds.jsonl:1", "seeds.jsonl:2"))]
    assert report.ok is (severity == "warning")


def test_a_conflict_is_not_hidden_by_a_nearer_row_that_agrees() -> None:
    rows = [
        ("My parcel is late again, where is it?", "bug"),
        ("My parcel is late again, where is it!!", "billing"),
        ("My parcel is late again, where is it!", "billing"),
    ]
    found = codes(check(examples(*rows, *SOUND), [], TASK))
    assert ("conflict", "warning", ("seeds.jsonl:1", "seeds.jsonl:3")) in found
    assert ("near_duplicate", "warning", ("seeds.jsonl:2", "seeds.jsonl:3")) in found


def test_the_policys_threshold_decides_what_is_near() -> None:
    rows = examples(("It broke again today.", "bug"), ("It broke again today!", "bug"), *SOUND)
    assert check(rows, [], TASK, near_duplicate=0.95).findings == ()


@pytest.mark.parametrize("held_out", ["The kettle will not switch on.", "the kettle will NOT switch on!"])
def test_overlap_with_the_evaluation_set_is_an_error(held_out: str) -> None:
    evaluation = examples(("Something else.", "bug"), (held_out, "bug"), source="eval.jsonl")
    report = check(examples(*SOUND), evaluation, TASK)
    assert codes(report) == [("overlap", "error", ("seeds.jsonl:1", "eval.jsonl:2"))]
    assert str(report.errors[0]).endswith(": remove it from one of the two files")


def test_a_label_without_seeds_is_an_error() -> None:
    report = check(examples(*SOUND[::2]), [], TASK)
    assert codes(report) == [("missing_label", "error", ())]
    assert "no seed has label 'billing'" in str(report)


def test_a_rare_label_is_a_warning() -> None:
    many = [
        (f"{word} {number} is broken", "bug")
        for number, word in enumerate(["kettle", "filter", "grinder"] * 3)
    ]
    report = check(examples(*many, SOUND[1]), [], TASK, near_duplicate=1)
    assert codes(report) == [("rare_label", "warning", ())]
    assert "only 1 of 10 seeds have label 'billing'" in report.findings[0].what


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (" The tap drips.", "field 'text' starts or ends with white space"),
        ("The tap drips.\n", "field 'text' starts or ends with white space"),
        ("The tap\u00a0drips\u200b.", "field 'text' has invisible characters: U+00A0, U+200B"),
        ("The tap \u202edrips.", "field 'text' has invisible characters: U+202E"),
        ("The ta\ufffd drips.", "field 'text' has the replacement character U+FFFD"),
        ("Cafe\u0301!", "field 'text' is not in Unicode NFC"),
    ],
)
def test_what_nobody_sees_is_a_warning(text: str, what: str) -> None:
    report = check(examples(*SOUND, (text, "bug")), [], TASK)
    assert codes(report) == [("oddity", "warning", ("seeds.jsonl:5",))]
    assert report.findings[0].what.startswith(what)


def test_rows_that_do_not_fit_the_task_are_errors() -> None:
    report = check(examples(*SOUND, ("x", "nonsense")), [], TASK)
    assert codes(report) == [("schema", "error", ("seeds.jsonl:5",))]


def test_a_task_without_labels_has_no_balance() -> None:
    rows = [Example(fields={"instruction": "Add.", "input": "1 1", "output": "2"})]
    report = check(rows, [], ALPACA)
    assert report.ok
    assert report.labels == {}


def test_the_report_is_json() -> None:
    report = check(examples(*SOUND, SOUND[0]), [], TASK)
    data = json.loads(json.dumps(report.model_dump(mode="json")))
    assert data["seeds"] == 5
    assert data["findings"][0]["code"] == "duplicate"


def test_progress_ends_with_the_last_row() -> None:
    told: list[tuple[int, int]] = []
    check(examples(*SOUND), [], TASK, on_progress=lambda done, total, note: told.append((done, total)))
    assert told[-1] == (4, 4)


def test_thousands_of_seeds_are_compared_without_comparing_each_with_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared = 0
    measure = near._overlap

    def counted(a: Any, b: Any) -> float:
        nonlocal compared
        compared += 1
        return measure(a, b)

    monkeypatch.setattr(near, "_overlap", counted)
    words = [format(n * 7919 % 100_003, "05d") for n in range(30_000)]
    rows = [(" ".join(words[n : n + 6]), ["bug", "billing"][n % 4 // 2]) for n in range(0, 30_000, 6)]
    assert check(examples(*rows), examples(*SOUND), TASK).ok
    assert compared < 5000


# -- a workspace's own files -------------------------------------------------------------------------


def test_a_workspace_is_checked_by_its_own_policy(make_workspace: Callable[..., Workspace]) -> None:
    ws = make_workspace(settings={"policy": {"verified_seeds": 50}}, verified=False, locked=False)
    report = check_workspace(ws)
    assert [finding.code for finding in report.findings] == ["too_few"]
    assert report.ok
    assert (report.seeds, report.evaluation) == (12, 6)


def test_an_evaluation_set_may_come_later(make_workspace: Callable[..., Workspace]) -> None:
    ws = make_workspace(evaluation=[], verified=False, locked=False)
    assert check_workspace(ws).evaluation == 0
    ws.eval_path.unlink()
    assert check_workspace(ws).evaluation == 0


def test_a_broken_file_of_a_workspace_is_one_clear_line(tiny_workspace: Workspace) -> None:
    tiny_workspace.seeds_path.write_text('{"text": "x"}\n')
    with pytest.raises(InputError, match=r"seeds\.jsonl:1: field 'label' is missing"):
        check_workspace(tiny_workspace)


# -- what is compared --------------------------------------------------------------------------------


def test_the_text_of_an_example_is_its_input_fields() -> None:
    assert text_of(TASK, {"text": "Hi", "label": "bug"}) == "Hi"
    assert text_of(ALPACA, {"instruction": "Add.", "input": "1 1", "output": "2"}) == "Add.\n1 1"
    assert text_of(ALPACA, {"instruction": "Add.", "input": "", "output": "2"}) == "Add."


def test_outputs_are_the_same_when_their_canonical_form_is() -> None:
    assert output_of(TASK, {"text": "Hi", "label": "bug"}) == output_of(TASK, {"label": "bug", "text": "Ho"})
    assert output_of(ALPACA, {"output": "e\u0301"}) == output_of(ALPACA, {"output": "é"})
