"""Bad input gets one clear line that names file, row or record and what to do, the right exit code, and
leaves nothing half-written.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROWS = [
    {"text": f"{who} {what}", "label": label}
    for label, whats in {
        "late": ["waits for the parcel", "has not got the box yet", "asks where the van is"],
        "broken": ["found the cup in pieces", "says the lid is cracked", "got a dented tin"],
    }.items()
    for who, what in zip(["Our aunt", "My neighbour", "The whole office"], whats, strict=True)
]
EVAL = [
    {"text": "Nothing came on Monday", "label": "late"},
    {"text": "The spout fell off", "label": "broken"},
]


class Result:
    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def refuses(self, code: int, *words: str) -> None:
        """One line on standard error, no traceback, the exit code, and every word in it."""
        assert self.code == code, self.err
        assert "Traceback" not in self.err
        errors = [line for line in self.err.splitlines() if line.startswith("seedgate: ")]
        assert len(errors) == 1, self.err
        for word in words:
            assert word in errors[0], f"{word!r} is not in {errors[0]!r}"


Cli = Callable[..., Result]


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return cli_in(tmp_path)


def cli_in(folder: Path) -> Cli:
    def run(*args: str, cwd: Path = folder, **env: str) -> Result:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SEEDGATE_")}
        return Result(
            subprocess.run(
                [sys.executable, "-m", "seedgate", *args],
                cwd=cwd,
                env=clean | env,
                capture_output=True,
                text=True,
                timeout=120,
            )
        )

    return run


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    return str(write(tmp_path / "seeds.jsonl", ROWS)), str(write(tmp_path / "eval.jsonl", EVAL))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that is verified and locked, made once: three commands, each a process of its own."""
    root = tmp_path_factory.mktemp("bad-input")
    cli, folder = cli_in(root), root / "ws"
    seeds, evaluation = write(root / "seeds.jsonl", ROWS), write(root / "eval.jsonl", EVAL)
    assert cli("init", str(folder), "--seeds", str(seeds), "--eval", str(evaluation)).code == 0
    config = folder / "seedgate.toml"
    text = config.read_text().replace("# verified_seeds = 200", "verified_seeds = 6")
    config.write_text(text.replace("# min_eval = 50", "min_eval = 2"))
    assert cli("seeds", "verify", "--by", "ana", "-w", str(folder)).code == 0
    assert cli("seeds", "lock", "-w", str(folder)).code == 0
    return folder


@pytest.fixture
def ready(made: Path, files: tuple[str, str], tmp_path: Path) -> Path:
    """A copy of it, with the files that it came from beside it, and nothing behind its addresses."""
    return shutil.copytree(made, tmp_path / "ws")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"text": "a b", "label": "late"}\n{"text": "c d", \n', ["seeds.jsonl:2", "JSON"]),
        (b'{"text": "a b", "label": "late"}\n{"label": "late"}\n', ["seeds.jsonl:2", "'text'", "missing"]),
        (b'{"text": "a b", "label": "late", "lable": 1}\n', ["seeds.jsonl:1", "'lable'"]),
        (b"", ["seeds.jsonl", "no rows"]),
        (b'{"text": "caf\xe9 au lait", "label": "late"}\n', ["seeds.jsonl:1", "UTF-8"]),
        (
            b'{"text": "' + b"x" * 1_000_000 + b'", "label": "late"}\n',
            ["seeds.jsonl:1", "1000000 characters"],
        ),
        (b'{"text": "a b", "text": "c d", "label": "late"}\n', ["seeds.jsonl:1", "twice"]),
        (b'{"text": "a b", "label": NaN}\n', ["seeds.jsonl:1", "NaN"]),
        (
            b'{"text": "a b", "label": "late"}\n{"text": "a b", "label": "late"}\n',
            ["seeds.jsonl:2", "same content", "seeds.jsonl:1"],
        ),
        (b'["a b", "late"]\n', ["seeds.jsonl:1", "object"]),
    ],
    ids=[
        "malformed",
        "missing",
        "unknown",
        "empty",
        "encoding",
        "huge",
        "duplicate-key",
        "nan",
        "duplicate",
        "not-an-object",
    ],
)
def test_a_bad_seed_file_is_refused_by_line(
    cli: Cli, tmp_path: Path, content: bytes, words: list[str]
) -> None:
    source = tmp_path / "seeds.jsonl"
    source.write_bytes(content)
    task = tmp_path / "task.toml"
    task.write_text('preset = "classification"\nlabels = ["late", "broken"]\n')
    cli("init", "ws", "--seeds", str(source), "--task-file", str(task)).refuses(2, *words)
    assert not (tmp_path / "ws").exists()


