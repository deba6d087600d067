"""A workspace: found from below, with its task, its ledger and the addresses it works with."""

from collections.abc import Callable
from pathlib import Path

import pytest

from seedgate.canonical import sha256
from seedgate.errors import ConfigError, InputError, LedgerError, RefusedError
from seedgate.ledger import Ledger
from seedgate.workspace import Workspace, find_root

Make = Callable[..., Workspace]


def test_it_is_found_from_any_folder_inside(tiny_workspace: Workspace) -> None:
    inside = tiny_workspace.root / "deep" / "inside"
    inside.mkdir(parents=True)
    assert find_root(inside) == tiny_workspace.root
    with Workspace(inside) as again:
        assert again.root == tiny_workspace.root
        assert again.task == tiny_workspace.task
        assert again.ledger.head() == tiny_workspace.ledger.head()


def test_no_workspace_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no seedgate\.toml here or above: make a workspace with `seedgate init`"
    ):
        Workspace(tmp_path)


def test_the_ledger_is_a_file_in_the_state_folder_unless_said_otherwise(
    tiny_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tiny_workspace.ledger_url == f"sqlite:///{tiny_workspace.root}/.seedgate/ledger.db"
    monkeypatch.setenv("SEEDGATE_LEDGER_URL", "postgresql+psycopg://user@host/name")
    assert tiny_workspace.ledger_url == "postgresql+psycopg://user@host/name"


def test_a_lost_ledger_is_one_clear_line(tiny_workspace: Workspace) -> None:
    tiny_workspace.close()
    (tiny_workspace.state_dir / "ledger.db").unlink()
    with pytest.raises(LedgerError, match="the ledger is missing"):
        tiny_workspace.ledger.head()


def test_the_guidelines_come_with_their_hash(tiny_workspace: Workspace) -> None:
    text, digest = tiny_workspace.guidelines()
    assert text.startswith("# Reviewing")
    assert digest == sha256(text)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "cannot be read: not UTF-8 at byte 1"),
    ],
)
def test_guidelines_that_say_nothing_are_refused(
    tiny_workspace: Workspace, content: bytes | None, why: str
) -> None:
    tiny_workspace.guidelines_path.unlink()
    if content is not None:
        tiny_workspace.guidelines_path.write_bytes(content)
    with pytest.raises(
        InputError, match=rf"guidelines\.md: {why}: write what reviewers should approve and reject"
    ):
        tiny_workspace.guidelines()


def test_who_is_simulated_was_fixed_at_init(make_workspace: Make) -> None:
    assert make_workspace(folder="real").simulated_reviewer is None
    demo = make_workspace(folder="demo", simulated_reviewer="simulated-ana")
    assert demo.simulated_reviewer == "simulated-ana"


def test_a_ledger_without_a_first_event_is_refused(tiny_workspace: Workspace) -> None:
    tiny_workspace.close()
    (tiny_workspace.state_dir / "ledger.db").unlink()
    Ledger.create(tiny_workspace.ledger_url).close()
    with pytest.raises(RefusedError, match="the ledger has no first event"):
        _ = tiny_workspace.simulated_reviewer


