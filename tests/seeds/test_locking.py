"""`seeds lock`: the evaluation set is fixed by its content."""

import json
from collections.abc import Callable

import pytest

from seedgate.canonical import sha256
from seedgate.errors import InputError, RefusedError
from seedgate.ledger import NewEvent
from seedgate.seeds import lock, locking, set_hash, smallest_difference, verify
from seedgate.workspace import Workspace

Make = Callable[..., Workspace]


@pytest.fixture
def ws(make_workspace: Make) -> Workspace:
    return make_workspace(locked=False)


def refusal(ws: Workspace) -> str:
    head = ws.ledger.head()
    with pytest.raises(RefusedError) as refused:
        lock(ws)
    assert ws.ledger.head() == head
    return str(refused.value)


def test_a_lock_records_the_content_and_the_file(ws: Workspace) -> None:
    report = lock(ws)
    event = ws.ledger.last("eval.locked")
    assert event is not None
    assert event.subject == report.eval_hash == set_hash(reversed(event.payload["ids"]))
    assert event.payload["ids"] == sorted(event.payload["ids"])
    assert event.payload["count"] == report.count == 6
    assert event.payload["file_hash"] == report.file_hash == sha256(ws.eval_path.read_bytes())
    assert event.key == "eval-lock"
    assert not report.already


def test_the_report_says_what_the_set_can_show(ws: Workspace) -> None:
    report = lock(ws).model_copy(update={"count": 150, "smallest_difference": smallest_difference(150)})
    assert str(report).splitlines()[1] == (
        "a text leaks in meaning from a cosine of 0.750 (measured on these rows, all-MiniLM-L6-v2@53aa51172d14); "
        "0.0% of independent texts would (95 %: up to 45.9%)"
    )
    assert str(report.model_copy(update={"semantic": None})) == (
        f"evaluation set locked: 150 rows, hash {report.eval_hash[:12]};"
        " shows differences in accuracy from about 10 points"
    )
    none = report.model_copy(update={"smallest_difference": None, "semantic": None, "already": True})
    assert str(none).startswith("evaluation set was locked before: ")
    assert str(none).endswith("too few to show any difference")


def test_locking_the_same_content_again_is_harmless_in_any_order(ws: Workspace) -> None:
    first = lock(ws)
    head = ws.ledger.head()
    ws.eval_path.write_text("\n".join(reversed(ws.eval_path.read_text().splitlines())))
    again = lock(ws)
    assert again.already
    assert again.eval_hash == first.eval_hash
    assert ws.ledger.head() == head


def test_another_content_is_refused(ws: Workspace) -> None:
    lock(ws)
    ws.eval_path.write_text("\n".join(ws.eval_path.read_text().splitlines()[1:]))
    assert refusal(ws).startswith("another evaluation set of 6 rows was locked on ")


def test_a_dry_run_writes_nothing(ws: Workspace) -> None:
    head = ws.ledger.head()
    assert lock(ws, dry_run=True).count == 6
    assert ws.ledger.head() == head


def test_too_few_rows_are_refused(ws: Workspace) -> None:
    ws.eval_path.write_text("\n".join(ws.eval_path.read_text().splitlines()[1:]))
    assert refusal(ws) == (
        "eval.jsonl has 5 rows; the policy wants 6: add examples, or lower policy.min_eval in seedgate.toml"
    )


def test_a_missing_or_empty_set_is_one_clear_line(ws: Workspace) -> None:
    ws.eval_path.write_text("")
    with pytest.raises(InputError, match=r"eval\.jsonl: holds no rows"):
        lock(ws)
    ws.eval_path.unlink()
    with pytest.raises(InputError, match=r"eval\.jsonl: no such file"):
        lock(ws)


@pytest.mark.parametrize("text", ["Still no kettle here!", "STILL  no kettle here!", "Still no kettle here."])
def test_overlap_with_the_seeds_is_refused(ws: Workspace, text: str) -> None:
    with ws.eval_path.open("a") as file:
        file.write(json.dumps({"text": text, "label": "delivery"}) + "\n")
    told = refusal(ws)
    assert told.startswith("seeds.jsonl:10, eval.jsonl:7: the seed and a row of the evaluation set are ")


def test_overlap_with_a_seed_that_left_the_file_is_refused(ws: Workspace) -> None:
    ws.seeds_path.write_text("\n".join(ws.seeds_path.read_text().splitlines()[1:]))
    with ws.eval_path.open("a") as file:
        file.write('{"text": "Where is the parcel I ordered last week?", "label": "delivery"}\n')
    assert refusal(ws).startswith(
        "seeds.jsonl:1, eval.jsonl:7: the seed and a row of the evaluation set are the same"
    )


def test_of_two_locks_at_once_the_first_stands(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    compare = locking._refuse_overlap

    def meanwhile(*arguments: object) -> None:
        compare(*arguments)  # type: ignore[arg-type]
        ws.ledger.append([NewEvent("eval.locked", "f" * 64, {"ids": [], "count": 9}, key="eval-lock")])

    monkeypatch.setattr(locking, "_refuse_overlap", meanwhile)
    with pytest.raises(RefusedError, match="another evaluation set of 9 rows was locked"):
        lock(ws)


def test_the_order_of_lock_and_sign_off_does_not_matter(make_workspace: Make) -> None:
    ws = make_workspace(verified=False, locked=False)
    lock(ws)
    assert verify(ws, by="Ana", statement="Right.") == 12
