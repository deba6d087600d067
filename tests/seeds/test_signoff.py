"""`seeds verify`: a sign-off of the file as it is, and only before anything was generated."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from seedgate.errors import BusyError, InputError, RefusedError
from seedgate.ledger import NewEvent
from seedgate.records import Example
from seedgate.seeds import baseline, lock, verified_seeds, verify
from seedgate.workspace import Workspace

Make = Callable[..., Workspace]
SAID = {"by": "Ana", "statement": "Read and right."}


@pytest.fixture
def ws(make_workspace: Make) -> Workspace:
    return make_workspace(verified=False, locked=False)


def rows(ws: Workspace) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ws.seeds_path.read_text().splitlines()]


def rewrite(ws: Workspace, new: list[dict[str, Any]]) -> None:
    ws.seeds_path.write_text("".join(json.dumps(row) + "\n" for row in new))


def texts(ws: Workspace) -> list[Any]:
    return [seed.fields["text"] for seed in verified_seeds(ws)[0].values()]


def refusal(ws: Workspace) -> str:
    head = ws.ledger.head()
    with pytest.raises(RefusedError) as refused:
        verify(ws, **SAID)
    assert ws.ledger.head() == head
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


def test_who_vouches_what_for_and_when_is_recorded_for_every_row(ws: Workspace) -> None:
    assert verify(ws, by=" Ana ", statement="Read and right.") == 12
    events = list(ws.ledger.events("seed.verified"))
    assert len(events) == 12
    assert all(event.key == f"verified:{event.subject}" for event in events)
    payload = events[0].payload
    assert (payload["method"], payload["by"], payload["statement"]) == ("sign-off", "Ana", "Read and right.")
    assert payload["at"][:10] <= events[0].at[:10]
    assert verified_seeds(ws)[1] == dict.fromkeys((event.subject for event in events), "Ana")


def test_a_second_sign_off_changes_nothing_and_the_first_voucher_stays(ws: Workspace) -> None:
    verify(ws, **SAID)
    head = ws.ledger.head()
    assert verify(ws, by="Bo", statement="Me too.") == 0
    assert ws.ledger.head() == head


def test_a_dry_run_counts_and_writes_nothing(ws: Workspace) -> None:
    head = ws.ledger.head()
    assert verify(ws, **SAID, dry_run=True) == 12
    assert ws.ledger.head() == head


@pytest.mark.parametrize("said", [{"by": " ", "statement": "x"}, {"by": "Ana", "statement": ""}])
def test_nobody_and_nothing_are_no_sign_off(ws: Workspace, said: dict[str, str]) -> None:
    with pytest.raises(RefusedError, match="a sign-off needs a name and a statement"):
        verify(ws, **said)


# -- the file is what counts -------------------------------------------------------------------------


def test_rows_added_to_the_file_are_added_to_the_ledger(ws: Workspace) -> None:
    rewrite(
        ws, [*rows(ws), {"text": "A drone dropped it on the roof.", "label": "delivery", "tags": ["edge"]}]
    )
    assert verify(ws, **SAID) == 13
    assert list(verified_seeds(ws)[0].values())[-1].tags == ("edge",)
    assert texts(ws)[-1] == "A drone dropped it on the roof."


def test_rows_that_left_the_file_are_not_verified(ws: Workspace) -> None:
    rewrite(ws, rows(ws)[2:])
    assert verify(ws, **SAID) == 10
    assert len(verified_seeds(ws)[0]) == 10


def test_a_row_corrected_after_a_sign_off_replaces_the_wrong_one(ws: Workspace) -> None:
    verify(ws, **SAID)
    corrected = rows(ws)
    corrected[0]["text"] = "Where is the parcel that I ordered in May?"
    rewrite(ws, corrected)
    assert verify(ws, by="Bo", statement="Corrected.") == 1
    assert len(texts(ws)) == 12
    assert "Where is the parcel that I ordered in May?" in texts(ws)
    assert "Where is the parcel I ordered last week?" not in texts(ws)
    assert sorted(set(verified_seeds(ws)[1].values())) == ["Ana", "Bo"]


def test_a_withdrawn_row_can_come_back(ws: Workspace) -> None:
    whole = rows(ws)
    verify(ws, **SAID)
    rewrite(ws, whole[:-1])
    assert verify(ws, **SAID) == 0
    assert len(texts(ws)) == 11
    rewrite(ws, whole)
    assert verify(ws, by="Bo", statement="Back.") == 1
    assert len(texts(ws)) == 12
    assert list(verified_seeds(ws)[1].values()).count("Bo") == 1
    assert list(ws.ledger.verify()) == []


def test_what_was_signed_off_is_what_the_ledger_holds_not_what_the_file_says_later(ws: Workspace) -> None:
    verify(ws, **SAID)
    lock(ws)
    before = baseline(ws).seeds
    ws.seeds_path.write_text("not even JSON")
    assert baseline(ws).seeds == before


# -- refusals ----------------------------------------------------------------------------------------


def test_after_the_first_generation_the_door_is_shut(ws: Workspace) -> None:
    verify(ws, **SAID)
    ws.ledger.append([NewEvent("run.started", "r1", {"cycle": 1})])
    assert refusal(ws).startswith(
        "seeds cannot be signed off after the first generation: put new seeds before"
    )


def test_a_sign_off_waits_for_no_generation_that_is_starting(ws: Workspace) -> None:
    with ws.ledger.lease("generate"), pytest.raises(BusyError, match="another `generate` runs"):
        verify(ws, **SAID)


def test_errors_of_the_check_stop_it(ws: Workspace) -> None:
    rewrite(ws, [*rows(ws), rows(ws)[0] | {"label": "billing"}, rows(ws)[1] | {"label": "delivery"}])
    text = refusal(ws)
    assert text.startswith(
        "seeds.jsonl:1, seeds.jsonl:13: the same input with different outputs: keep the right one"
    )
    assert text.endswith("(and 1 more; `seedgate seeds check` lists them)")


def test_a_row_of_the_evaluation_set_stops_it(ws: Workspace) -> None:
    rewrite(ws, [*rows(ws), {"text": "When will the teapot get here??", "label": "delivery"}])
    assert refusal(ws).startswith(
        "seeds.jsonl:13, eval.jsonl:1: the seed and a row of the evaluation set are "
    )


def test_a_row_of_the_locked_evaluation_set_stops_it_even_when_it_was_taken_out_of_the_file(
    ws: Workspace,
) -> None:
    lock(ws)
    held_out = ws.eval_path.read_text().splitlines()
    ws.eval_path.write_text("\n".join(held_out[1:]))
    rewrite(ws, [*rows(ws), json.loads(held_out[0])])
    assert refusal(ws).startswith("eval.jsonl is not what was locked on ")


@pytest.mark.parametrize("text", ["The grinder arrived in pieces.", "the grinder arrived in pieces!"])
def test_a_row_that_was_generated_stops_it(ws: Workspace, text: str) -> None:
    candidate = Example(fields={"text": "The grinder arrived in pieces.", "label": "delivery"})
    ws.ledger.append(
        [
            NewEvent(
                "candidate.created", candidate.id, {"provenance": {"cycle": 1}}, bodies=(candidate.fields,)
            )
        ]
    )
    rewrite(ws, [*rows(ws), {"text": text, "label": "delivery"}])
    told = refusal(ws)
    assert told.startswith("seeds.jsonl:13: ")
    assert f"like the generated candidate {candidate.id[:12]}: only review in Argilla" in told


def test_a_broken_file_is_one_clear_line(ws: Workspace) -> None:
    with ws.seeds_path.open("a") as file:
        file.write("{\n")
    with pytest.raises(InputError, match=r"seeds\.jsonl:13: malformed JSON"):
        verify(ws, **SAID)
    assert ws.ledger.count("seed.verified") == 0
