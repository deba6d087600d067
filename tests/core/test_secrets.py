"""Secrets: the environment first, a private file else, and nothing readable by others."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seedgate.errors import InputError, SeedgateError
from seedgate.secrets import Secrets


def test_a_secret_that_nobody_set_is_none(tmp_path: Path) -> None:
    assert Secrets(tmp_path).get("vllm_api_key") is None


def test_what_was_set_is_found_by_the_next_reader(tmp_path: Path) -> None:
    Secrets(tmp_path).set("reviewer_ana_password", "correct horse")
    assert Secrets(tmp_path).get("reviewer_ana_password") == "correct horse"


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = Secrets(tmp_path)
    secrets.set("argilla_api_key", "from the file")
    monkeypatch.setenv("SEEDGATE_ARGILLA_API_KEY", "from outside")
    assert secrets.get("argilla_api_key") == "from outside"
    assert secrets.ensure("argilla_api_key") == "from outside"


def test_an_empty_variable_counts_as_unset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDGATE_ARGILLA_API_KEY", "")
    assert Secrets(tmp_path).get("argilla_api_key") is None


def test_ensure_generates_once(tmp_path: Path) -> None:
    first = Secrets(tmp_path).ensure("argilla_password")
    assert len(first) >= 24
    assert first.replace("-", "").replace("_", "").isalnum()
    assert Secrets(tmp_path).ensure("argilla_password") == first
    assert Secrets(tmp_path).ensure("vllm_api_key") != first


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path)
    secrets.ensure("argilla_password")
    assert stat.S_IMODE(secrets.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(secrets.path.parent.stat().st_mode) == 0o700
    assert [path.name for path in secrets.path.parent.iterdir() if path.suffix == ".json"] == ["secrets.json"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    secrets = Secrets(tmp_path)
    secrets.set("vllm_api_key", "hush")
    secrets.path.chmod(mode)
    with pytest.raises(SeedgateError, match=f"mode {mode:03o}.*chmod 600") as caught:
        secrets.get("vllm_api_key")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', "\xff"])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    secrets = Secrets(tmp_path)
    secrets.set("a", "b")
    secrets.path.write_bytes(content.encode("latin-1"))
    with pytest.raises(SeedgateError, match=r"secrets\.json: is not a JSON object of strings"):
        secrets.get("a")


@pytest.mark.parametrize("name", ["", "two words", "../x", "a=b", "ключ"])
def test_odd_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="secret name"):
        Secrets(tmp_path).get(name)


def test_repr_hides_values(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path)
    value = secrets.ensure("argilla_password")
    assert value not in repr(secrets)
    assert value not in str(vars(secrets))


def test_threads_agree_on_one_value(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        values = set(pool.map(lambda _: Secrets(tmp_path).ensure("vllm_api_key"), range(32)))
    assert len(values) == 1


def test_processes_that_set_different_names_lose_none(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from seedgate.secrets import Secrets;"
        "[Secrets(Path(sys.argv[1])).set(f'{sys.argv[2]}_{i}', 'x') for i in range(20)]"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(number)]) for number in range(3)
    ]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    assert len(json.loads(Secrets(tmp_path).path.read_text())) == 60


def test_a_read_only_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / ".seedgate").write_text("a file where the folder should be")
    with pytest.raises(SeedgateError, match="making the folder failed"):
        Secrets(tmp_path).set("a", "b")
