"""`seedgate.toml`: every mistake is answered with the line, the key or the near one."""

from pathlib import Path

import pytest

from seedgate.config import Config, load_config
from seedgate.errors import ConfigError

TASK = '[task]\npreset = "classification"\nname = "t"\nlabels = ["a", "b"]\n'


def load(folder: Path, text: str | bytes) -> Config:
    path = folder / "seedgate.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_config(path)


def test_a_task_alone_is_a_configuration_with_the_documented_defaults(tmp_path: Path) -> None:
    config = load(tmp_path, TASK)
    assert config.task["labels"] == ["a", "b"]
    assert config.policy.verified_seeds == 200
    assert config.policy.near_duplicate == 0.7
    assert config.review.quorum == 1
    assert config.vllm.urls == ()


def test_a_byte_order_mark_is_harmless(tmp_path: Path) -> None:
    assert load(tmp_path, b"\xef\xbb\xbf" + TASK.encode()) == load(tmp_path, TASK)


def test_what_is_written_counts(tmp_path: Path) -> None:
    config = load(
        tmp_path, TASK + '[review]\nreviewers = ["ana", "bo"]\nquorum = 2\n[vllm]\nurls = ["http://a/v1"]\n'
    )
    assert config.review.reviewers == ("ana", "bo")
    assert config.review.quorum == 2
    assert config.vllm.urls == ("http://a/v1",)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ('offline = "embedded"', "smollm2-135m"),
        ('offline = "Qwen/Qwen2.5-7B-Instruct"', "Qwen2.5-7B-Instruct"),
        ('offline = "models/mine"\nmodel = "other"', "other"),
    ],
)
def test_a_model_that_is_loaded_has_its_own_name(tmp_path: Path, written: str, name: str) -> None:
    config = load(tmp_path, f"{TASK}[vllm]\n{written}\n[vllm.engine]\ntensor_parallel_size = 2\n")
    assert config.vllm.model == name
    assert config.vllm.engine == {"tensor_parallel_size": 2}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (TASK + '[vllm]\nurls = ["http://a/v1"]\noffline = "embedded"\n', "either urls or offline, not both"),
        (TASK + "[vllm.engine]\nseed = 1\n", "engine is for offline, which is not named"),
        (
            TASK + '[review]\nreviewers = "ana"',
            r"key 'review\.reviewers': write a list: \[\"ana\"\], found 'ana'",
        ),
        (TASK + '[vllm]\nurls = "http://x"', r"key 'vllm\.urls': write a list: \[\"http://x\"\]"),
        (
            TASK + "[release]\nlanguages = 3",
            r"key 'release\.languages': write a list: \[\"\.\.\.\"\], found 3",
        ),
        (
            TASK + "[review]\nreviewers = []",
            r"key 'review\.reviewers': name at least one reviewer, found \[\]",
        ),
        (
            TASK + '[review]\nreviewers = ["a b"]',
            r"'a b' is no name of an account: use letters, digits, '\.'",
        ),
        ("x = \n", r"not valid TOML: Invalid value \(at line 1, column 5\)"),
        ('name = "a"\nname = "b"\n', r"not valid TOML: Cannot overwrite a value \(at line 2"),
        ("", "key 'task' is missing"),
        (TASK + "[polcy]\n", "unknown key 'polcy': did you mean 'policy'"),
        (
            TASK + "[policy]\nverified_seed = 3",
            r"unknown key 'policy\.verified_seed': did you mean 'verified_seeds'",
        ),
        (TASK + "[cycle]\nzz = 3", r"unknown key 'cycle\.zz': known: baseline, train, training_seeds"),
        (
            TASK + "[policy]\nverified_seeds = 0",
            r"key 'policy\.verified_seeds': .* greater than or equal to 1, found 0",
        ),
        (TASK + "[policy]\nnear_duplicate = 1.5", r"key 'policy\.near_duplicate': .* found 1\.5"),
        (
            TASK + "[generation]\nstrategies = {fewshot = 1}",
            r"key 'generation\.strategies': .*unknown strategy 'fewshot': did you mean 'few_shot'\?",
        ),
        (
            TASK + "[generation]\nstrategies = {poem = 1}",
            r"unknown strategy 'poem': known: few_shot, evolve, .*, FILE\.py:FUNCTION, found",
        ),
        (TASK + "[generation]\nstrategies = {evolve = 0}", r"the share of 'evolve' must be above 0"),
        (TASK + "[generation]\nstrategies = {evolve = nan}", r"the share of 'evolve' must be above 0"),
        (TASK + "[generation]\nstrategies = {}", r"name at least one strategy"),
        (TASK + '[generation]\nsampling = "wide"', r"key 'generation\.sampling': .*found 'wide'"),
        (
            TASK + '[generation]\nprompt_form = "poem"',
            r"key 'generation\.prompt_form': .*'list'.*found 'poem'",
        ),
        (TASK + '[release]\nlicense = "CC BY"', r"key 'release\.license': .* cc-by-4\.0, found 'CC BY'"),
        (TASK + '[release]\nlanguages = ["English"]', r"'release\.languages': 'English' is no language code"),
        ('name = "My Workspace"\n' + TASK, "key 'name': .*found 'My Workspace'"),
        ("vllm = 3\n" + TASK, "key 'vllm': .*found 3"),
        (b"name = '\xff'", "not UTF-8 at byte 8: save the file as UTF-8"),
    ],
)
def test_a_mistake_is_one_line_that_says_where(tmp_path: Path, text: str | bytes, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as refused:
        load(tmp_path, text)
    assert str(refused.value).startswith(f"{tmp_path}/seedgate.toml: ")
    assert len(str(refused.value).splitlines()) == 1


def test_several_mistakes_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'review\.quorun'.*; .*'trainin'"):
        load(tmp_path, TASK + "[review]\nquorun = 2\n[trainin]\n")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not found: make a workspace with `seedgate init`"):
        load_config(tmp_path / "seedgate.toml")


def test_a_folder_in_its_place_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)
