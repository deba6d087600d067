"""Prompt templates: plain text files with `$name` for what differs from prompt to prompt.

One comes along for each strategy and form (`generator/templates/`); a file of the same name in the workspace's
`prompts/` replaces it. Filling is a single pass over the template: a `$` in a seed, in a model's text or in a
reviewer's comment is just that character.
"""

from __future__ import annotations

import difflib
import string
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from seedgate.canonical import sha256
from seedgate.errors import ConfigError, InputError
from seedgate.files import atomic_write, os_errors

__all__ = ["TEMPLATES", "Templates", "names_of"]

_LIST = frozenset({"audience", "task", "heading", "meaning", "open", "seeds", "next"})
_CHAT = frozenset({"about", "meaning", "answer", "seeds", "rows", "reversed"})
_MORE = {
    "evolve_deeper.chat": {"original"},
    "coverage_gaps.chat": {"attribute"},
    "contrast.chat": {"labels", "original"},
    "contrast.list": {"labels"},
    "backward.list": {"labels"},
    "repair.chat": {"original", "reasons", "comment"},
    "own.chat": {"instruction"},
    "own.list": {"instruction"},
}
_SYSTEM = frozenset({"task", "audience", "fields"})
_ALONE = {"system.chat": _SYSTEM, "judge.chat": _SYSTEM | {"about", "meaning", "seeds", "example"}}
"""Those that have their own names, and none of what all of their form have."""
_NEEDED = {
    "system.chat": {"task", "fields"},
    "contrast.chat": {"about", "original"},
    "backward.chat": {"answer"},
    "repair.chat": {"about", "original", "reasons"},
    "judge.chat": {"example"},
    "writer.chat": {"about"},
    "writer.list": {"heading"},
}
_LIST_NEEDED = {"seeds", "next", "open"}
"""A list that ends with another number, or without its heading, is continued in a way that nothing reads."""

TEMPLATES = (
    "system.chat",
    *(f"few_shot.{form}" for form in ("chat", "list")),
    *(f"evolve_deeper.{form}" for form in ("chat", "list")),
    *(f"evolve_broader.{form}" for form in ("chat", "list")),
    *(f"edge_cases.{form}" for form in ("chat", "list")),
    *(f"coverage_gaps.{form}" for form in ("chat", "list")),
    *(f"contrast.{form}" for form in ("chat", "list")),
    *(f"backward.{form}" for form in ("chat", "list")),
    "repair.chat",
    *(f"own.{form}" for form in ("chat", "list")),
    *(f"writer.{form}" for form in ("chat", "list")),
    "judge.chat",
)
"""Names; the files end in `.txt`. `own` is for strategies that are a user's function, `judge` for the score,
`writer` for training a writer and for asking it: it was trained on the prompts that it gets."""


class Templates:
    """The templates of a workspace, checked when they are made.

    Args:
        folder: Where files that replace shipped ones are (`Workspace.prompts_dir`); need not exist.

    Raises:
        ConfigError: A file there has no template's name, is not UTF-8, names something unknown, or lacks what
            its prompt cannot do without.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._own: dict[str, str] = {}
        if folder is None or not folder.is_dir():
            return
        for path in sorted(folder.glob("*.txt")):
            text = _read(path)
            _check(path.stem, text, path)
            self._own[path.stem] = text

    def text(self, name: str) -> str:
        """A template as it is in force."""
        return self._own[name] if name in self._own else _shipped(name)

    def place(self, name: str) -> str:
        """`shipped`, or the file that replaces it."""
        return f"{self._folder.name}/{name}.txt" if self._folder and name in self._own else "shipped"

    def hash(self, name: str) -> str:
        """SHA-256 of the text; recorded with each run."""
        return sha256(self.text(name))

    def fill(self, name: str, values: Mapping[str, str]) -> str:
        """The prompt: one pass, line ends at its end taken off.

        >>> values = dict.fromkeys(names_of("own.list"), "-") | {"seeds": "1. Costs $next", "next": "2"}
        >>> Templates().fill("own.list", values).splitlines()[-2:]
        ['1. Costs $next', '2. -:']
        """
        return string.Template(self.text(name)).substitute(values).rstrip("\n")

    def copy(self, name: str, *, dry_run: bool = False) -> Path:
        """Writes a shipped template into the workspace, to be edited there; returns the file.

        Raises:
            InputError: There is no such template, or the file is there already.
        """
        if name not in TEMPLATES:
            raise InputError(f"no template is called {name!r}: {_near(name)}")
        if self._folder is None:
            raise InputError("there is no workspace to copy it into")
        path = self._folder / f"{name}.txt"
        if path.exists():
            raise InputError(f"{path} is there already", hint="edit it, or move it away first")
        if not dry_run:
            with os_errors(self._folder, "making the folder"):
                self._folder.mkdir(exist_ok=True)
            with atomic_write(path) as file:
                file.write(_shipped(name).encode())
        return path


def names_of(name: str) -> frozenset[str]:
    """What may follow a `$` in this template."""
    if name in _ALONE:
        return _ALONE[name]
    return (_LIST if name.endswith(".list") else _CHAT) | _MORE.get(name, set())


def _needed(name: str) -> set[str]:
    if name in _NEEDED:
        return _NEEDED[name]
    return _LIST_NEEDED if name.endswith(".list") else {"about", "seeds"} | _MORE.get(name, set())


@cache
def _shipped(name: str) -> str:
    return (files("seedgate.generator") / "templates" / f"{name}.txt").read_text(encoding="utf-8")


def _read(path: Path) -> str:
    try:
        # Windows' line ends would stand in the prompt.
        return path.read_text(encoding="utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}", hint="save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _check(name: str, text: str, path: Path) -> None:
    if name not in TEMPLATES:
        raise ConfigError(f"{path}: no prompt uses this file: {_near(name)}")
    known, found = names_of(name), set[str]()
    for line, placeholder in _placeholders(text):
        if placeholder is None:
            raise ConfigError(f"{path}:{line}: a $ without a name", hint="write $$ for the character")
        if placeholder not in known:
            near = difflib.get_close_matches(placeholder, sorted(known), n=1, cutoff=0.6)
            tip = f"did you mean ${near[0]}? " if near else ""
            shown = ", ".join(f"${each}" for each in sorted(known))
            raise ConfigError(f"{path}:{line}: ${placeholder} is unknown: {tip}known: {shown}")
        found.add(placeholder)
    missing = sorted(_needed(name) - found)
    if missing:
        last = max(1, len(text.splitlines()))
        raise ConfigError(f"{path}:{last}: the file ends without ${missing[0]}, which this prompt needs")


def _placeholders(text: str) -> Iterator[tuple[int, str | None]]:
    """Line and name of each placeholder; None for a `$` that begins none."""
    for match in string.Template.pattern.finditer(text):
        if match.group("escaped") is None:
            yield text.count("\n", 0, match.start()) + 1, match.group("named") or match.group("braced")


def _near(name: str) -> str:
    near = difflib.get_close_matches(name, TEMPLATES, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(TEMPLATES)}"