def test_addresses_come_from_the_environment_before_the_configuration(
    make_workspace: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SEEDGATE_VLLM_URLS", "SEEDGATE_ARGILLA_URL"):
        monkeypatch.delenv(name, raising=False)
    ws = make_workspace(settings={"vllm": {"urls": ["http://a/v1"]}, "argilla": {"url": "http://b"}})
    assert ws.vllm_urls() == ("http://a/v1",)
    assert ws.argilla_url() == "http://b"
    monkeypatch.setenv("SEEDGATE_VLLM_URLS", "http://c/v1, http://d/v1,")
    monkeypatch.setenv("SEEDGATE_ARGILLA_URL", "http://e")
    assert ws.vllm_urls() == ("http://c/v1", "http://d/v1")
    assert ws.argilla_url() == "http://e"


CLASS = """
from typing import Annotated, Literal
from pydantic import BaseModel
from seedgate import Input, Output

class Ticket(BaseModel):
    "Name the topic."
    text: Annotated[str, Input]
    topic: Annotated[Literal["bug", "billing"], Output]
"""


def declared(folder: Path, place: str, code: str = CLASS) -> Workspace:
    (folder / "seedgate.toml").write_text(f'[task]\nname = "tickets"\nclass = "{place}"\n')
    (folder / "task.py").write_text(code)
    return Workspace(folder)


def test_a_task_may_be_a_class_in_a_file_of_the_workspace(tmp_path: Path) -> None:
    assert declared(tmp_path, "task.py:Ticket").task.choices == ("bug", "billing")


@pytest.mark.parametrize(
    ("place", "code", "complaint"),
    [
        ("task.py", CLASS, r"give FILE\.py:CLASS"),
        ("../task.py:Ticket", CLASS, "a file inside the workspace"),
        ("none.py:Ticket", CLASS, "a file inside the workspace"),
        ("task.py:Nope", CLASS, "AttributeError: .*Nope"),
        ("task.py:Ticket", "import nothing_like_this", "ModuleNotFoundError: No module named"),
        ("task.py:Ticket", "def (", "SyntaxError"),
        ("task.py:Ticket", "Ticket = 3", "is no pydantic class"),
    ],
)
def test_a_class_that_cannot_be_had_is_one_clear_line(
    tmp_path: Path, place: str, code: str, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        declared(tmp_path, place, code)


@pytest.mark.parametrize(
    "url", ["http://[::1", "localhost:8000", "ftp://host", "http://", "http://host:99999", "http://a b"]
)
def test_an_address_that_is_none_is_one_clear_line(
    tiny_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("SEEDGATE_ARGILLA_URL", url)
    with pytest.raises(ConfigError, match="the address of Argilla is no http"):
        tiny_workspace.argilla_url()
    monkeypatch.setenv("SEEDGATE_VLLM_URLS", f"http://gpu1:8000/v1,{url}")
    with pytest.raises(ConfigError, match="the address of vLLM is no http"):
        tiny_workspace.vllm_urls()


@pytest.mark.parametrize("key", ["sécret-kéy", "secret\nkey", "secret key"])
def test_a_key_that_http_cannot_carry_is_refused_and_not_shown(
    tiny_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("SEEDGATE_ARGILLA_API_KEY", key)
    monkeypatch.setenv("SEEDGATE_VLLM_API_KEY", key)
    for asked in (tiny_workspace.argilla_key, tiny_workspace.vllm_key):
        with pytest.raises(ConfigError, match="copy it again") as refused:
            asked()
        assert "cr" not in str(refused.value).replace("character", "")


# -- files that a task names -------------------------------------------------------------------------


def write_config(folder: Path, task: str) -> Path:
    (folder / "seedgate.toml").write_text(f"[task]\n{task}\n")
    return folder


def test_a_preset_can_be_a_class_which_then_gives_the_name(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(
        "from pydantic import BaseModel, Field\n"
        "class Bill(BaseModel):\n    total: float\n"
        "class BillReader(BaseModel):\n"
        "    'Read a bill.'\n"
        "    text: str = Field(json_schema_extra={'role': 'input'})\n"
        "    bill: Bill = Field(json_schema_extra={'role': 'output'})\n"
    )
    task = Workspace(write_config(tmp_path, 'preset = "tasks.py:BillReader"')).task
    assert (task.name, task.instructions, task.metric) == ("bill-reader", "Read a bill.", "field_f1")
    before = task.hash
    (tmp_path / "tasks.py").write_text(
        (tmp_path / "tasks.py").read_text().replace("total: float", "total: int")
    )
    assert Workspace(tmp_path).task.hash != before


EXTRACTION = 'preset = "extraction"\nname = "bills"\nschema = '


def test_a_schema_can_be_a_file_of_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "bill.json").write_text('{"type": "object", "properties": {"total": {"type": "number"}}}')
    task = Workspace(write_config(tmp_path, EXTRACTION + '"bill.json"')).task
    assert task.field("data").json_schema["properties"] == {"total": {"type": "number"}}


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("../bill.json", "{}", "a JSON file inside the workspace"),
        ("none.json", "{}", "a JSON file inside the workspace"),
        ("bill.json", "{", r"schema 'bill.json': Expecting"),
        ("bill.json", "[]", r"schema 'bill.json': holds no object"),
        ("bill.json", '{"a": 1, "a": 2}', "key 'a' appears twice"),
    ],
)
def test_a_schema_file_that_is_none_is_named(tmp_path: Path, name: str, content: str, complaint: str) -> None:
    folder = tmp_path / "ws"
    folder.mkdir()
    (tmp_path / "bill.json").write_text("{}")
    (folder / "bill.json").write_text(content)
    with pytest.raises(ConfigError, match=complaint):
        Workspace(write_config(folder, f'{EXTRACTION}"{name}"'))
