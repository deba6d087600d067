"""The rules of the house that no linter knows: packages, the order of the rooms, names, docstrings, public names."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("seeds", "generator", "review", "finetune")  # in the order in which data flows
FOLDERS = ("core", *ROOMS)
WIRING = re.compile(
    r"core/(cli/.*|report/.*|cycle.*)\.py"
)  # these tie the rooms together, so they may see all of them
HEAVY = {
    "accelerate",
    "cleanlab",
    "datasets",
    "numpy",
    "peft",
    "pyarrow",
    "scipy",
    "sentence_transformers",
    "sklearn",
    "tokenizers",
    "torch",
}
HEAVY |= {"transformers", "trl", "vllm"}
VAGUE = {"util", "utils", "helper", "helpers", "manager", "misc", "common"}

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MODULES = sorted(path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

# What only Argilla's own environment and vLLM's worker load; no other module may import them.
FOREIGN = {
    path
    for path in MODULES
    if re.search("^from (argilla_server|vllm)", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
}

each_module = pytest.mark.parametrize("path", MODULES, ids=str)


def import_name(path: Path) -> str:
    """`review/__init__.py` -> `seedgate.review`; `core/cli/app.py` -> `seedgate.cli.app`."""
    parts = [*path.parts[:-1], path.stem] if path.stem != "__init__" else list(path.parts[:-1])
    return ".".join(["seedgate", *(parts[1:] if parts[0] == "core" else parts)])


def parse(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module a piece of code imports; for `from a import b` both `a` and `a.b`, since b may be a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_import_time(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported, without what only a type checker reads."""
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node


def tracked_files() -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [Path(name) for name in listed if (ROOT / name).is_file()]


class TestPackages:
    declared = frozenset(PROJECT["tool"]["setuptools"]["packages"])

    def test_every_folder_with_modules_is_a_declared_package(self) -> None:
        assert {import_name(path.parent / "__init__.py") for path in MODULES} == self.declared

    def test_every_package_has_an_init(self) -> None:
        assert all((ROOT / path.parent / "__init__.py").is_file() for path in MODULES)

    def test_every_room_is_mapped_into_the_one_import_name(self) -> None:
        mapped = {"seedgate": "core"} | {f"seedgate.{room}": room for room in ROOMS}
        assert PROJECT["tool"]["setuptools"]["package-dir"] == mapped


class TestImports:
    @pytest.mark.parametrize("folder", FOLDERS)
    def test_ruff_refuses_to_import_a_folder_by_its_own_name(self, folder: str) -> None:
        command = [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--no-cache",
            "--stdin-filename",
            "review/new.py",
            "-",
        ]
        code = f'"""A module."""\n\nimport {folder}\n\nprint({folder})\n'
        result = subprocess.run(command, cwd=ROOT, input=code, capture_output=True, text=True, timeout=60)
        assert result.returncode == 1
        assert "TID251" in result.stdout

    @each_module
    def test_a_room_imports_only_earlier_rooms_and_core(self, path: Path) -> None:
        if WIRING.fullmatch(path.as_posix()):
            return
        allowed = ROOMS[: ROOMS.index(path.parts[0]) + 1] if path.parts[0] in ROOMS else ()
        for name in imported(parse(path)):
            room = next((room for room in ROOMS if re.match(rf"seedgate\.{room}(\.|$)", name)), None)
            assert room is None or room in allowed, f"{path} imports {name}"

    def test_no_module_imports_a_script_of_another_environment(self) -> None:
        scripts = {import_name(path) for path in FOREIGN}
        assert {path: name for path in MODULES for name in imported(parse(path)) if name in scripts} == {}

    @each_module
    def test_rooms_do_not_import_the_wiring(self, path: Path) -> None:
        if path.parts[0] in ROOMS:
            wiring = [
                name for name in imported(parse(path)) if re.match(r"seedgate\.(cli|cycle|report)", name)
            ]
            assert wiring == []

    @pytest.mark.parametrize("path", [path for path in MODULES if path not in FOREIGN], ids=str)
    def test_heavy_packages_are_imported_where_they_are_used(self, path: Path) -> None:
        names = [name for node in at_import_time(parse(path)) for name in imported(node)]
        assert [name for name in names if name.split(".")[0] in HEAVY] == []


class TestModules:
    @each_module
    def test_the_docstring_says_what_it_is_for(self, path: Path) -> None:
        docstring = ast.get_docstring(parse(path))
        assert docstring
        assert docstring != "Placeholder."

    @pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.name)
    def test_the_docstring_of_a_benchmark_asks_its_question(self, path: Path) -> None:
        assert ast.get_docstring(ast.parse(path.read_text()))

    @each_module
    def test_names_say_what_a_thing_is(self, path: Path) -> None:
        defined = [
            node.name for node in ast.walk(parse(path)) if isinstance(node, ast.ClassDef | ast.FunctionDef)
        ]
        for name in (path.stem, *path.parts[:-1], *defined):
            words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+", name)}
            assert not words & VAGUE, f"{path}: {name}"

    @pytest.mark.parametrize("package", ["seedgate", *(f"seedgate.{room}" for room in ROOMS)])
    def test_the_public_names_of_a_room_exist(self, package: str) -> None:
        module = importlib.import_module(package)
        assert module.__all__
        assert len(set(module.__all__)) == len(module.__all__)
        for name in module.__all__:
            assert getattr(module, name) is not None

    @pytest.mark.parametrize(
        "path", [path for path in MODULES if path.name != "__main__.py" and path not in FOREIGN], ids=str
    )
    def test_all_names_only_what_the_module_defines(self, path: Path) -> None:
        module = importlib.import_module(import_name(path))
        for name in getattr(module, "__all__", ()):
            assert hasattr(module, name), f"{path}: {name}"


class TestRepository:
    def test_no_file_names_a_path_of_the_machine_it_was_written_on(self) -> None:
        own = [str(folder) + "/" for folder in (ROOT, ROOT.parent, Path.home()) if len(folder.parts) > 1]
        own = [folder for folder in own if folder not in ("/tmp/", "/root/", "/home/")]
        pattern = re.compile("|".join([*map(re.escape, own), r"/home/\w+/", r"/Users/\w+/", r"C:\\\\Users"]))
        for path in tracked_files():
            if path == Path(__file__).relative_to(ROOT):
                continue
            text = (ROOT / path).read_bytes().decode("utf-8", errors="replace")
            found = pattern.search(text)
            assert found is None, f"{path}: {found.group() if found else ''}"

    def test_every_make_target_is_listed_by_make_help(self) -> None:
        text = (ROOT / "Makefile").read_text()
        declared = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)[0].split()
        # Run from a make, as `make test` does, make would announce the directories it enters.
        command = ["make", "--no-print-directory", "help"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert [line.split()[0] for line in listed.splitlines()] == declared

    def test_the_workflow_fits_its_schema_and_runs_the_ci_script(self) -> None:
        workflow = ROOT / ".github/workflows/ci.yml"
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
        result = subprocess.run([*command, str(workflow)], capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, result.stdout
        assert "run: .ci/run" in workflow.read_text()
