"""`seedgate.toml`: what a workspace wants, checked, with the near name suggested for a mistyped key.

What may be decided only once (the simulated reviewer) is not here but in the ledger's first event; what a
round was opened with (quorum, guideline) is in the round, so that editing this file later changes nothing
that was already asked of a reviewer.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from seedgate.errors import ConfigError

DEFAULT_EMBEDDINGS = "all-MiniLM-L6-v2"
SENTENCE_MODELS = "sentence-transformers:"
STRATEGIES = ("few_shot", "evolve", "edge_cases", "coverage_gaps", "contrast", "backward", "repair", "writer")
MODEL_SCORES = ("likelihood", "self_consistency", "judge")
"""Scores that ask the model; the others are always there."""
OWN_STRATEGY = re.compile(r"([^:]+\.py):([A-Za-z_]\w*)")
"""A function in a file of the workspace."""
ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
"""The name of a reviewer's account."""

__all__ = [
    "ACCOUNT",
    "DEFAULT_EMBEDDINGS",
    "MODEL_SCORES",
    "OWN_STRATEGY",
    "SENTENCE_MODELS",
    "STRATEGIES",
    "ArgillaConfig",
    "Config",
    "CycleConfig",
    "EmbeddingsConfig",
    "EvaluationConfig",
    "GenerationConfig",
    "LedgerConfig",
    "PolicyConfig",
    "ReleaseConfig",
    "ReviewConfig",
    "TrainingConfig",
    "VllmConfig",
    "load_config",
]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VllmConfig(_Table):
    """Where the models are served. Neither `urls` nor `offline`: the embedded stack of this workspace.

    `offline` names a model that each command loads into its own process: a folder, a name on the hub, or `embedded`.
    """

    urls: tuple[str, ...] = ()
    model: str = "smollm2-135m"
    offline: str = ""
    engine: dict[str, Any] = {}  # arguments of vllm.LLM, for `offline`

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        """A model that is loaded is called by its own name, unless another is given."""
        offline = given.get("offline") if isinstance(given, dict) else None
        if isinstance(offline, str) and offline not in ("", "embedded"):
            return {"model": PurePath(offline).name} | given
        return given

    @model_validator(mode="after")
    def _one_place(self) -> VllmConfig:
        """Whether it is clear where the model is."""
        if self.urls and self.offline:
            raise ValueError("name either urls or offline, not both")
        if self.engine and not self.offline:
            raise ValueError("engine is for offline, which is not named")
        return self


class ArgillaConfig(_Table):
    """Where review happens. Empty `url`: the embedded stack of this workspace."""

    url: str = ""


class LedgerConfig(_Table):
    """Empty `url`: SQLite in `.seedgate/ledger.db`."""

    url: str = ""


class EmbeddingsConfig(_Table):
    """What compares meanings: the small model that comes along, `sentence-transformers:NAME`, or NAME at `url`.

    The evaluation lock is bound to it.
    """

    model: str = DEFAULT_EMBEDDINGS
    url: str = ""  # of a server of /v1/embeddings, ending in /v1

    @model_validator(mode="after")
    def _known(self) -> EmbeddingsConfig:
        """Whether somebody can have the model."""
        named = self.model.startswith(SENTENCE_MODELS) and self.model != SENTENCE_MODELS
        if not self.model.strip() or not (self.url or named or self.model == DEFAULT_EMBEDDINGS):
            raise ValueError(
                f"{self.model!r} is no model: write {DEFAULT_EMBEDDINGS!r} or '{SENTENCE_MODELS}NAME', or add its url"
            )
        return self


class PolicyConfig(_Table):
    """What the gate demands before anything is generated, and of a release."""

    verified_seeds: int = Field(200, ge=1)
    near_duplicate: float = Field(0.7, gt=0, le=1)  # char-5-gram Jaccard from which two texts are the same
    # Cosine from which a text means the same as a row of the evaluation set; 0: measured by `seeds lock`. Fixed then.
    semantic_leak: float = Field(0.0, ge=0, le=1)
    min_eval: int = Field(50, ge=1)
    max_error: float = Field(
        0.0, ge=0, lt=1
    )  # bound on the wrong share above which nothing is released; 0: none


