"""The examples in docstrings do what they show."""

import doctest
import pkgutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import seedgate


def with_examples() -> list[str]:
    names = [module.name for module in pkgutil.walk_packages(seedgate.__path__, "seedgate.")]
    specs = [spec for spec in map(find_spec, names) if spec is not None and spec.origin]
    return [spec.name for spec in specs if ">>> " in Path(str(spec.origin)).read_text(encoding="utf-8")]


@pytest.mark.parametrize("name", with_examples())
def test_the_examples_of_a_module_run_as_shown(name: str) -> None:
    assert doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS).failed == 0
