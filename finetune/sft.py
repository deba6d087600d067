"""The fine-tuning itself: TRL's SFTTrainer with a PEFT adapter, on whatever device is there.

Nothing of TRL, PEFT or transformers leaves this file. What was measured on two CPU cores is in docs/log.md:
bfloat16 autocast over float32 weights trains 2.4 times as fast as float32, eager attention a quarter faster
than the fused kernel on rows of some 60 tokens, and the loss below twice as fast as TRL's own on a CPU.
"""

from __future__ import annotations

import inspect
import logging
import math
import random
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seedgate.config import TrainingConfig
from seedgate.errors import InputError, SeedgateError
from seedgate.finetune.checkpointing import Checkpoints, checkpoint_callback, order_callback
from seedgate.finetune.early_stopping import watching_callback
from seedgate.hardware import cpu_has_bfloat16

__all__ = ["fit", "merge_adapter"]

Row = dict[str, list[dict[str, str]]]
"""`{"prompt": messages, "completion": messages}`, as TRL reads it."""

EAGER_TOKENS = 256
"""Longest row in tokens for which a CPU uses eager attention: its memory grows with the square."""

PACKED_TOKENS = 640
"""Tokens of a batch that a CPU computes as one row: attention grows with the square, too few leave it idle."""


def fit(
    rows: Sequence[Row],
    *,
    base_model: str,
    settings: TrainingConfig,
    out: Path,
    on_step: Callable[[int, int, str], None],
    checkpoints: Checkpoints | None = None,
) -> dict[str, Any]:
    """Fine-tunes a base model on completions and saves what was trained into `out`.

    Args:
        base_model: A folder, or a name on the hub.
        on_step: Called after each optimizer step with steps done, steps in all and the latest loss.
        checkpoints: Where to go on after a kill; without it, training begins anew.

    Returns:
        `train_loss`, `last_loss`, `steps`, `rows`, `tokens` (per epoch), `seconds`, `device`, `dtype`, and
        `resumed_from`, the step that this process began with. With early stopping also `held_out`, rows it was watched
        on, and `held_out_loss`, that of the weights that were kept.

    Raises:
        InputError: The base model cannot be loaded or has no chat template, or a row is too long.
        SeedgateError: The extra `train` is not installed.
    """
    _require_extra()
    with _quiet():
        trainer, result, seconds, begun = _trained(rows, base_model, settings, on_step, checkpoints)
        out.mkdir()
        trainer.model.save_pretrained(out)
        if settings.method == "full":
            trainer.processing_class.save_pretrained(out)
        (out / "README.md").unlink(missing_ok=True)  # PEFT's card is empty; ours is beside the folder
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {
        "train_loss": round(float(result.training_loss), 4),
        "last_loss": round(float(losses[-1]), 4) if losses else None,
        "steps": int(result.global_step),
        "resumed_from": begun,
        "rows": len(rows),
        "tokens": sum(map(len, trainer.train_dataset["input_ids"])),
        "seconds": round(seconds, 1),
        "device": trainer.args.device.type,
        "dtype": "bfloat16" if trainer.args.bf16 else "float32",
        **trainer.watching.told(),
    }


