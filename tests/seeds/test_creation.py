"""`init`: a workspace is made whole, or nothing is left behind."""

import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seedgate.errors import ConfigError, InputError, RefusedError, SeedgateError
from seedgate.ledger import Ledger, NewEvent
from seedgate.records import Example
from seedgate.seeds import baseline, check_workspace, example_workspace, lock, read_examples, verify
from seedgate.workspace import Workspace

Make = Callable[..., Workspace]


@pytest.fixture
def unsigned(make_workspace: Make) -> Make:
    """Makes workspaces as `init` leaves them."""

    def make(**given: Any) -> Workspace:
        return make_workspace(verified=False, locked=False, **given)

    return make


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


PARTS = {
    "seedgate.toml",
    "seeds.jsonl",
    "eval.jsonl",
    "guidelines.md",
    ".seedgate",
    ".seedgate/.gitignore",
    ".seedgate/ledger.db",
}


def test_a_workspace_has_its_parts_and_nothing_else(unsigned: Make, tmp_path: Path) -> None:
    with unsigned() as ws:
        root = ws.root
    assert everything(root) == PARTS
    assert everything(tmp_path) == {"workspace"} | {f"workspace/{part}" for part in PARTS}
    assert stat.S_IMODE((root / ".seedgate").stat().st_mode) == 0o700
    assert (root / ".seedgate" / ".gitignore").read_text() == "*\n"


def test_its_files_read_back_as_what_was_given(unsigned: Make) -> None:
    seeds = [
        Example(fields={"text": 'It said "no"\nand stopped.', "label": "billing"}, tags=("edge", "core"))
    ]
    ws = unsigned(seeds=seeds)
    (again,) = read_examples(str(ws.seeds_path), ws.task)
    assert (again.fields, again.tags) == (seeds[0].fields, seeds[0].tags)
    assert len(read_examples(str(ws.eval_path), ws.task)) == 6


def test_the_ledger_begins_with_the_workspace_and_its_seeds(unsigned: Make) -> None:
    ws = unsigned(simulated_reviewer="simulated-ana")
    first, *others = ws.ledger.events()
    assert (first.kind, first.subject) == ("workspace.created", "tiny")
    assert first.payload["task_hash"] == ws.task.hash
    assert first.payload["simulated_reviewer"] == "simulated-ana"
    assert first.payload["policy"] == {
        "verified_seeds": 12,
        "near_duplicate": 0.7,
        "semantic_leak": 0.0,
        "min_eval": 6,
        "max_error": 0.0,
    }
    assert [event.kind for event in others] == ["seed.added"] * 12
    assert [event.key for event in others] == [f"seed:{event.subject}" for event in others]
    bodies = ws.ledger.bodies(event.subject for event in others)
    assert all(Example(fields=fields).id == id_ for id_, fields in bodies.items())
    assert len(bodies) == 12
    assert list(ws.ledger.verify()) == []


def test_rows_are_completed_so_that_their_ids_stay(unsigned: Make) -> None:
    task = {"preset": "instruction", "name": "t"}
    seed = Example(fields={"instruction": "Say cafe\u0301.", "output": "Ho"}, source="x:1")
    with unsigned(task=task, seeds=[seed], evaluation=[]) as ws:
        (again,) = read_examples(str(ws.seeds_path), ws.task)
        assert again.fields == {"instruction": "Say café.", "input": "", "output": "Ho"}
        assert ws.ledger.existing_keys([f"seed:{again.id}"])


@pytest.mark.parametrize(
    ("given", "error", "complaint"),
    [
        ({"simulated_reviewer": "ana"}, InputError, "the name must start with 'simulated'"),
        ({"name": "My Workspace"}, ConfigError, "workspace/seedgate.toml: key 'name'"),
        ({"task": {"preset": "nope", "name": "t"}}, ConfigError, "preset 'nope' is unknown"),
        ({"settings": {"polcy": {}}}, InputError, "unknown table 'polcy'"),
        ({"settings": {"policy": {"min_evall": 3}}}, ConfigError, "did you mean 'min_eval'"),
        ({"guidelines": "  "}, InputError, "workspace/guidelines.md: is empty"),
        (
            {"seeds": [Example(fields={"text": "x"}, source="a:3")]},
            InputError,
            "a:3: field 'label' is missing",
        ),
        (
            {
                "evaluation": [
                    Example(fields={"text": "x", "label": "billing"}, source=f"b:{n}") for n in (1, 2)
                ]
            },
            InputError,
            "b:2: the same content as b:1",
        ),
        ({"settings": {"ledger": {"url": "nonsense"}}}, ConfigError, "not a database URL"),
    ],
)
def test_what_does_not_fit_leaves_nothing_behind(
    unsigned: Make, tmp_path: Path, given: dict[str, Any], error: type[SeedgateError], complaint: str
) -> None:
    with pytest.raises(error) as refused:
        unsigned(**given)
    assert complaint in str(refused.value)
    assert ".seedgate-init" not in str(refused.value)
    assert everything(tmp_path) == set()


def test_a_second_workspace_in_the_same_folder_is_refused(unsigned: Make) -> None:
    ws = unsigned()
    before = {path: path.read_bytes() for path in ws.root.rglob("*.jsonl")}
    with pytest.raises(RefusedError, match="workspace: is a workspace already: choose another folder"):
        unsigned()
    assert {path: path.read_bytes() for path in ws.root.rglob("*.jsonl")} == before


