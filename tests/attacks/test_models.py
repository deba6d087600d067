"""Attacks on what lies between a training run and a model that counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seedgate.errors import InputError
from seedgate.finetune import ablate, checkpointing, evaluate, promote, release, train
from seedgate.finetune.asking import Answers
from seedgate.finetune.evaluating import _record
from seedgate.finetune.figures import Prediction
from seedgate.seeds import baseline
from seedgate.workspace import Workspace
from tests.attacks.marking import attack
from tests.finetune.models import tiny_llama, tiny_tokenizer
from tests.finetune.reviewing import TEXTS, Reviewing


@pytest.fixture
def trainable(make_workspace: Callable[..., Workspace], tmp_path: Path) -> Workspace:
    """A release with four approved rows, beside three candidates that nobody approved."""
    base = tiny_llama(tmp_path / "base", tiny_tokenizer([text for text, _ in TEXTS]))
    ws = make_workspace(settings={"training": {"base_model": str(base), "batch_size": 4, "epochs": 2.0}})
    reviewing = Reviewing(ws)
    reviewing.approve(*reviewing.candidates(7)[:4])
    release(ws)
    return ws


@attack(
    "weights trained on something else are put in place of a checkpoint, to be gone on from",
    outcome="refused",
    by="G10: the checkpoint's hashes in the ledger; training begins anew",
)
def test_a_planted_checkpoint(trainable: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpointing, "SAVE_EVERY_S", 0.0)

    def stop(done: int, total: int, what: str) -> None:
        if total and done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(trainable, output_name="mine", on_progress=stop)
    folders = list((trainable.state_dir / "training" / "mine").glob("checkpoint-*"))
    assert folders
    for folder in folders:
        (folder / "adapter_model.safetensors").write_bytes(b"trained on something else")
    assert train(trainable, output_name="mine").metrics["resumed_from"] == 0


@attack(
    "what an ablation trained on unreviewed rows is used as a model",
    outcome="refused",
    by="it is deleted, and no event makes it a model: `eval` and promotion know none of that name",
)
def test_an_ablations_student(trainable: Workspace) -> None:
    ablate(trainable, repetitions=1)
    for event in trainable.ledger.events("ablation.scored"):
        name = f"ablation-{event.payload['rows_hash'][:12]}"
        with pytest.raises(InputError, match="no model called"):
            evaluate(trainable, name)
        with pytest.raises(InputError, match="no model called"):
            promote(trainable, name)
    assert trainable.ledger.count("model.trained") == 0


@attack(
    "of several training seeds the one that does best on the locked set is promoted, as if it were the only one",
    outcome="refused",
    by="the error budget counts measurements, not decisions: the third one's test has a twelfth of it",
)
def test_the_luckiest_seed(trainable: Workspace) -> None:
    rows, confidence = baseline(trainable), trainable.config.evaluation.confidence
    names = [train(trainable, seed=seed, max_steps=1).name for seed in range(3)]
    for name, right in zip(("base", *names), (0, 1, 2, 6), strict=True):
        said = [
            Prediction(id=row.id, answer="", score=float(at < right))
            for at, row in enumerate(rows.evaluation)
        ]
        _record(
            trainable,
            key=f"evaluated:{name}",
            model=name,
            answers=Answers(name, said),
            settings={"constrained": True},
            eval_hash=rows.eval_hash,
            examples=rows.evaluation,
            seconds=1.0,
        )
    found = promote(trainable, names[-1])
    assert found.p_value < 1 - confidence
    assert found.level == pytest.approx((1 - confidence) / 12)
    assert (found.outcome, found.current) == ("undecided", "base")