def _trained(
    rows: Sequence[Row],
    base_model: str,
    settings: TrainingConfig,
    on_step: Callable[[int, int, str], None],
    checkpoints: Checkpoints | None,
) -> tuple[Any, Any, float, int]:
    """Trainer, its result, the seconds it took and the step it began with."""
    found = checkpoints.newest() if checkpoints else None
    try:
        trainer = _trainer(rows, base_model, settings, on_step, checkpoints)
        started = time.monotonic()
        result = trainer.train(resume_from_checkpoint=str(found) if found else None)
        trainer.watching.restore(trainer.model)
    except (RuntimeError, ValueError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        hint = "if memory ran out, lower [training] batch_size; if several GPUs are visible, show it one with"
        hint += " CUDA_VISIBLE_DEVICES"
        if settings.report_to != "none" and settings.report_to in said[0].casefold():
            hint = "[training] report_to names what is to log the training: install it, or leave it out"
        raise SeedgateError(f"training failed: {said[0]}", hint=hint) from error
    if not math.isfinite(result.training_loss):
        raise SeedgateError(
            f"training diverged: the loss is {result.training_loss}", hint="lower [training] learning_rate"
        )
    begun = int(found.name.rpartition("-")[2]) if found else 0
    return trainer, result, time.monotonic() - started, begun


def merge_adapter(base_model: str, adapter: Path, out: Path) -> None:
    """Saves the base model with the adapter folded in, in the base model's own precision, and its tokenizer."""
    _require_extra()
    with _quiet():
        import torch
        from peft import PeftModel
        from transformers import AutoConfig

        model, tokenizer = _load(base_model, dtype=torch.float32)
        merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
        dtype = getattr(AutoConfig.from_pretrained(base_model), "dtype", None) or torch.float32
        out.mkdir(exist_ok=True)
        merged.to(dtype).save_pretrained(out)
        tokenizer.save_pretrained(out)


def _trainer(
    rows: Sequence[Row],
    base_model: str,
    settings: TrainingConfig,
    on_step: Callable[[int, int, str], None],
    checkpoints: Checkpoints | None = None,
) -> Any:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import PrinterCallback
    from trl import SFTConfig

    cpu = not torch.cuda.is_available()
    half = _bfloat16_pays(cpu)
    # LoRA leaves the base weights as they are, so a GPU can hold them in half the space.
    dtype = torch.bfloat16 if half and not cpu and settings.method == "lora" else torch.float32
    model, tokenizer = _load(base_model, dtype=dtype)
    longest = _longest(rows, tokenizer, settings.max_length)
    if cpu and longest <= EAGER_TOKENS:
        model.set_attn_implementation("eager")
    lora = LoraConfig(
        r=settings.lora_rank,
        lora_alpha=2 * settings.lora_rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    kept, watched = _held_out(rows, settings)
    watching = watching_callback(len(watched))
    with tempfile.TemporaryDirectory(prefix="seedgate-train-") as scratch:
        arguments = SFTConfig(
            output_dir=str(checkpoints.folder) if checkpoints else scratch,
            num_train_epochs=settings.epochs,
            max_steps=settings.max_steps,
            learning_rate=settings.learning_rate,
            lr_scheduler_type="linear",
            per_device_train_batch_size=settings.batch_size,
            # Packed rows have no padding to save, and keep the order that plain training has.
            train_sampling_strategy="random" if cpu and _can_pack(model, longest) else "group_by_length",
            max_length=settings.max_length,
            completion_only_loss=True,
            gradient_checkpointing=False,
            bf16=half,
            use_cpu=cpu,
            seed=settings.seed,
            logging_steps=1,
            save_strategy="no",  # by time instead: see checkpointing
            save_total_limit=2,
            eval_strategy="epoch" if watched else "no",
            report_to=settings.report_to,
            run_name=checkpoints.name if checkpoints else None,
            disable_tqdm=True,
        )
        trainer = _trainer_class()(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_list(kept),
            eval_dataset=Dataset.from_list(watched) if watched else None,
            processing_class=tokenizer,
            peft_config=lora if settings.method == "lora" else None,
            callbacks=[_progress_callback(on_step), watching],
        )
    trainer.watching = watching
    trainer.order = torch.Generator()
    trainer.add_callback(order_callback(trainer.order, settings.seed))
    if checkpoints:
        trainer.add_callback(checkpoint_callback(checkpoints))
        _keep_logs(trainer, checkpoints.logs)
    trainer.remove_callback(PrinterCallback)
    return trainer


def _keep_logs(trainer: Any, folder: Path) -> None:
    """TensorBoard's logs lie beside the checkpoints otherwise, and go with them once the model is there."""
    from transformers.integrations import TensorBoardCallback

    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, TensorBoardCallback) and callback.logging_dir is None:
            callback.logging_dir = str(folder)


def _trainer_class() -> Any:
    """TRL's trainer with a cheaper way to the same loss where TRL has no kernels for it, that is on a CPU.

    Without Triton, TRL 1.16 pads all rows of a batch to the longest and sends every position through the LM
    head (`trl/trainer/utils.py`, `add_fused_lm_head`: `compact = _use_triton(...)`), which for a small model
    with a large vocabulary and short completions is half of the work. Here the rows stand one after the other,
    what all of them begin with stands there once, and only the positions that predict a label go through the
    head. Gradients are the same; a test compares the two.
    """
    import torch
    from trl import SFTTrainer

    class CompletionTrainer(SFTTrainer):  # type: ignore[misc]
        def _get_train_sampler(self, *args: Any, **options: Any) -> Any:
            sampler = super()._get_train_sampler(*args, **options)
            sampler.generator = self.order
            return sampler

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            bare = self.accelerator.unwrap_model(model)
            bare = bare.get_base_model() if hasattr(bare, "get_base_model") else bare
            ids, mask, labels = (inputs[name] for name in ("input_ids", "attention_mask", "labels"))
            if return_outputs or labels.device.type != "cpu" or not _can_pack(bare, ids.shape[1]):
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            total, items = 0.0, 0
            for part in _parts(mask, PACKED_TOKENS):
                packed, wanted = _packed(ids[part], mask[part].bool(), labels[part], bare.dtype)
                if len(wanted):
                    logits = model(**packed, use_cache=False).logits.float()
                    total = total + torch.nn.functional.cross_entropy(logits[0], wanted, reduction="sum")
                    items += len(wanted)
            if not items:
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            return total / torch.as_tensor(items if num_items_in_batch is None else num_items_in_batch)

    return CompletionTrainer


def _can_pack(bare: Any, longest: int) -> bool:
    """Whether a model looks at other tokens by attention alone, and as a mask tells it to."""
    takes = inspect.signature(type(bare).forward).parameters
    kinds = set(getattr(bare.config, "layer_types", None) or ["full_attention"])
    window = getattr(bare.config, "sliding_window", None)
    return (
        {"position_ids", "logits_to_keep"} <= takes.keys()
        and kinds <= {"full_attention", "sliding_attention"}
        and (window is None or longest <= window)
        and bare.config._attn_implementation in ("eager", "sdpa")
    )


def _parts(mask: Any, most: int) -> Iterator[slice]:
    """Rows of a batch that go together: `most` tokens at most, or one row that has more."""
    start, tokens = 0, 0
    for row, length in enumerate(mask.sum(dim=1).tolist()):
        if tokens and tokens + length > most:
            yield slice(start, row)
            start, tokens = row, 0
        tokens += length
    yield slice(start, len(mask))


def _packed(ids: Any, real: Any, labels: Any, dtype: Any) -> tuple[dict[str, Any], Any]:
    """A batch as one row without padding, in which what all rows begin with stands once.

    No token looks ahead, so what the layers make of a common beginning is the same for every row, and its
    gradients are those of all rows, summed.

    Args:
        ids: (rows, tokens); as are `real`, false at padding, and `labels`, -100 where nothing is predicted.
        dtype: Of the mask.

    Returns:
        The model's arguments, and the (labels,) that the positions in `logits_to_keep` predict.
    """
    import torch

    following = torch.nn.functional.pad(labels[:, 1:], (0, 1), value=-100)  # what a position must predict
    common = ((ids == ids[0]) & real & (following == -100)).all(dim=0).cumprod(dim=0).bool()
    kept = real & ~common
    kept[0] |= common
    row, place = kept.nonzero().T
    sees = (place <= place[:, None]) & ((row == row[:, None]) | common[place])
    hidden = torch.zeros(sees.shape, dtype=dtype).masked_fill(~sees, torch.finfo(dtype).min)
    wanted = following[kept]
    counts = (wanted != -100).nonzero().flatten()
    arguments = {
        "input_ids": ids[kept][None],
        "position_ids": place[None],
        "attention_mask": hidden[None, None],
        "logits_to_keep": counts,
    }
    return arguments, wanted[counts]


def _progress_callback(on_step: Callable[[int, int, str], None]) -> Any:
    from transformers import TrainerCallback

    class Progress(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                on_step(state.global_step, state.max_steps, f"loss {float(logs['loss']):.3f}")

    return Progress()


def _held_out(rows: Sequence[Row], settings: TrainingConfig) -> tuple[list[Row], list[Row]]:
    """Rows to train on and rows to watch, both in their order; of the training rows, never of the locked set."""
    count = round(settings.early_stopping * len(rows))
    picked = set(random.Random(settings.seed).sample(range(len(rows)), count))  # noqa: S311  # no secret
    return (
        [row for place, row in enumerate(rows) if place not in picked],
        [row for place, row in enumerate(rows) if place in picked],
    )


def _load(base_model: str, *, dtype: Any) -> tuple[Any, Any]:
    """Model and tokenizer; code that comes with a model is never run."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(base_model)
        model = AutoModelForCausalLM.from_pretrained(base_model, dtype=dtype)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(
            f"base model {base_model}: cannot be loaded: {first}",
            hint="set [training] base_model to a model's folder, or to a name on a hub that can be reached",
        ) from None
    if not tokenizer.chat_template:
        raise InputError(
            f"base model {base_model}: its tokenizer has no chat template",
            hint="use an instruction-tuned model, or put a chat_template.jinja into its folder",
        )
    return model, tokenizer


def _longest(rows: Sequence[Row], tokenizer: Any, limit: int) -> int:
    """Tokens of the longest row.

    Raises:
        InputError: It is over the limit; cut off, it would lose the completion that it is there for.
    """
    lengths = [
        len(tokenizer.apply_chat_template(row["prompt"] + row["completion"], return_dict=True)["input_ids"])
        for row in rows
    ]
    longest = max(lengths, default=0)
    if longest > limit:
        count = sum(length > limit for length in lengths)
        raise InputError(
            f"{count} rows are longer than max_length: row {lengths.index(longest) + 1} has {longest} tokens,"
            f" {limit} are allowed",
            hint="raise [training] max_length",
        )
    return longest


def _bfloat16_pays(cpu: bool) -> bool:
    import torch

    return cpu_has_bfloat16() if cpu else bool(torch.cuda.is_bf16_supported())


def _require_extra() -> None:
    try:
        import datasets  # noqa: F401
        import peft  # noqa: F401
        import trl  # noqa: F401
    except ModuleNotFoundError as error:
        raise SeedgateError(f"training needs {error.name}", hint="pip install 'seedgate[train]'") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps bars, notices and warnings of the training libraries from whoever only asked for a model."""
    import datasets
    from transformers.utils import logging as transformers_logging

    logger = logging.getLogger("transformers")
    level, bars = logger.level, datasets.are_progress_bars_disabled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        transformers_logging.disable_progress_bar()
        datasets.disable_progress_bars()
        try:
            yield
        finally:
            logger.setLevel(level)
            transformers_logging.enable_progress_bar()
            if not bars:
                datasets.enable_progress_bars()