class GenerationConfig(_Table):
    """How candidates are asked for.

    `prompt_form`: `chat` sends messages and asks for JSON under a schema; `list` gives a numbered list
    that a small or base model continues; `auto` picks `list` for tasks with one free text field on models
    of less than 3 billion parameters by name, else `chat`.
    """

    candidates: int = Field(150, ge=1)  # per cycle, after the filters
    # Strategy, or FILE.py:FUNCTION of the workspace, to its share of the requests: docs/generating.md.
    strategies: dict[str, float] = {"few_shot": 1.0}
    # `learnt`: shares of strategies and labels move with verdicts, from these shares on.
    allocation: Literal["learnt", "fixed"] = "learnt"
    sampling: Literal["diverse", "focused"] = (
        "diverse"  # seeds that few_shot shows: all in turn, or alike ones
    )
    prompt_form: Literal["auto", "chat", "list"] = "auto"
    shots: int = Field(5, ge=1, le=50)
    completions: int = Field(4, ge=1, le=128)  # n per request
    temperature: float = Field(0.7, ge=0, le=2)
    top_p: float = Field(0.9, gt=0, le=1)
    max_tokens: int = Field(160, ge=1)
    concurrency: int = Field(0, ge=0, le=4096)  # requests in flight; 0: as many as the servers have room for
    timeout_s: float = Field(300.0, gt=0)
    min_words: int = Field(2, ge=0)
    language: Literal["seeds", "any"] = "seeds"  # drop what is in no language of the seeds
    semantic_duplicate: float = Field(0.0, ge=0, le=1)  # cosine of a repetition; 0: measured on the seeds
    personal_data: Literal["drop", "keep"] = "drop"  # of kinds that fewer than 5 % of the seeds hold
    # Scores that cost the model's time: likelihood, self_consistency, judge. None of them approves anything.
    scores: tuple[str, ...] = ()

    @field_validator("strategies")
    @classmethod
    def _known_shares(cls, shares: dict[str, float]) -> dict[str, float]:
        """Whether each is a strategy, or can be a user's own, and has a share."""
        if not shares:
            raise ValueError("name at least one strategy")
        for name, share in shares.items():
            if not (share > 0 and math.isfinite(share)):
                raise ValueError(f"the share of {name!r} must be above 0")
            if name not in STRATEGIES and not OWN_STRATEGY.fullmatch(name):
                tip = _near(name, STRATEGIES, ", FILE.py:FUNCTION")
                raise ValueError(f"unknown strategy {name!r}: {tip}")
        return shares

    @field_validator("scores")
    @classmethod
    def _known_scores(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """Whether each is a score that asks the model; each once."""
        for name in names:
            if name not in MODEL_SCORES:
                raise ValueError(f"unknown score {name!r}: {_near(name, MODEL_SCORES)}")
        return tuple(dict.fromkeys(names))


def _near(name: str, known: tuple[str, ...], more: str = "") -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}{more}"


