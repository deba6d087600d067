"""Turns a GGUF file into a model folder for vLLM and transformers; run as a program of its own.

The quantised weights are dequantised to bfloat16 safetensors: vLLM's CPU build doesn't serve GGUF, and LoRA
training needs plain weights. A separate process keeps torch's memory and chatter out of `seedgate up`.

    python -m seedgate.services.convert_model model.gguf folder
"""

from __future__ import annotations

import sys
from pathlib import Path


def convert(gguf: Path, folder: Path) -> None:
    """Writes weights, tokenizer and configuration of `gguf` into `folder`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    source = str(gguf.parent)
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(
        source,
        gguf_file=gguf.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
    )
    if not tokenizer.chat_template:
        raise SystemExit(f"{gguf}: no chat template in the file")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
