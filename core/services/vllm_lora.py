"""LoRA on vLLM's CPU build as one matrix product per adapter, in place of a copy of its weights per token.

vLLM 0.32's PyTorch kernels (upstream file `vllm/lora/ops/torch_ops/lora_ops.py`) gather both weight matrices of
a token's adapter for each token of a batch, 20 MB a token with SmolLM2-135M at rank 16. They also take index -1,
which stands for no adapter, for the last slot: in one batch with requests for adapters, 24 of 24 requests for
the base model were answered by an adapter. Here the tokens of a batch are grouped by adapter, and those without
one are left alone. Loaded by `--worker-extension-cls seedgate.services.vllm_lora.GroupedLora` (offline, by the
argument of that name), which imports this file in the process that runs the model; a GPU has kernels of its own
and never sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import linear
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

__all__ = ["GroupedLora", "add_groups", "groups_of"]

Groups = list[tuple[int, torch.Tensor | None]]
"""Slot of an adapter and the places of its tokens; None instead of places if all tokens are its own."""


class GroupedLora:
    """Adds nothing to vLLM's worker: to be named is enough, since the worker then imports this file."""


def groups_of(indices: torch.Tensor) -> Groups:
    """The tokens of each adapter, from one slot per token; -1 stands for none.

    >>> groups_of(torch.tensor([1, 1, -1, 0]))
    [(0, tensor([3])), (1, tensor([0, 1]))]
    """
    slots = [slot for slot in torch.unique(indices).tolist() if slot >= 0]
    whole = len(slots) == 1 and bool((indices == slots[0]).all())
    return [(slot, None if whole else (indices == slot).nonzero().flatten()) for slot in slots]


def add_groups(
    y: torch.Tensor, x: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scale: float, groups: Groups
) -> None:
    """Adds `scale * x @ A.T @ B.T` of each token's adapter to `y`, in place.

    Args:
        y: (tokens, outputs, or fewer than B has where it is padded).
        x: (tokens, inputs).
        a: (slots, 1, rank, inputs).
        b: (slots, 1, outputs, rank).
        scale: Beside the adapter's own, which vLLM has put into B.
        groups: Whose tokens are where.
    """
    width = min(y.shape[1], b.shape[-2])
    for slot, places in groups:
        own = x if places is None else x[places]
        low = linear(own, a[slot, 0].to(x.dtype)) * scale
        added = linear(low.to(y.dtype), b[slot, 0, :width].to(y.dtype))
        if places is None:
            y[:, :width] += added
        else:
            y[:, :width].index_add_(0, places, added)


def _add_lora_linear(
    self: Any,
    y: torch.Tensor,
    x: torch.Tensor,
    lora_a_stacked: Sequence[torch.Tensor],
    lora_b_stacked: Sequence[torch.Tensor],
    scale: float,
    output_slices: Sequence[int],
    **_: Any,
) -> None:
    y, x, start = y.view(-1, y.shape[-1]), x.view(-1, x.shape[-1]), 0
    for a, b, width in zip(lora_a_stacked, lora_b_stacked, output_slices, strict=True):
        add_groups(y[:, start : start + width], x, a, b, scale, _groups(self, "token"))
        start += width


def _add_lora_logits(
    self: Any,
    y: torch.Tensor,
    x: torch.Tensor,
    lora_a_stacked: torch.Tensor,
    lora_b_stacked: torch.Tensor,
    scale: float,
    **_: Any,
) -> None:
    y, x = y.view(-1, y.shape[-1]), x.view(-1, x.shape[-1])
    add_groups(y, x, lora_a_stacked, lora_b_stacked, scale, _groups(self, "sampler"))


def _groups(wrapper: Any, kind: str) -> Groups:
    """Found once per batch, not once per layer."""
    known: dict[str, Groups] = wrapper.__dict__.setdefault("_seedgate_groups", {})
    if kind not in known:
        known[kind] = groups_of(wrapper.token_lora_indices if kind == "token" else wrapper.sampler_indices)
    return known[kind]


def _update_metadata(self: Any, *args: Any, **kwargs: Any) -> None:
    self.__dict__.pop("_seedgate_groups", None)
    super(PunicaWrapperCPU, self).update_metadata(*args, **kwargs)


PunicaWrapperCPU.add_lora_linear = _add_lora_linear
PunicaWrapperCPU.add_lora_logits = _add_lora_logits
PunicaWrapperCPU.update_metadata = _update_metadata
