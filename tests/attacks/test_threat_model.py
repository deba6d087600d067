"""docs/threat-model.md lists every attack with its outcome, and only those."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from tests.attacks.marking import Attack, attacks

TEXT = (Path(__file__).parents[2] / "docs" / "threat-model.md").read_text()
ROW = re.compile(r"^\| (.+?) \| (refused|detected|documented) \| (.+) \|$", re.MULTILINE)


def test_every_attack_is_in_the_threat_model_and_every_one_there_has_a_test() -> None:
    listed = [Attack(*row) for row in ROW.findall(TEXT)]  # type: ignore[arg-type]
    assert sorted(listed) == sorted(attacks()), "run `make docs`"


def test_each_attack_is_named_once() -> None:
    assert [name for name, n in Counter(each.name for each in attacks()).items() if n > 1] == []


def test_there_are_at_least_forty() -> None:
    assert len(attacks()) >= 40


def test_what_works_says_what_would_show_it() -> None:
    assert all(each.by for each in attacks())