def test_the_workspaces_own_files_are_not_told_to_be_mapped(cli: Cli, ready: Path) -> None:
    write(ready / "seeds.jsonl", [ROWS[0] | {"id": 3}])
    cli("seeds", "check", "-w", "ws").refuses(2, "seeds.jsonl:1", "'id'", "rename it or take it out")


def test_a_locked_file_that_was_changed_is_an_error_of_the_baseline(cli: Cli, ready: Path) -> None:
    assert cli("seeds", "check", "-w", "ws").code == 0
    kept = (ready / "eval.jsonl").read_text()
    for text in (kept.splitlines()[0] + "\n", ""):
        (ready / "eval.jsonl").write_text(text)
        done = cli("seeds", "check", "-w", "ws")
        done.refuses(2, "the baseline has errors")
        assert "eval.jsonl is not what was locked on 20" in done.out
    (ready / "eval.jsonl").write_text(kept)
    assert cli("seeds", "check", "-w", "ws").code == 0


def test_a_dry_run_refuses_what_init_refuses(cli: Cli, files: tuple[str, str], tmp_path: Path) -> None:
    init = ("init", "ws", "--seeds", files[0], "--eval", files[1])
    plan = (*init, "--dry-run")
    empty = tmp_path / "empty.md"
    empty.write_text(" ")
    for more, code, words in (
        (("--guidelines", str(empty)), 2, "is empty"),
        (("--simulated-reviewer", "ana"), 2, "must start with 'simulated'"),
        (("--reviewer", "a", "--reviewer", "a"), 2, "named twice"),
    ):
        for tried in (init, plan):
            cli(*tried, *more).refuses(code, words)
            assert not (tmp_path / "ws").exists()
    before = {path.name for path in tmp_path.iterdir()}
    assert cli(*plan).code == 0
    assert {path.name for path in tmp_path.iterdir()} == before
    assert cli(*init).code == 0
    for tried in (init, plan):
        cli(*tried).refuses(3, "is a workspace already")


def test_the_label_may_go_by_another_name_in_the_evaluation_set_alone(
    cli: Cli, files: tuple[str, str], tmp_path: Path
) -> None:
    other = write(tmp_path / "other.jsonl", [{"text": row["text"], "topic": row["label"]} for row in EVAL])
    assert cli("init", "ws", "--seeds", files[0], "--eval", str(other), "--map", "topic=label").code == 0
    cli("init", "w", "--seeds", str(other), "--eval", files[1], "--map", "kind=label").refuses(
        2, "other.jsonl:1: no column 'kind' (columns: text, topic)"
    )


def test_the_same_file_is_no_evaluation_set(cli: Cli, files: tuple[str, str]) -> None:
    given = ("init", "ws", "--seeds", files[0], "--eval", files[0])
    cli(*given).refuses(2, "given as the seeds and as --eval", "--eval-split")


