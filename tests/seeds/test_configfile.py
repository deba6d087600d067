"""Writing `seedgate.toml`: whatever is written reads back the same."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedgate.config import Config, load_config
from seedgate.errors import InputError
from seedgate.seeds.configfile import config_text, toml_value

strings = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
keys = strings | st.sampled_from(["a", "a b", "a.b", '"', "", "é"])
plain = (
    strings
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)


@given(values)
def test_a_value_reads_back_the_same(value: Any) -> None:
    assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value


@given(st.dictionaries(keys, values, max_size=4))
def test_a_task_table_reads_back_the_same(task: dict[str, Any]) -> None:
    assert tomllib.loads(config_text("demo", task, {}))["task"] == task


def test_what_toml_has_no_word_for_is_refused() -> None:
    with pytest.raises(InputError, match="None cannot be written as TOML"):
        toml_value(None)


TASK = {"preset": "classification", "name": "t", "labels": {"a": 'says "A"', "b c": "says B"}}


def test_the_file_holds_what_was_chosen_and_the_defaults_beside_it(tmp_path: Path) -> None:
    text = config_text("demo", TASK, {"policy": {"verified_seeds": 20}, "vllm": {"urls": ["http://a/v1"]}})
    (tmp_path / "seedgate.toml").write_text(text)
    config = load_config(tmp_path / "seedgate.toml")
    assert config.name == "demo"
    assert config.task == TASK
    assert config.policy.verified_seeds == 20
    assert config.vllm.urls == ("http://a/v1",)
    assert "\n# near_duplicate = 0.7\n" in text
    assert (
        "\n# What the gate demands before anything is generated, and of a release.\n[policy]\nverified_seeds = 20\n"
        in text
    )


def test_every_default_in_a_comment_is_the_real_one(tmp_path: Path) -> None:
    lines = config_text("workspace", TASK, {}).splitlines()
    uncommented = [
        line.removeprefix("# ") if line.startswith("# ") and " = " in line else line for line in lines
    ]
    (tmp_path / "seedgate.toml").write_text("\n".join(uncommented))
    assert load_config(tmp_path / "seedgate.toml") == Config(task=TASK)


def test_an_unknown_key_is_written_and_then_refused_by_name(tmp_path: Path) -> None:
    text = config_text("demo", TASK, {"policy": {"verified_seed": 3}})
    (tmp_path / "seedgate.toml").write_text(text)
    with pytest.raises(InputError, match=r"unknown key 'policy\.verified_seed'"):
        load_config(tmp_path / "seedgate.toml")


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(InputError, match="unknown table 'polcy'"):
        config_text("demo", TASK, {"polcy": {}})