class ReviewConfig(_Table):
    """Who reviews, how much at a time, and how reviewers are measured.

    `order = "value"` shows first what is worth most; who knows the right labels can then tell some controls.
    """

    reviewers: tuple[str, ...] = ("reviewer",)
    adjudicator: str = ""
    quorum: int = Field(1, ge=1)
    wave_size: int = Field(50, ge=1, le=1000)
    ahead: int = Field(
        10, ge=0
    )  # `cycle --watch` pushes the next wave when a reviewer has fewer records left
    order: Literal["value", "labels"] = "labels"  # within a label: by expected value, or at random
    random_share: float = Field(0.2, ge=0, le=1)
    rereview: float = Field(0.05, ge=0, le=1)  # approved rows looked at again, per candidate of a wave
    controls: float = Field(0.1, ge=0, le=0.5)  # share of each reviewer's wave whose answer is known
    good_controls: float = Field(0.25, ge=0, le=1)  # share of these that are right
    max_miss_rate: float = Field(0.15, gt=0, lt=1)  # of wrong controls; above it approvals are set aside
    min_pace_s: float = Field(1.0, ge=0, le=60)  # two submissions nearer than this: nobody read them

    @field_validator("reviewers")
    @classmethod
    def _accounts(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """Whether each can be an account, nobody is asked twice, and somebody is."""
        if not names:
            raise ValueError("name at least one reviewer")
        for name in names:
            if not ACCOUNT.fullmatch(name):
                raise ValueError(
                    f"{name!r} is no name of an account: use letters, digits, '.', '_' and '-', at most 40,"
                    " a letter or digit first"
                )
        if len(set(names)) < len(names):
            raise ValueError("a reviewer is named twice")
        return names


class ReleaseConfig(_Table):
    """What the dataset card says that the ledger can't know; from the next release on."""

    license: str = ""  # as the hub names it: cc-by-4.0, apache-2.0, other
    languages: tuple[str, ...] = ()  # codes such as "en" or "pt-BR"

    @field_validator("license")
    @classmethod
    def _an_identifier(cls, given: str) -> str:
        if given and not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", given):
            raise ValueError("write it as the hub does, in small letters, such as cc-by-4.0")
        return given

    @field_validator("languages")
    @classmethod
    def _codes(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for code in given:
            if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", code):
                raise ValueError(f"{code!r} is no language code such as en or pt-BR")
        return given


class TrainingConfig(_Table):
    """LoRA by default; `base_model` is a path or hub name, `embedded` the stack's own model."""

    base_model: str = "embedded"
    method: Literal["lora", "full"] = "lora"
    epochs: float = Field(4.0, gt=0)
    learning_rate: float = Field(1e-3, gt=0)
    batch_size: int = Field(8, ge=1)
    lora_rank: int = Field(16, ge=1)
    max_length: int = Field(512, ge=8)
    seed: int = 0
    max_steps: int = -1
    early_stopping: float = Field(0.0, ge=0, lt=0.5)  # share of training rows held out and watched
    # trackio, tensorboard or wandb, if installed; TensorBoard's logs are in .seedgate/logs/training.
    report_to: str = "none"


class EvaluationConfig(_Table):
    """How a model is measured on the locked set."""

    constrained: bool = True  # answers limited to the task's labels, where it has them
    max_tokens: int = Field(64, ge=1)
    confidence: float = Field(0.95, gt=0.5, lt=1)
    judge: str = ""  # a served model that grades free text by the rubric judge.chat, beside the metric


class CycleConfig(_Table):
    """What `seedgate cycle` does besides generating and reviewing."""

    baseline: bool = True  # train and measure the seeds alone before the first generation
    train: bool = True
    # Models of each release, each with a training seed of its own, from [training] seed upwards; each is measured.
    training_seeds: int = Field(1, ge=1, le=100)
    # Budgets over all cycles, looked at before a cycle begins; 0: no limit.
    max_cycles: int = Field(0, ge=0)
    max_requests: int = Field(0, ge=0)
    max_gpu_s: float = Field(0, ge=0)  # of generating, training and measuring
    max_reviewer_minutes: float = Field(0, ge=0)


class Config(_Table):
    """All of `seedgate.toml`. `task` is kept as written; `seedgate.task.Task.from_config` reads it."""

    name: str = Field("workspace", pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    task: dict[str, Any]
    vllm: VllmConfig = VllmConfig()
    argilla: ArgillaConfig = ArgillaConfig()
    ledger: LedgerConfig = LedgerConfig()
    embeddings: EmbeddingsConfig = EmbeddingsConfig()
    policy: PolicyConfig = PolicyConfig()
    generation: GenerationConfig = GenerationConfig()
    review: ReviewConfig = ReviewConfig()
    release: ReleaseConfig = ReleaseConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    cycle: CycleConfig = CycleConfig()


def load_config(path: Path) -> Config:
    """Reads and checks `seedgate.toml`.

    Raises:
        ConfigError: The file is missing or not TOML (with its line), a key is unknown (with the nearest
            known one), or a value does not fit (with what was found).
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors of Windows put a mark in front
    except FileNotFoundError:
        raise ConfigError(f"{path}: not found", hint="make a workspace with `seedgate init`") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}", hint="save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{path}: {'; '.join(_explain(error))}") from None


def _explain(error: ValidationError) -> Iterator[str]:
    for item in error.errors(include_url=False):
        where = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            known = _known_keys(item["loc"][:-1])
            near = difflib.get_close_matches(str(item["loc"][-1]), known, n=1, cutoff=0.5)
            tip = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            yield f"unknown key {where!r}: {tip}"
        elif item["type"] == "missing":
            yield f"key {where!r} is missing"
        elif item["type"] == "value_error":  # said here, in words that may hold a name
            yield f"key {where!r}: {item['msg'].removeprefix('Value error, ')}, found {item.get('input')!r}"
        elif item["type"] == "tuple_type":
            one = item.get("input")
            shown = json.dumps(one, ensure_ascii=False) if isinstance(one, str) else '"..."'
            yield f"key {where!r}: write a list: [{shown}], found {one!r}"
        else:
            yield f"key {where!r}: {item['msg'].lower()}, found {item.get('input')!r}"


def _known_keys(path: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Config
    for part in path:
        annotation = model.model_fields[str(part)].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return list(model.model_fields)