def test_splits_of_one_dataset_are_seeds_and_evaluation(cli: Cli, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="pip install 'seedgate[train]'")
    parts = {"train": datasets.Dataset.from_list(ROWS), "held_out": datasets.Dataset.from_list(EVAL)}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "rows")
    given = ("init", "ws", "--seeds", "rows", "--eval", "rows")
    cli(*given, "--eval-split", "test").refuses(2, "no split 'test'", "choose one of train, held_out")
    assert cli(*given, "--eval-split", "held_out").code == 0
    lines = (tmp_path / "ws" / "eval.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == [row["text"] for row in EVAL]


def test_a_mark_of_windows_editors_in_a_task_file_is_harmless(
    cli: Cli, files: tuple[str, str], tmp_path: Path
) -> None:
    task = tmp_path / "task.toml"
    task.write_bytes(b'\xef\xbb\xbfpreset = "classification"\nlabels = ["late", "broken"]\n')
    assert cli("init", "ws", "--seeds", files[0], "--task-file", str(task)).code == 0


def test_too_long_a_text_names_the_setting_that_helps(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "long.jsonl", [{"instruction": "Sum up", "input": "x" * 6053, "output": "It is long."}])
    task = 'preset = "instruction"\n'
    for name, text in (("short.toml", task), ("long.toml", f"{task}max_chars = 7000\n")):
        (tmp_path / name).write_text(text)
    init = ("init", "ws", "--seeds", "long.jsonl", "--task-file")
    cli(*init, "short.toml").refuses(2, "long.jsonl:1", "6053 characters; at most 4000", "raise max_chars")
    assert cli(*init, "long.toml").code == 0


def test_an_unknown_label_names_the_known_ones(cli: Cli, files: tuple[str, str], tmp_path: Path) -> None:
    bad = write(tmp_path / "more.jsonl", [{"text": "x y", "label": "brokn"}])
    cli("init", "ws", "--seeds", files[0], "--eval", str(bad)).refuses(2, "more.jsonl:1", "'brokn'", "broken")


def test_a_missing_seed_file_is_told(cli: Cli, tmp_path: Path) -> None:
    cli("init", "ws", "--seeds", "nowhere.jsonl").refuses(2, "nowhere.jsonl", "no such file")


def test_a_workspace_is_never_overwritten(cli: Cli, ready: Path, files: tuple[str, str]) -> None:
    before = (ready / "seeds.jsonl").read_bytes()
    result = cli("init", str(ready), "--seeds", files[0])
    assert result.code in (2, 3)
    assert "Traceback" not in result.err
    assert (ready / "seeds.jsonl").read_bytes() == before


def test_evaluation_overlap_blocks_the_lock(cli: Cli, files: tuple[str, str], tmp_path: Path) -> None:
    overlap = write(tmp_path / "overlap.jsonl", [*EVAL, ROWS[0]])
    assert cli("init", "ws", "--seeds", files[0], "--eval", str(overlap)).code == 0
    cli("seeds", "lock", "-w", "ws").refuses(3, "eval.jsonl")


def test_no_workspace_here_says_how_to_make_one(cli: Cli, tmp_path: Path) -> None:
    cli("status").refuses(2, "seedgate.toml", "seedgate init")


def test_an_unknown_config_key_suggests_the_near_one(cli: Cli, ready: Path) -> None:
    with (ready / "seedgate.toml").open("a") as file:
        file.write("\n[reviews]\nquorum = 2\n")
    cli("status", "-w", str(ready)).refuses(2, "seedgate.toml", "'reviews'", "'review'")


def test_generation_needs_a_verified_baseline(cli: Cli, files: tuple[str, str], tmp_path: Path) -> None:
    assert cli("init", "ws", "--seeds", files[0], "--eval", files[1]).code == 0
    cli("generate", "-w", "ws").refuses(3, "verified; the policy wants 200: add examples to seeds.jsonl")
    config = tmp_path / "ws" / "seedgate.toml"
    config.write_text(config.read_text().replace("# verified_seeds = 200", "verified_seeds = 6"))
    cli("generate", "-w", "ws").refuses(3, "the policy wants 6: run `seedgate seeds verify`")


def test_a_server_that_is_not_there_is_named(cli: Cli, ready: Path) -> None:
    url = "http://127.0.0.1:9/v1"
    result = cli("generate", "-n", "5", "-w", str(ready), SEEDGATE_VLLM_URLS=url)
    result.refuses(1, "127.0.0.1:9")


def test_without_a_stack_the_way_to_start_it_is_told(cli: Cli, ready: Path) -> None:
    cli("generate", "-n", "5", "-w", str(ready)).refuses(1, "seedgate up")


def test_argilla_down_is_named(cli: Cli, ready: Path) -> None:
    env = {"SEEDGATE_ARGILLA_URL": "http://127.0.0.1:9", "SEEDGATE_ARGILLA_API_KEY": "k"}
    result = cli("pull", "-w", str(ready), **env)
    if result.code:  # with no round open there is nothing to ask Argilla for
        result.refuses(1, "127.0.0.1:9")
    else:
        assert "nothing" in result.out or "0" in result.out


def test_a_damaged_ledger_is_told(cli: Cli, ready: Path) -> None:
    ledger = ready / ".seedgate" / "ledger.db"
    for extra in ready.glob(".seedgate/ledger.db-*"):
        extra.unlink()
    ledger.write_bytes(b"not a database" * 400)
    cli("status", "-w", str(ready)).refuses(1, "ledger.db", "damaged")


def test_a_missing_ledger_is_told(cli: Cli, ready: Path) -> None:
    (ready / ".seedgate" / "ledger.db").unlink()
    cli("seeds", "verify", "--by", "ana", "-w", str(ready)).refuses(1, "ledger.db", "missing")


def test_a_changed_event_is_found_by_audit(cli: Cli, ready: Path) -> None:
    assert cli("audit", "-w", str(ready)).code == 0
    with sqlite3.connect(ready / ".seedgate" / "ledger.db") as connection:
        connection.execute("""UPDATE events SET payload = '{"by":"eve"}' WHERE seq = 9""")
    connection.close()
    result = cli("audit", "-w", str(ready))
    result.refuses(1, "audit found")
    assert "event 9" in result.out


def test_a_changed_evaluation_file_blocks_generation(cli: Cli, ready: Path) -> None:
    with (ready / "eval.jsonl").open("a") as file:
        file.write(json.dumps({"text": "One more of these", "label": "late"}) + "\n")
    cli("generate", "-w", str(ready)).refuses(3, "eval.jsonl")


def test_a_second_generate_is_told_who_runs_the_first(cli: Cli, ready: Path) -> None:
    code = (
        "import sys, time\nfrom seedgate import Workspace\n"
        f"ws = Workspace({str(ready)!r})\n"
        "with ws.ledger.lease('generate'):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        url = "http://127.0.0.1:9/v1"
        result = cli("generate", "-n", "5", "-w", str(ready), SEEDGATE_VLLM_URLS=url)
        result.refuses(1, f"process {holder.pid}", "wait for it")
    finally:
        holder.kill()
        holder.communicate()


def test_a_full_disk_leaves_the_ledger_whole(cli: Cli, ready: Path) -> None:
    """A page limit stands in for the disk: SQLite reports both as 'database or disk is full'."""
    code = (
        "import sys\nfrom seedgate import Workspace\nfrom seedgate.ledger import NewEvent\n"
        "from sqlalchemy import event\n"
        f"ws = Workspace({str(ready)!r})\n"
        "engine = ws.ledger._engine\nengine.dispose()\n"
        "event.listen(engine, 'connect', lambda c, r: c.execute('PRAGMA max_page_count=1'))\n"
        "from seedgate.errors import SeedgateError\n"
        "try:\n    ws.ledger.append([NewEvent('seed.added', f's{i}', {'x': 'y' * 500}) for i in range(2000)])\n"
        "except SeedgateError as error:\n    print(error); sys.exit(error.exit_code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "full" in done.stdout
    assert cli("audit", "-w", str(ready)).code == 0


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("s.jsonl", b"", ["s.jsonl", "no rows", "two labels"]),
        ("s.csv", b"text,label\n", ["s.csv", "no rows"]),
        ("s.jsonl", b'{"text": "a b", "label": "late"}\n', ["s.jsonl", "only the label 'late'"]),
        (
            "s.jsonl",
            b'{"text": "a b", "label": "x\\ny"}\n{"text": "c", "label": "z"}\n',
            ["control character"],
        ),
        ("s.jsonl", b'{"text": "a", "label": ' + b"9" * 5000 + b"}\n", ["s.jsonl:1", "5000 digits"]),
        ("s.jsonl", b'{"text": ' + b"[" * 9000 + b"]" * 9000 + b"}\n", ["s.jsonl:1", "nested too deeply"]),
        ("s.csv", b'text,label\n"a b,late\nc d,broken\n', ["s.csv:2", "malformed"]),
        ("s.csv", b"text,label\na,late,more\nb,broken\n", ["s.csv:2", "3 cells"]),
        ("s.csv", b"text,label\nx" + b"x" * 200_000 + b",late\nb,broken\n", ["s.csv:2", "200001 characters"]),
        ("s.csv", b"text,label\na\0b,late\nc,broken\n", ["s.csv:2", "U+0000"]),
    ],
)
def test_a_bad_file_is_named_also_where_the_labels_are_learnt_from_it(
    cli: Cli, tmp_path: Path, name: str, content: bytes, words: list[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    cli("init", "ws", "--seeds", name).refuses(2, *words)
    assert [path.name for path in tmp_path.iterdir()] == [name], "nothing half-written"


@pytest.mark.parametrize("content", [b"caf\xe9", None])
def test_guidelines_that_cannot_be_read_are_named(
    cli: Cli, files: tuple[str, str], tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "rules.md").write_bytes(content)
    cli("init", "ws", "--seeds", files[0], "--guidelines", "rules.md").refuses(2, "rules.md")
    assert not (tmp_path / "ws").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("task = 3\n", ["task.toml", "[task]"]),
        ("labels = [\n", ["task.toml", "TOML"]),
        ('preset = "classification"\nlables = ["late", "broken"]\n', ["'lables'", "'labels'"]),
        ('class = "ticket.py:Ticket"\n', ["ticket.py:Ticket", "inside the workspace"]),
    ],
)
def test_a_bad_task_file_says_which_key(
    cli: Cli, files: tuple[str, str], tmp_path: Path, text: str, words: list[str]
) -> None:
    (tmp_path / "task.toml").write_text(text)
    cli("init", "ws", "--seeds", files[0], "--task-file", "task.toml").refuses(2, *words)
    assert not (tmp_path / "ws").exists()


CLASS = """
from typing import Annotated, Literal
from pydantic import BaseModel
from seedgate.task import Input, Output

class Ticket(BaseModel):
    "Name the topic of a ticket."
    text: Annotated[str, Input]
    label: Annotated[Literal["late", "broken"], Output]
"""


def test_a_task_may_be_a_class_and_what_goes_wrong_in_its_file_is_one_line(
    cli: Cli, files: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "task.toml").write_text('class = "ticket.py:Ticket"\n')
    init = ("init", "ws", "--seeds", files[0], "--task-file", "task.toml")
    for broken in ("raise SystemExit(0)", "import no_such_module", "def (", 'raise ValueError("a\\nb")'):
        (tmp_path / "ticket.py").write_text(broken)
        cli(*init).refuses(2, "ticket.py:Ticket")
        assert not (tmp_path / "ws").exists()
    (tmp_path / "ticket.py").write_text(CLASS)
    assert cli(*init).code == 0
    assert cli("seeds", "check", "-w", "ws").code == 0


@pytest.mark.parametrize("names", [("",), (" ana",), ("ana", "ana"), ("a\nb",)])
def test_a_reviewer_needs_a_name_of_their_own(
    cli: Cli, files: tuple[str, str], tmp_path: Path, names: tuple[str, ...]
) -> None:
    options = [part for name in names for part in ("--reviewer", name)]
    cli("init", "ws", "--seeds", files[0], *options).refuses(2, "review.reviewers")
    assert not (tmp_path / "ws").exists()


@pytest.mark.parametrize("name", ["100%#?", "a b\n'\"", "日本語 ü", "%41"])
def test_a_workspace_may_have_any_name(cli: Cli, files: tuple[str, str], tmp_path: Path, name: str) -> None:
    assert cli("init", name, "--seeds", files[0], "--eval", files[1]).code == 0
    assert cli("seeds", "verify", "--by", "ana", "-w", name).code == 0
    assert (tmp_path / name / ".seedgate" / "ledger.db").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["seeds.jsonl", "eval.jsonl", name])


def test_an_empty_source_is_told(cli: Cli) -> None:
    cli("init", "ws", "--seeds", "").refuses(2, "source of examples is empty")
