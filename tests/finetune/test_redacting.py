"""`redact` takes a row's text out of everything that a workspace has, and leaves a history that audits clean."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import stamina
from fakes.argilla_server import OWNER_KEY, FakeArgilla
from fakes.reviewing import Reviewer

from seedgate.canonical import content_hash
from seedgate.errors import InputError, RefusedError
from seedgate.finetune import affected_models, audit, recalled_rows, redact, release, verify_release
from seedgate.finetune.integrity import read_manifest
from seedgate.finetune.records import Manifest
from seedgate.finetune.traces import Marks
from seedgate.ledger import NewEvent
from seedgate.records import Example, Provenance, dump
from seedgate.review import decisions, pull, push
from seedgate.seeds import locked_bound
from seedgate.seeds.locking import evaluation_set
from seedgate.seeds.meaning import VECTORS_NAME
from seedgate.workspace import Workspace

SECRET = "Ms Ada Quist of 12 Mill Lane waits for her kettle"
OTHER = "Why was there a fee for paying by cheque?"
SEED = "Somebody in Spain signed in as me."
EVAL = "When will the teapot get here?"
SAID = {"by": "ana", "reason": "asked to be forgotten"}


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    stamina.set_testing(True, attempts=2, cap=True)
    yield
    stamina.set_testing(False)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeArgilla]:
    with FakeArgilla().serve() as fake:
        monkeypatch.setenv("SEEDGATE_ARGILLA_URL", fake.url)
        monkeypatch.setenv("SEEDGATE_ARGILLA_API_KEY", OWNER_KEY)
        yield fake


@pytest.fixture
def ws(
    server: FakeArgilla, make_workspace: Callable[..., Workspace], add_candidates: Callable[..., list[str]]
) -> Workspace:
    """Two candidates, generated, reviewed (one corrected), released, and a model trained on them."""
    settings = {"policy": {"verified_seeds": 11, "min_eval": 5}}
    ws = make_workspace(reviewers=("anna",), settings=settings)
    raw = [{"index": 0, "text": f"1. {SECRET}\n2. {OTHER}", "finish_reason": "stop"}]
    prompt = f"1. {SEED}\n2."
    done = {"raw_hash": content_hash(raw), "prompt_hash": content_hash(prompt), "cycle": 1, "completions": 1}
    done |= {"index": 0, "fixed": {}, "seed_ids": []}
    ws.ledger.append([NewEvent("request.completed", "request", done, "request:request", (prompt, raw))])
    add_candidates(ws, {SECRET: "delivery", OTHER: "account"})
    push(ws, cycle=1)
    with Reviewer(ws, "anna") as anna:
        anna.answer(SECRET, "approve", comment="Ada again")
        anna.answer(OTHER, "edit", corrected_label="billing")
    pull(ws)
    release(ws)
    trained = {"release": "r001", "manifest_hash": "", "base_model": "tiny"}
    ws.ledger.append([NewEvent("model.trained", "r001-model", trained)])
    return ws


def id_of(text: str, label: str) -> str:
    return content_hash({"text": text, "label": label})


def holding(ws: Workspace, text: str) -> list[str]:
    """Files of the workspace with this text in their bytes."""
    return [path.name for path in ws.root.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def manifest_of(ws: Workspace, name: str) -> Manifest:
    event = ws.ledger.last("release.created", subject=name)
    assert event is not None
    found = read_manifest(ws, event)
    assert isinstance(found, Manifest)
    return found


def test_the_text_is_nowhere_and_the_history_is_whole(ws: Workspace, server: FakeArgilla) -> None:
    row = id_of(SECRET, "delivery")
    head = ws.ledger.head()[1]
    assert holding(ws, SECRET)
    ws.report_path.write_text("<p>made before")
    done = redact(ws, row[:10], comments=True, **SAID)
    assert (done.report, ws.report_path.exists()) == (True, False)
    assert (done.rows, done.releases, done.records, done.complete) == ((row,), ("r001",), 1, True)
    assert (done.remaining, done.quoted, done.argilla) == ((), (), None)
    assert holding(ws, SECRET) == holding(ws, "Ada again") == []
    assert not any(SECRET in str(record) for record in server.records)
    assert ws.ledger.bodies([row]) == {}
    assert audit(ws, expect_head=head) == []
    found = decisions(ws)[row]
    assert (found.outcome, found.reason) == ("void", "recalled: redacted by ana")


def test_what_was_made_to_repair_it_goes_with_the_prompt_that_shows_it(ws: Workspace) -> None:
    row, mended = id_of(SECRET, "delivery"), Example(fields={"text": "Ms Quist waits", "label": "delivery"})
    prompt, raw = (
        "Ada again. Write it anew.",
        [{"index": 0, "text": "Ms Quist waits", "finish_reason": "stop"}],
    )
    asked = {"raw_hash": content_hash(raw), "prompt_hash": content_hash(prompt), "cycle": 2, "completions": 1}
    asked |= {"index": 0, "fixed": {}, "seed_ids": [], "repairs": row}
    born = Provenance(
        cycle=2,
        run="c2-r1",
        strategy="repair",
        model="m",
        prompt_hash=content_hash(prompt),
        request_id="second",
        at="2026-01-01T00:00:00+00:00",
        repaired_from=row,
    )
    made = {"example": {"tags": [], "source": ""}, "provenance": dict(dump(born))}
    ws.ledger.append(
        [
            NewEvent("request.completed", "second", asked, "request:second", (prompt, raw)),
            NewEvent("candidate.created", mended.id, made, f"candidate:{mended.id}", (mended.fields,)),
        ]
    )
    done = redact(ws, row, **SAID)
    assert set(done.rows) == {row, mended.id}
    assert ws.ledger.bodies([mended.id, content_hash(prompt), content_hash(raw)]) == {}
    assert audit(ws) == []


def test_its_releases_are_withdrawn_and_the_next_says_why(ws: Workspace) -> None:
    row = id_of(SECRET, "delivery")
    redact(ws, row, **SAID)
    assert sorted(path.name for path in (ws.releases_dir / "r001").iterdir()) == [
        "README.md",
        "manifest.json",
    ]
    with pytest.raises(RefusedError, match=f"release r001: was withdrawn .* redacted .{row[:12]}") as refused:
        verify_release(ws, "r001")
    assert refused.value.exit_code == 3
    made = release(ws)
    manifest = manifest_of(ws, made.name)
    assert made.name == "r002"
    assert row not in {each.id for each in manifest.rows}
    assert id_of(OTHER, "billing") in {each.id for each in manifest.rows}
    assert manifest.recalled == {"redacted": 1}
    assert "| redacted | 1 |" in (made.path / "README.md").read_text()
    assert verify_release(ws, "r002") == manifest
    assert [each.id for each in recalled_rows(ws)] == [row]
    assert [(each.model, each.rows, each.withdrawn) for each in affected_models(ws)] == [
        ("r001-model", 1, True)
    ]
    assert audit(ws) == []


def test_what_was_corrected_from_it_goes_along(ws: Workspace) -> None:
    original, corrected = id_of(OTHER, "account"), id_of(OTHER, "billing")
    done = redact(ws, original, **SAID)
    assert set(done.rows) == {original, corrected}
    assert holding(ws, OTHER) == []
    assert audit(ws) == []


def test_pull_goes_on_and_asks_for_nothing_twice(ws: Workspace) -> None:
    redact(ws, id_of(SECRET, "delivery"), **SAID)
    report = pull(ws)
    assert (report.recorded, report.open, report.anomalies) == (0, 0, ())
    assert push(ws, cycle=1).round is None


def test_a_seed_leaves_the_file_the_prompts_and_the_pages(ws: Workspace) -> None:
    done = redact(ws, id_of(SEED, "account"), **SAID)
    assert (done.seeds, done.evaluation, done.releases) == (1, 0, ("r001",))
    assert holding(ws, SEED) == []
    assert len(ws.seeds_path.read_text().splitlines()) == 11
    assert release(ws).counts.seeds == 11
    assert audit(ws) == []


def test_an_evaluation_row_goes_and_the_rest_is_locked_anew(ws: Workspace) -> None:
    row = id_of(EVAL, "delivery")
    done = redact(ws, row, **SAID)
    assert (done.evaluation, holding(ws, EVAL)) == (1, [])
    assert len(evaluation_set(ws)) == 5
    assert row not in ws.ledger.last("eval.locked").payload["ids"]  # type: ignore[union-attr]
    assert audit(ws) == []
    with pytest.raises(RefusedError, match="release r001: it was made beside another evaluation set"):
        verify_release(ws, "r001")


def test_a_lock_that_shrinks_by_other_rows_is_a_fault(ws: Workspace) -> None:
    locked = ws.ledger.last("eval.locked")
    assert locked is not None
    ids = locked.payload["ids"][1:]
    ws.ledger.append([NewEvent("eval.locked", content_hash(ids), locked.payload | {"ids": ids})])
    assert any("can happen only once, but for" in fault.what for fault in audit(ws))


def test_a_dry_run_tells_and_changes_nothing(ws: Workspace, server: FakeArgilla) -> None:
    head, records = ws.ledger.head(), len(server.records)
    plan = redact(ws, id_of(SECRET, "delivery"), by="", reason="", dry_run=True)
    assert (plan.dry_run, plan.releases, plan.models) == (True, ("r001",), ("r001-model (trained on r001)",))
    # The row, its completion and what was shown.
    assert len(plan.hashes) == 3
    assert (ws.ledger.head(), len(server.records)) == (head, records)
    assert (ws.releases_dir / "r001" / "train.parquet").exists()


def test_running_it_again_adds_nothing(ws: Workspace) -> None:
    row = id_of(SECRET, "delivery")
    redact(ws, row, **SAID)
    head = ws.ledger.head()
    again = redact(ws, row, **SAID)
    assert (again.hashes, again.records, ws.ledger.head()) == ((), 0, head)


@pytest.mark.parametrize(
    "place",
    [
        "seedgate.ledger.store.erase",
        "seedgate.finetune.redacting.atomic_write",
        "pathlib.Path.unlink",
        "seedgate.ledger.Ledger.compact",
        "seedgate.finetune.redacting.clear_records",
        "seedgate.finetune.redacting.files_with",
    ],
)
def test_cut_short_anywhere_it_is_completed_by_the_next_run(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: Any, **__: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(place, kill)
        with pytest.raises(Killed):
            redact(ws, id_of(SEED, "account"), **SAID)
    assert redact(ws, id_of(SEED, "account"), **SAID).complete
    assert holding(ws, SEED) == []
    assert ws.ledger.count("body.redacted") == 1
    assert audit(ws) == []
    assert not (ws.releases_dir / "r001" / "train.parquet").exists()


def test_without_argilla_the_rest_is_done_and_said(ws: Workspace, server: FakeArgilla) -> None:
    fault = server.fail("DELETE", "records", times=-1)
    done = redact(ws, id_of(SECRET, "delivery"), **SAID)
    assert (done.complete, done.records) == (False, 0)
    assert "does not answer" in str(done.argilla)
    assert holding(ws, SECRET) == []
    fault.times = 0
    again = redact(ws, id_of(SECRET, "delivery"), **SAID)
    assert (again.complete, again.records) == (True, 1)
    assert not any(SECRET in str(record) for record in server.records)


def test_other_rows_seen_beside_a_redacted_seed_are_asked_about_anew(
    ws: Workspace, server: FakeArgilla, add_candidates: Callable[..., list[str]]
) -> None:
    (near,) = add_candidates(ws, {"Somebody in Spain has signed in to my account": "account"})
    push(ws, cycle=1)
    assert any(SEED in str(record) for record in server.records)
    done = redact(ws, id_of(SEED, "account"), **SAID)
    assert done.rows == (id_of(SEED, "account"),)
    assert not any(SEED in str(record) for record in server.records)
    pull(ws)
    assert decisions(ws)[near].outcome == "pending"
    assert push(ws, cycle=1).candidates == 1


def test_a_copy_in_some_file_is_named(ws: Workspace) -> None:
    (ws.root / "notes.md").write_text(f"Remember: {SECRET}")
    assert redact(ws, id_of(SECRET, "delivery"), **SAID).remaining == ("notes.md",)


def test_the_content_cannot_come_back(ws: Workspace, add_candidates: Callable[..., list[str]]) -> None:
    row = id_of(SECRET, "delivery")
    redact(ws, row, **SAID)
    add_candidates(ws, {SECRET: "delivery"})
    assert ws.ledger.bodies([row]) == {}
    assert holding(ws, SECRET) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE bodies SET body = '' WHERE hash = ?", "no event says that it was redacted"),
        ("DELETE FROM bodies WHERE hash = ?", "is gone"),
    ],
)
def test_only_what_was_redacted_may_be_gone(ws: Workspace, statement: str, said: str) -> None:
    redact(ws, id_of(SECRET, "delivery"), **SAID)
    ws.close()
    with sqlite3.connect(ws.state_dir / "ledger.db") as database:
        database.execute(statement, (id_of(OTHER, "account"),))
    assert any(said in fault.what for fault in audit(ws))


def test_a_body_put_back_after_its_redaction_is_a_fault(ws: Workspace) -> None:
    row = id_of(SECRET, "delivery")
    redact(ws, row, **SAID)
    ws.close()
    with sqlite3.connect(ws.state_dir / "ledger.db") as database:
        database.execute("UPDATE bodies SET body = '{}' WHERE hash = ?", (row,))
    assert (f"body {row[:12]}", "was redacted, and is in the ledger again") in audit(ws)


def test_a_table_put_back_after_its_withdrawal_is_a_fault(ws: Workspace) -> None:
    redact(ws, id_of(SECRET, "delivery"), **SAID)
    (ws.releases_dir / "r001" / "train.parquet").write_text("rows")
    assert any("train.parquet: was withdrawn and is still there" in fault.what for fault in audit(ws))


@pytest.mark.parametrize(
    ("row", "said"),
    [("00000000", "names 0 rows"), ("abc", "names 0 rows")],
)
def test_an_unknown_row_is_refused(ws: Workspace, row: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        redact(ws, row, **SAID)


def test_a_redaction_needs_a_name_and_a_reason(ws: Workspace) -> None:
    with pytest.raises(InputError, match="a name and a reason"):
        redact(ws, id_of(SECRET, "delivery"), by=" ", reason="")


class TestMarks:
    @pytest.mark.parametrize(
        "value",
        [
            "He SAID: where  is my\nparcel, Ada?",
            {"deep": ["x", "where is my parcel, Ada?"]},
        ],
    )
    def test_they_are_found_in_other_case_and_spacing(self, value: Any) -> None:
        assert Marks(["Where is my parcel, Ada?"]).within(value)

    def test_they_are_found_inside_json(self) -> None:
        assert Marks(['Ada "the\tGreat" Quïst']).within('{"text": "Ada \\"the\\tGreat\\" Qu\\u00efst"}')

    def test_a_short_text_is_found_only_where_it_stands_alone(self) -> None:
        marks = Marks(["yes"])
        assert marks.within({"output": "Yes"})
        assert marks.within("no\nyes\n")
        assert not marks.within("yesterday, yes, it came")
        assert marks.patterns() == []


def test_the_database_is_found_wherever_it_is(ws: Workspace) -> None:
    assert Path(ws.state_dir / "ledger.db").exists()
    assert redact(ws, id_of(SECRET, "delivery"), **SAID).compacted


KILLED = '''
"""Kills `redact` at its file operations in turn, runs it again, and prints what there is then."""
import itertools, json, os, pathlib, shutil, signal, sys
from seedgate.finetune import audit, redact
from seedgate.workspace import Workspace

source, work, row, text = sys.argv[1:]
STEPS = {"open", "os.rename", "os.chmod", "os.remove", "tempfile.mkstemp", "sqlite3.connect"}


def forked(action):
    child = os.fork()
    if child == 0:
        try:
            action()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def redacted(folder, kill_at):
    seen = itertools.count(1)

    def hook(event, arguments):
        if event in STEPS and str(folder) in str(arguments[0]) and next(seen) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    with Workspace(folder) as ws:
        redact(ws, row, by="ana", reason="asked")
        if not kill_at:
            files = [path for path in folder.rglob("*") if path.is_file()]
            print(json.dumps({
                "left": [path.name for path in files if text.encode() in path.read_bytes()],
                "redactions": ws.ledger.count("body.redacted"),
                "faults": audit(ws),
                "table": (ws.releases_dir / "r000" / "train.parquet").exists(),
            }), flush=True)


for kill_at in itertools.count(3, 3):
    folder = pathlib.Path(work) / f"killed-{kill_at}"
    shutil.copytree(source, folder)
    if forked(lambda: redacted(folder, kill_at)) == 0:
        break
    assert forked(lambda: redacted(folder, 0)) == 0
    shutil.rmtree(folder)
'''


def test_killed_at_its_file_operations_and_run_again_the_text_is_gone(
    make_workspace: Callable[..., Workspace], tmp_path: Path
) -> None:
    ws = make_workspace(settings={"policy": {"verified_seeds": 11, "min_eval": 5}})
    release(ws)
    ws.close()
    arguments = [str(ws.root), str(tmp_path), id_of(SEED, "account"), SEED]
    command = [sys.executable, "-W", "ignore", "-c", KILLED, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    runs = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(runs) >= 5
    assert runs == [{"left": [], "redactions": 1, "faults": [], "table": False}] * len(runs)


def test_what_controls_were_made_of_a_row_goes_with_it(ws: Workspace) -> None:
    row = id_of(SECRET, "delivery")
    cut = {"text": "Ms Ada Quist of 12", "label": "delivery"}
    told = {
        "candidate_id": content_hash(cut),
        "truth": "bad",
        "corruption": "truncation",
        "sources": [row],
        "reviewer": "anna",
        "round": "r",
    }
    ws.ledger.append([NewEvent("control.made", "record", told, bodies=(cut,))])
    redact(ws, row, **SAID)
    assert content_hash(cut) in ws.ledger.redacted()
    assert ws.ledger.bodies([content_hash(cut)]) == {}


def test_what_a_text_means_goes_with_it(ws: Workspace) -> None:
    row, path = id_of(SECRET, "delivery"), ws.state_dir / VECTORS_NAME
    before = stored(path)
    assert row in before
    (ws.state_dir / "meanings-0123.npz").write_bytes(b"an index with its vector")
    redact(ws, row, **SAID)
    assert stored(path) == before - {row}
    assert row.encode() not in path.read_bytes()
    assert not list(ws.state_dir.glob("meanings-*"))
    # A run that was killed after the ledger's part: the next one finds the vector by its id alone.
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO vectors VALUES ('space', ?, 'vector')", (row,))
    redact(ws, row, **SAID)
    assert row not in stored(path)


def test_a_redacted_evaluation_row_leaves_the_threshold_of_the_lock(ws: Workspace) -> None:
    before = locked_bound(ws.ledger)
    redact(ws, id_of(EVAL, "delivery"), **SAID)
    assert before is not None
    assert locked_bound(ws.ledger) == before
    assert release(ws).created


def stored(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT id FROM vectors")}
