"""The wheel holds every module and data file, and works in a new environment without any extra.

An editable install can't show this: there a subpackage that pyproject.toml forgets still imports, and a package
that belongs to an extra is present.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from uv import find_uv_bin

ROOT = Path(__file__).parents[1]
FOLDERS = {"core": "seedgate"} | {
    room: f"seedgate/{room}" for room in ("seeds", "generator", "review", "finetune")
}

pytestmark = pytest.mark.e2e  # a build and an install from the package index: 15 s with a warm cache

IMPORT_ALL = """
import importlib, sys
for name in sys.stdin.read().split():
    try:
        importlib.import_module(name)
    except Exception as error:
        print(f"{name}: {error!r}")
print("heavy:", *sorted({"torch", "transformers", "datasets", "vllm", "argilla"} & set(sys.modules)))
"""


def run(*command: str | Path, cwd: Path | None = None, stdin: str = "") -> str:
    """The standard output of a command that must succeed."""
    result = subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, f"{command}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
    return result.stdout


def expected_files() -> set[str]:
    """The names in the wheel of every file that the package folders hold."""
    return {
        f"{target}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, target in FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, since setuptools takes along what an earlier build left in build/."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in FOLDERS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, source)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path) -> Path:
    """The interpreter of a new environment with the wheel and what it declares, no extra."""
    environment = wheel.parent / "environment"
    run(sys.executable, "-m", "venv", environment)
    interpreter = environment / "bin" / "python"
    quick = [find_uv_bin(), "pip", "install", "--quiet", "--python", str(interpreter), str(wheel)]
    if subprocess.run(quick, capture_output=True, timeout=600).returncode != 0:
        # pip knows package indexes from its own settings, which uv does not read.
        run(interpreter, "-m", "pip", "install", "--quiet", wheel)
    return interpreter


def test_the_wheel_holds_every_file_of_the_package_folders_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == expected_files()
    assert {"seedgate/py.typed", "seedgate/seeds/examples/support_desk/seeds.jsonl"} <= held


def test_the_wheel_carries_the_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert any(name.endswith(".dist-info/licenses/LICENSE") for name in archive.namelist())


def test_every_module_imports_without_extras(python: Path) -> None:
    modules = [
        Path(name) for name in expected_files() if name.endswith(".py") and not name.endswith("__main__.py")
    ]
    site = Path(run(python, "-I", "-c", "import seedgate; print(*seedgate.__path__)").strip()).parent
    # What only Argilla's own environment and vLLM's worker load, both named here: no other file may need them.
    theirs = {
        path
        for path in modules
        if re.search("^from (argilla_server|vllm)", (site / path).read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {path.name for path in theirs} <= {"argilla_server.py", "vllm_lora.py"}
    own = set(modules) - theirs
    names = sorted(".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in own)
    printed = run(python, "-I", "-c", IMPORT_ALL, cwd=python.parent, stdin="\n".join(names))
    assert printed == "heavy:\n"


def test_the_command_answers(python: Path) -> None:
    assert "generate" in run(python.parent / "seedgate", "--help", cwd=python.parent)
    assert "generate" in run(python, "-I", "-m", "seedgate", "--help", cwd=python.parent)


def test_the_shipped_example_is_readable_from_the_package(python: Path) -> None:
    code = (
        "from importlib.resources import files;"
        "print(sum(1 for line in (files('seedgate.seeds.examples') / 'support_desk/seeds.jsonl').open()))"
    )
    assert run(python, "-I", "-c", code, cwd=python.parent) == "200\n"
