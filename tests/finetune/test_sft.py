"""What the loss is computed on, token by token; and that the cheaper loss is the same loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seedgate.config import TrainingConfig
from seedgate.errors import InputError
from seedgate.finetune import sft
from seedgate.services.embedded_model import EmbeddedModel
from seedgate.task import Task
from tests.finetune.models import tiny_llama, tiny_tokenizer
from tests.finetune.reviewing import TEXTS

TASK = Task.from_config(
    {"preset": "classification", "name": "tiny", "labels": ["delivery", "billing", "account"]}
)
ROWS = [row for text, label in TEXTS for row in TASK.training_rows({"text": text, "label": label})]


def trainer_of(base: Path, rows: list[Any] = ROWS, **settings: Any) -> Any:
    given = TrainingConfig(batch_size=4, max_length=128, **settings)
    with sft._quiet():
        return sft._trainer(rows, str(base), given, lambda *_: None)


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("tiny"), tiny_tokenizer([text for text, _ in TEXTS]))


@pytest.fixture(scope="module")
def smollm2_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with the tokenizer and the chat template that the demo trains with."""
    from transformers import AutoTokenizer

    folder = EmbeddedModel().folder
    if not EmbeddedModel().complete:
        pytest.skip("the embedded model is not converted yet: run `make setup`")
    return tiny_llama(tmp_path_factory.mktemp("smollm2"), AutoTokenizer.from_pretrained(folder))


@pytest.mark.parametrize("base", ["tiny_base", "smollm2_base"])
def test_only_the_completion_counts(base: str, request: pytest.FixtureRequest) -> None:
    trainer = trainer_of(request.getfixturevalue(base))
    tokenizer = trainer.processing_class
    assert len(trainer.train_dataset) == len(ROWS)
    for row, tokens in zip(ROWS, trainer.train_dataset, strict=True):
        pairs = list(zip(tokens["input_ids"], tokens["labels"], strict=True))
        prompt = [token for token, label in pairs if label == -100]
        answer = [token for token, label in pairs if label != -100]
        # One prefix that counts nothing, then one suffix that counts in full, each token as its own label.
        assert tokens["labels"] == [-100] * len(prompt) + answer
        assert tokens["input_ids"] == prompt + answer
        asked = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, tokenize=False)
        assert tokenizer.decode(prompt) == asked
        said = tokenizer.decode(answer)
        assert said == f"{row['completion'][0]['content']}<|im_end|>\n"
        assert tokenizer.eos_token_id in answer, "the model must learn to stop"


def test_padding_and_prompt_are_masked_in_a_batch(tiny_base: Path) -> None:
    trainer = trainer_of(tiny_base)
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(4)])
    longest = max(len(trainer.train_dataset[i]["input_ids"]) for i in range(4))
    assert batch["input_ids"].shape == (4, longest)
    assert (batch["labels"][batch["attention_mask"] == 0] == -100).all()


@pytest.mark.parametrize("most", [640, 60, 1], ids=["one part", "some parts", "row by row"])
@pytest.mark.parametrize("items", [None, 50])
def test_the_cheaper_loss_is_trls_loss(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch, items: int | None, most: int
) -> None:
    monkeypatch.setattr(sft, "PACKED_TOKENS", most)
    trainer = trainer_of(tiny_base)
    same_loss(trainer, trainer.data_collator([trainer.train_dataset[i] for i in range(4)]), items)


def test_the_cheaper_loss_of_rows_with_nothing_in_common_is_trls_loss(tiny_base: Path) -> None:
    import torch

    trainer = trainer_of(tiny_base)
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(4)])
    batch["input_ids"][:, 0] = torch.arange(4) + 5
    same_loss(trainer, batch, None)


def test_the_cheaper_loss_of_the_same_row_twice_and_of_whole_rows_is_trls_loss(tiny_base: Path) -> None:
    trainer = trainer_of(tiny_base)
    batch = trainer.data_collator([trainer.train_dataset[i] for i in (0, 0, 1)])
    same_loss(trainer, batch, None)
    batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    same_loss(trainer, batch, None)


def same_loss(trainer: Any, batch: Any, items: int | None) -> None:
    """The loss and the gradients are those that TRL computes, one padded row beside the other."""
    import torch
    from trl import SFTTrainer

    count = None if items is None else torch.tensor(items)
    results = []
    for compute in (trainer.compute_loss, lambda *a, **k: SFTTrainer.compute_loss(trainer, *a, **k)):
        trainer.model.zero_grad()
        loss = compute(trainer.model, dict(batch), num_items_in_batch=count)
        loss.backward()
        gradients = [p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None]
        results.append((loss.item(), torch.cat(gradients)))
    (ours, our_gradient), (theirs, their_gradient) = results
    assert ours == pytest.approx(theirs, rel=1e-5)
    assert torch.allclose(our_gradient, their_gradient, rtol=1e-3, atol=1e-7)
    assert our_gradient.abs().sum() > 0


def test_what_all_rows_begin_with_is_computed_once(tiny_base: Path) -> None:
    import torch

    trainer = trainer_of(tiny_base)
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(4)])
    ids, mask = batch["input_ids"], batch["attention_mask"].bool()
    packed, wanted = sft._packed(ids, mask, batch["labels"], torch.float32)
    common = int((ids == ids[0]).all(dim=0).cumprod(dim=0).sum())
    assert common > 1
    assert packed["input_ids"].shape == (1, int(mask.sum()) - 3 * common)
    assert wanted.tolist() == batch["labels"][batch["labels"] != -100].tolist()


def test_lora_trains_the_linear_layers_but_not_the_head(tiny_base: Path) -> None:
    trained = {n for n, p in trainer_of(tiny_base).model.named_parameters() if p.requires_grad}
    layers = {name.split(".lora_")[0].rsplit(".", 1)[1] for name in trained}
    assert layers == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def test_full_training_trains_everything(tiny_base: Path) -> None:
    parameters = list(trainer_of(tiny_base, method="full").model.parameters())
    assert all(parameter.requires_grad for parameter in parameters)


def test_a_row_that_would_lose_its_completion_is_refused(tiny_base: Path) -> None:
    rows = [*ROWS, *TASK.training_rows({"text": "far too long " * 60, "label": "account"})]
    with pytest.raises(InputError, match=r"1 rows are longer than max_length: row 9 has \d+ tokens"):
        trainer_of(tiny_base, rows)


def test_a_model_without_a_chat_template_is_refused(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(["some text"])
    tokenizer.chat_template = None
    with pytest.raises(InputError, match="has no chat template"):
        trainer_of(tiny_llama(tmp_path, tokenizer))


def test_a_folder_that_is_no_model_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be loaded") as refused:
        trainer_of(tmp_path)
    assert "\n" not in str(refused.value)