@pytest.mark.parametrize("name", ["seeds.jsonl", ".seedgate", "releases"])
def test_a_folder_with_a_part_of_a_workspace_is_refused(unsigned: Make, tmp_path: Path, name: str) -> None:
    (tmp_path / "workspace" / name).mkdir(parents=True)
    with pytest.raises(RefusedError, match=f"workspace: has a {name} already"):
        unsigned()
    assert everything(tmp_path / "workspace") == {name}


def test_other_files_in_the_folder_stay(unsigned: Make, tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "notes.txt").write_text("mine")
    assert everything(unsigned().root) >= {*PARTS, "notes.txt"}
    assert (tmp_path / "workspace" / "notes.txt").read_text() == "mine"


def test_a_file_in_the_folders_place_is_refused(unsigned: Make, tmp_path: Path) -> None:
    (tmp_path / "workspace").write_text("x")
    with pytest.raises(InputError, match="workspace: is a file: name a folder"):
        unsigned()


def test_a_failure_while_moving_in_moves_everything_out_again(
    unsigned: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "workspace").mkdir()
    move = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if Path(target).parent == tmp_path / "workspace" and self.name == "seedgate.toml":
            raise OSError(28, "No space left on device")
        return move(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(SeedgateError, match="making the workspace failed: No space left on device"):
        unsigned()
    assert everything(tmp_path) == {"workspace"}


CREATE = """
import sys
from pathlib import Path
from seedgate.errors import SeedgateError
from seedgate.seeds import example_workspace
try:
    example_workspace(Path(sys.argv[1]))
except SeedgateError as error:
    print(error)
"""


def test_a_full_disk_is_one_clear_line_and_leaves_nothing(tmp_path: Path) -> None:
    limit = 40_000  # bytes per file: enough for the rows, too little for the ledger
    done = subprocess.run(
        [sys.executable, "-c", CREATE, tmp_path / "ws"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 1, done.stderr
    assert f"{tmp_path}/ws/.seedgate/ledger.db: " in done.stdout
    assert everything(tmp_path) == set()


# -- a ledger that is elsewhere ----------------------------------------------------------------------


@pytest.fixture
def elsewhere(make_workspace: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path}/elsewhere/ledger.db"
    monkeypatch.setenv("SEEDGATE_LEDGER_URL", url)
    return url


def test_an_init_that_was_killed_before_its_end_can_be_repeated(
    unsigned: Make, elsewhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Path, "chmod", interrupt)
        with pytest.raises(KeyboardInterrupt):
            unsigned()
    assert not (tmp_path / "workspace").exists()
    ws = unsigned()
    assert ws.ledger.count("workspace.created") == 1
    assert ws.ledger.count("seed.added") == 12


def interrupt(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_the_ledger_of_another_workspace_is_refused(unsigned: Make, elsewhere: str, tmp_path: Path) -> None:
    unsigned(folder="one", name="one")
    with pytest.raises(RefusedError, match="holds the workspace 'one' already"):
        unsigned(folder="two", name="two")
    assert not (tmp_path / "two").exists()


def test_the_ledger_of_a_lost_workspace_that_went_on_is_refused(unsigned: Make, elsewhere: str) -> None:
    unsigned(folder="one")
    with Ledger.open(elsewhere) as ledger:
        ledger.append([NewEvent("run.started", "r", {})])
    with pytest.raises(RefusedError, match="holds the workspace 'tiny' already"):
        unsigned(folder="two")


# -- tasks that are classes, and the shipped example -------------------------------------------------

CLASS = """
from typing import Annotated, Literal
from pydantic import BaseModel
from seedgate import Input, Output

class Ticket(BaseModel):
    "Name the topic."
    text: Annotated[str, Input]
    label: Annotated[Literal["delivery", "billing", "account"], Output]
"""


@pytest.mark.parametrize("where", [".", "workspace"])
def test_a_task_that_is_a_class_brings_its_file_along(
    unsigned: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    (tmp_path / where).mkdir(exist_ok=True)
    (tmp_path / where / "task.py").write_text(CLASS)
    monkeypatch.chdir(tmp_path)
    ws = unsigned(task={"name": "tickets", "class": "task.py:Ticket"})
    assert ws.task.choices == ("delivery", "billing", "account")
    assert (ws.root / "task.py").read_text() == CLASS


def test_the_shipped_example_passes_its_own_checks_and_is_a_baseline(tmp_path: Path) -> None:
    with example_workspace(tmp_path / "demo", simulated=True) as ws:
        assert ws.simulated_reviewer == "simulated-reviewer"
        report = check_workspace(ws)
        # Hard cases look mislabelled to a small model; nothing else asks for a look.
        assert report.ok
        warnings = [finding.code for finding in report.findings if finding.severity == "warning"]
        assert set(warnings) <= {"label_error"}
        assert len(warnings) <= 8
        assert set(report.labels.values()) == {20}
        assert verify(ws, by="A Tester", statement="Shipped.") == 200
        assert lock(ws).count == 160
        assert len(baseline(ws).seeds) == 200
        label = ws.task.label_field
        assert label is not None
        assert set(label.label_help) == set(label.labels)


def test_the_example_takes_other_arguments(tmp_path: Path) -> None:
    with example_workspace(
        tmp_path / "demo", reviewers=("ana", "bo"), settings={"review": {"quorum": 2}}
    ) as ws:
        assert ws.config.review.reviewers == ("ana", "bo")
        assert ws.config.review.quorum == 2
        assert ws.simulated_reviewer is None
