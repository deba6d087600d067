"""The examples in docstrings do what they show."""

import doctest
import pkgutil
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import seedgate


def with_examples() -> list[str]:
    names = [module.name for module in pkgutil.walk_packages(seedgate.__path__, "seedgate.")]
    specs = [spec for spec in map(find_spec, names) if spec is not None and spec.origin]
    return [spec.name for spec in specs if ">>> " in Path(str(spec.origin)).read_text(encoding="utf-8")]


PAGES = [
    path
    for path in sorted((Path(__file__).parents[1] / "docs").glob("*.md"))
    if re.search(r"^ +>>> ", path.read_text(encoding="utf-8"), re.MULTILINE)
]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_examples_of_a_page_run_as_shown(path: Path) -> None:
    found = doctest.testfile(str(path), module_relative=False, encoding="utf-8")
    assert (found.failed, found.attempted > 0) == (0, True)


@pytest.mark.parametrize("name", with_examples())
def test_the_examples_of_a_module_run_as_shown(name: str) -> None:
    assert doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS).failed == 0
