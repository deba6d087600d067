"""A user's own strategy: a function in a Python file of the workspace, `"mine.py:ask" = 0.2`.

It runs with the rights of whoever runs `generate`, because that person's configuration names it; nothing that a
model or a reviewer wrote leads here. Whatever goes wrong in it is one line with file, line and exception.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from seedgate.canonical import sha256
from seedgate.config import OWN_STRATEGY
from seedgate.errors import ConfigError
from seedgate.generator.strategies.asking import OWN, Ask, AskFn, Context, UnsuitedError
from seedgate.records import Example

__all__ = ["file_of", "load_own"]


def file_of(root: Path, name: str) -> Path:
    """The file of `FILE.py:FUNCTION`.

    Raises:
        ConfigError: It is not there, or not inside the workspace.
    """
    match = OWN_STRATEGY.fullmatch(name)
    path = (root / match.group(1)).resolve() if match else root
    if not path.is_relative_to(root.resolve()) or not path.is_file():
        raise ConfigError(f"strategy {name!r}: give FILE.py:FUNCTION, a file inside the workspace")
    return path


def load_own(root: Path, name: str) -> AskFn:
    """The function, with its errors said in one line and what it yields checked.

    Raises:
        ConfigError: The file cannot be run, or has no such function.
    """
    path, wanted = file_of(root, name), name.rpartition(":")[2]
    module_name = f"seedgate_strategy_{sha256(str(path))[:8]}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"strategy {name!r}: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses in it look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        _fail(name, path, error)
    function = getattr(module, wanted, None)
    if not callable(function):
        raise ConfigError(f"strategy {name!r}: {path} has no function {wanted!r}")

    def checked(context: Context) -> Iterator[Ask]:
        return _checked(name, path, function, context)

    return checked


def _checked(name: str, path: Path, function: Callable[[Context], Any], context: Context) -> Iterator[Ask]:
    known = {seed.id for seed in context.seeds}
    try:
        asks = iter(function(context))
    except UnsuitedError:
        raise
    except (Exception, SystemExit) as error:
        _fail(name, path, error)
    while True:
        try:
            ask = next(asks)
        except StopIteration:
            return
        except UnsuitedError:
            raise
        except (Exception, SystemExit) as error:
            _fail(name, path, error)
        fault = _fault(ask, known, context)
        if fault:
            raise ConfigError(f"strategy {name!r} ({path}): {fault}")
        yield ask


def _fault(ask: Any, known: set[str], context: Context) -> str:
    """What is wrong with what it yielded, if anything."""
    if not isinstance(ask, Ask):
        return f"it yielded {type(ask).__name__}, not seedgate.generator.Ask"
    if not ask.seeds:
        return "it yielded an Ask that shows no seed"
    if not all(isinstance(seed, Example) for seed in (*ask.seeds, *ask.drawn)):
        return "it shows something else than seeds: take them from context.seeds"
    if not isinstance(ask.tags, tuple) or not all(isinstance(tag, str) for tag in ask.tags):
        return f"its tags are {ask.tags!r}, no tuple of strings"
    if not isinstance(ask.instruction, str):
        return f"its instruction is {ask.instruction!r}, no string"
    if ask.wording != OWN:
        return "its template is another than own: change the words in prompts/own.*.txt"
    if any(seed.id not in known for seed in (*ask.seeds, *ask.drawn)):
        return "it shows an example that is no verified seed"
    return _misfixed(ask.fixed, context) if ask.fixed is not None else ""


def _misfixed(fixed: Mapping[str, Any], context: Context) -> str:
    names = {field.name for field in context.task.fields}
    unknown = sorted(fixed.keys() - names)
    if unknown:
        return f"it fixes {unknown[0]!r}, which is no field of the task"
    missing = [name for name in context.fixed if name not in fixed]
    if missing:
        return (
            f"its fixed fields lack {missing[0]!r}, which the model does not write in the {context.form} form"
        )
    if fixed.keys() == names:
        return "it fixes every field, so there is nothing to write"
    for name, value in fixed.items():
        labels = context.task.field(name).labels
        for each in value if isinstance(value, list) else [value]:
            if not isinstance(each, str) or (labels and each not in labels):
                return f"{each!r} is no value of {name!r}"
    return ""


def _fail(name: str, path: Path, error: BaseException) -> NoReturn:
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
    ]
    line = lines[-1] if lines else getattr(error, "lineno", None)
    where = f"{path}:{line}" if line else str(path)
    said = str(error).splitlines()
    raise ConfigError(
        f"strategy {name!r} failed at {where}: {type(error).__name__}{': ' + said[0] if said else ''}"
    ) from error
