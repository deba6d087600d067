"""The baseline: verified seeds and a locked evaluation set, or a refusal that says what to do."""

from collections.abc import Callable

import pytest

from seedgate.errors import LedgerError, RefusedError
from seedgate.seeds import baseline, set_hash
from seedgate.workspace import Workspace

Make = Callable[..., Workspace]


def test_a_ready_workspace_has_a_baseline(tiny_workspace: Workspace) -> None:
    ready = baseline(tiny_workspace)
    assert len(ready.seeds) == 12
    assert all(id_ == seed.id for id_, seed in ready.seeds.items())
    assert [seed.source for seed in ready.seeds.values()] == [f"seeds.jsonl:{n}" for n in range(1, 13)]
    assert ready.vouched == dict.fromkeys(ready.seeds, "An Expert")
    assert ready.seed_set_hash == set_hash(reversed(list(ready.seeds)))
    assert [example.source for example in ready.evaluation] == [f"eval.jsonl:{n}" for n in range(1, 7)]
    locked = tiny_workspace.ledger.last("eval.locked")
    assert locked is not None
    assert ready.eval_hash == locked.subject


def test_too_few_verified_seeds_are_refused(make_workspace: Make) -> None:
    ws = make_workspace(settings={"policy": {"verified_seeds": 200, "min_eval": 6}})
    with pytest.raises(RefusedError) as refused:
        baseline(ws)
    assert str(refused.value) == (
        "12 seeds are verified; the policy wants 200: add examples to seeds.jsonl, then run `seedgate seeds verify`"
    )


def test_unverified_seeds_do_not_count(make_workspace: Make) -> None:
    with pytest.raises(RefusedError, match="0 seeds are verified"):
        baseline(make_workspace(verified=False))


def test_without_a_lock_it_is_refused(make_workspace: Make) -> None:
    with pytest.raises(RefusedError, match="the evaluation set is not locked: run `seedgate seeds lock`"):
        baseline(make_workspace(locked=False))


def test_an_evaluation_set_changed_after_the_lock_is_refused(tiny_workspace: Workspace) -> None:
    text = tiny_workspace.eval_path.read_text()
    tiny_workspace.eval_path.write_text(text.replace("teapot", "kettle"))
    with pytest.raises(
        RefusedError, match=r"eval\.jsonl is not what was locked on .*: restore the locked file"
    ):
        baseline(tiny_workspace)


def test_another_order_or_spelling_of_the_same_evaluation_set_is_no_change(tiny_workspace: Workspace) -> None:
    lines = tiny_workspace.eval_path.read_text().splitlines()
    tiny_workspace.eval_path.write_text("\r\n\r\n".join(reversed(lines)))
    assert len(baseline(tiny_workspace).evaluation) == 6


def test_a_seed_whose_body_was_taken_out_is_left_out(tiny_workspace: Workspace) -> None:
    gone = next(iter(baseline(tiny_workspace).seeds))
    with tiny_workspace.ledger._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM bodies WHERE hash = ?", (gone,))
    with pytest.raises(RefusedError, match="11 seeds are verified"):
        baseline(tiny_workspace)


def test_a_seed_changed_in_the_database_is_refused(tiny_workspace: Workspace) -> None:
    with tiny_workspace.ledger._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bodies SET body = replace(body, 'billing', 'account')")
    with pytest.raises(LedgerError, match="was changed in the database: run `seedgate audit`"):
        baseline(tiny_workspace)
