"""Training tokens per second beside a plain TRL run: the same rows, model, LoRA, batch size, learning rate and epochs.

Plain is `trl.SFTTrainer` as its documentation shows it for prompts and completions, in the precision that pays on
this machine, like ours. Ours is what `seedgate train` does: on a CPU rows of a batch one after the other, what they
begin with once, the head at completions only, eager attention on short rows; on a GPU rows of like length together.
Arms take turns, each run in a process of its own; pairs differ by seed. Tokens are those of the rows, not padding. The
held-out loss (completions only) is computed alike for both after training. Targets: 1.2 times the tokens per second,
held-out loss within 2 %.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from seedgate.config import TrainingConfig
from seedgate.seeds import example_workspace, read_examples
from seedgate.services.embedded_model import EmbeddedModel

TARGET, LOSS_WITHIN = 1.2, 0.02
ROWS, HELD_OUT = 160, 40


def rows_of() -> list[Any]:
    """The shipped example's seeds as chats."""
    with tempfile.TemporaryDirectory() as folder, example_workspace(Path(folder) / "example") as ws:
        rows = read_examples(str(ws.root / "seeds.jsonl"), ws.task)
        return [row for each in rows for row in ws.task.training_rows(each.fields)]


def plain_trainer(rows: list[Any], base: str, settings: TrainingConfig) -> Any:
    """TRL by the book."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    from seedgate.hardware import cpu_has_bfloat16

    cpu = not torch.cuda.is_available()
    half = cpu_has_bfloat16() if cpu else torch.cuda.is_bf16_supported()
    return SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
        args=SFTConfig(
            output_dir="plain",
            num_train_epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            lr_scheduler_type="linear",
            per_device_train_batch_size=settings.batch_size,
            max_length=settings.max_length,
            completion_only_loss=True,
            gradient_checkpointing=False,
            bf16=half,
            use_cpu=cpu,
            seed=settings.seed,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(base),
        peft_config=LoraConfig(
            r=settings.lora_rank,
            lora_alpha=2 * settings.lora_rank,
            lora_dropout=0.0,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
    )


def held_out_loss(model: Any, tokenizer: Any, rows: list[Any]) -> float:
    """Mean loss per completion token."""
    import torch

    total, count = 0.0, 0
    model.eval()
    with torch.no_grad():
        for row in rows:
            prompt = tokenizer.apply_chat_template(
                row["prompt"], add_generation_prompt=True, return_dict=True
            )
            whole = tokenizer.apply_chat_template(row["prompt"] + row["completion"], return_dict=True)
            ids, start = whole["input_ids"], len(prompt["input_ids"])
            logits = model(input_ids=torch.tensor([ids])).logits[0, start - 1 : -1].float()
            wanted = torch.tensor(ids[start:])
            total += float(torch.nn.functional.cross_entropy(logits, wanted, reduction="sum"))
            count += len(wanted)
    return total / count


def one(arm: str, rows: int, epochs: float, seed: int) -> dict[str, float]:
    """One run of one arm, in this process."""
    from seedgate.finetune import sft

    base, every = str(EmbeddedModel().folder), rows_of()
    trained, held = every[:rows], every[-HELD_OUT:]
    settings = TrainingConfig(epochs=epochs, seed=seed)
    with sft._quiet():
        if arm == "plain":
            trainer = plain_trainer(trained, base, settings)
        else:
            trainer = sft._trainer(trained, base, settings, lambda *_: None)
        started = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - started
        loss = held_out_loss(trainer.model, trainer.processing_class, held)
    tokens = sum(map(len, trainer.train_dataset["input_ids"])) * epochs
    return {"seconds": seconds, "tokens": tokens, "tokens_per_s": tokens / seconds, "held_out_loss": loss}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one pair of 40 rows")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--one", choices=("plain", "ours"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    rows = 40 if args.quick else args.rows
    if args.one:
        print(json.dumps(one(args.one, rows, args.epochs, args.seed)))
        return
    found: dict[str, list[dict[str, float]]] = {"plain": [], "ours": []}
    for number in range(1 if args.quick else args.pairs):
        for arm in ("plain", "ours") if number % 2 == 0 else ("ours", "plain"):
            own = ["--one", arm, "--rows", str(rows), "--epochs", str(args.epochs), "--seed", str(number + 1)]
            done = subprocess.run(
                [sys.executable, __file__, *own], check=True, capture_output=True, text=True
            )
            found[arm].append(json.loads(done.stdout.splitlines()[-1]))
            each = found[arm][-1]
            print(
                f"{arm:5} {each['tokens']:.0f} tokens in {each['seconds']:.1f} s: "
                f"{each['tokens_per_s']:.0f} tokens/s, held-out loss {each['held_out_loss']:.4f}",
                flush=True,
            )
    ratios = [
        b["tokens_per_s"] / a["tokens_per_s"] for a, b in zip(found["plain"], found["ours"], strict=True)
    ]
    losses = [
        b["held_out_loss"] / a["held_out_loss"] - 1
        for a, b in zip(found["plain"], found["ours"], strict=True)
    ]
    ratio, apart = statistics.median(ratios), statistics.mean(losses)
    print(
        f"ours / plain: {ratio:.2f} times the tokens/s ({min(ratios):.2f} to {max(ratios):.2f}; target {TARGET}), "
        f"held-out loss {apart:+.2%} ({min(losses):+.2%} to {max(losses):+.2%}; target within {LOSS_WITHIN:.0%})"
    )
    ok = ratio >= TARGET and abs(apart) <= LOSS_WITHIN
    print(json.dumps({"name": "train_speed", "runs": found, "ratio": ratio, "loss": apart, "ok": ok}))


if __name__ == "__main__":
    main()
