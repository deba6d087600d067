"""all-MiniLM-L6-v2 on the CPU with numpy alone: 384 numbers for a text of up to 256 tokens.

The model is Wang et al. 2020 (https://arxiv.org/abs/2002.10957), trained on sentence pairs by sentence-transformers:
six layers of BERT, the mean over tokens, length one. A hundred lines instead of torch (200 MB more and two seconds
of import on machines that only generate, push and pull); a test compares the two.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

__all__ = ["MiniLM"]

LAYERS, HEADS, WIDTH = 6, 12, 384
MOST_TOKENS = 256
"""As sentence-transformers cuts it; the tokenizer's own file says 128, which would lose the end of longer texts."""

MOST_THREADS = 8
BATCH_TOKENS = 512
"""Texts are put together by length up to so many tokens: more no longer fits the processor's cache."""

_GELU = (
    -4.927938921e-08,
    2.582695256e-06,
    -4.513910746e-05,
    -6.633733478e-05,
    3.637864428e-02,
    7.978669866e-01,
)
"""GELU is x (1 + tanh(x q(x^2))) / 2 with this q, fitted by least squares to the exact one with erf: at most 1e-6 away,
and five times as fast as scipy's erf, which would take half of all the time."""


class _Layer(NamedTuple):
    """Weights of one layer, transposed to [in, out]; query, key and value side by side."""

    attend: Array
    attend_bias: Array
    out: Array
    out_bias: Array
    out_scale: Array
    out_shift: Array
    up: Array
    up_bias: Array
    down: Array
    down_bias: Array
    down_scale: Array
    down_shift: Array


class MiniLM:
    """An `Embedder`; reads its weights at the first text.

    Args:
        folder: With `model.safetensors` and `tokenizer.json`; the user's own, fetched if need be, if not given.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    @cached_property
    def identity(self) -> str:
        """Name and weights."""
        from seedgate.services.embedding_model import DIGEST, NAME

        return f"{NAME}@{DIGEST[:12]}"

    def embed(self, texts: Sequence[str]) -> Array:
        """See `Embedder.embed`; shape [texts, 384]."""
        import numpy as np

        tokens = [self._tokenizer.encode(text).ids for text in texts]
        batches = list(_batches([len(each) for each in tokens]))
        out = np.zeros((len(texts), WIDTH), np.float32)
        self._layers  # noqa: B018  read before threads would do it twice
        # One thread a batch: BLAS's own wait for each other, and where another program has a core, forty times as long.
        with _blas().limit(limits=1), _threads(len(batches)) as pool:
            work = (pool.map if pool else map)(self._forward, ([tokens[i] for i in each] for each in batches))
            for batch, vectors in zip(batches, work, strict=True):
                out[batch] = vectors
        return out

    # -- files ---------------------------------------------------------------------------------------

    @cached_property
    def _files(self) -> Path:
        from seedgate.services.embedding_model import EmbeddingModel

        return self._folder or EmbeddingModel().prepare(lambda line: print(line, file=sys.stderr))  # noqa: T201

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._files / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(MOST_TOKENS)
        return tokenizer

    @cached_property
    def _weights(self) -> dict[str, Array]:
        from safetensors.numpy import load_file

        return dict(load_file(self._files / "model.safetensors"))

    @cached_property
    def _layers(self) -> list[_Layer]:
        return [self._layer(f"encoder.layer.{number}.") for number in range(LAYERS)]

    def _layer(self, name: str) -> _Layer:
        import numpy as np

        def matrix(*parts: str) -> tuple[Array, Array]:
            weights = [self._weights[f"{name}{part}.weight"].T for part in parts]
            biases = [self._weights[f"{name}{part}.bias"] for part in parts]
            return np.ascontiguousarray(np.concatenate(weights, 1)), np.concatenate(biases)

        def norm(part: str) -> tuple[Array, Array]:
            return self._weights[f"{name}{part}.weight"], self._weights[f"{name}{part}.bias"]

        return _Layer(
            *matrix("attention.self.query", "attention.self.key", "attention.self.value"),
            *matrix("attention.output.dense"),
            *norm("attention.output.LayerNorm"),
            *matrix("intermediate.dense"),
            *matrix("output.dense"),
            *norm("output.LayerNorm"),
        )

    # -- the network ---------------------------------------------------------------------------------

    def _forward(self, tokens: Sequence[Sequence[int]]) -> Array:
        """Shape [texts, 384]."""
        import numpy as np

        rows, length = len(tokens), max(map(len, tokens))
        ids = np.zeros((rows, length), np.intp)
        mask = np.zeros((rows, length, 1), np.float32)
        for row, each in enumerate(tokens):
            ids[row, : len(each)] = each
            mask[row, : len(each)] = 1
        hidden = self._embedded(ids).reshape(rows * length, WIDTH)
        hide = ((mask[:, None, None, :, 0] - 1) * 1e9).astype(np.float32)
        for layer in self._layers:
            mixed = _attention(layer, hidden, hide, rows, length) @ layer.out + layer.out_bias
            hidden = _normalised(mixed + hidden, layer.out_scale, layer.out_shift)
            widened = _gelu(hidden @ layer.up + layer.up_bias)
            narrowed = widened @ layer.down + layer.down_bias
            hidden = _normalised(narrowed + hidden, layer.down_scale, layer.down_shift)
        mean = (hidden.reshape(rows, length, WIDTH) * mask).sum(1) / mask.sum(1)
        return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True), np.float32)

    def _embedded(self, ids: NDArray[np.intp]) -> Array:
        weights = self._weights
        words = weights["embeddings.word_embeddings.weight"][ids]
        places = weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
        summed = words + places + weights["embeddings.token_type_embeddings.weight"][0]
        scale, shift = weights["embeddings.LayerNorm.weight"], weights["embeddings.LayerNorm.bias"]
        return _normalised(summed, scale, shift)


@cache
def _blas() -> Any:
    """numpy's BLAS, looked up once: to find a process's libraries takes longer than a text."""
    import numpy as np  # noqa: F401  # loads what is looked for
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def _threads(batches: int) -> AbstractContextManager[ThreadPoolExecutor | None]:
    """A pool where there is work for several."""
    most = min(MOST_THREADS, os.cpu_count() or 1, batches)
    return ThreadPoolExecutor(most) if most > 1 else nullcontext()


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of texts, the short ones first, so that little is padded."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and lengths[place] * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _attention(layer: _Layer, hidden: Array, hide: Array, rows: int, length: int) -> Array:
    """Shape [rows * length, 384]; `hide` [rows, 1, 1, length] is very negative where a text has no token."""
    import numpy as np

    joint = (hidden @ layer.attend + layer.attend_bias).reshape(rows, length, 3, HEADS, WIDTH // HEADS)
    query, key, value = joint.transpose(2, 0, 3, 1, 4)
    scores = query @ key.swapaxes(2, 3)
    scores *= np.float32((WIDTH // HEADS) ** -0.5)
    scores += hide
    scores -= scores.max(-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(-1, keepdims=True)
    mixed: Array = (scores @ value).swapaxes(1, 2).reshape(rows * length, WIDTH)
    return mixed


def _normalised(x: Array, scale: Array, shift: Array) -> Array:
    import numpy as np

    x -= x.mean(-1, keepdims=True)
    variance = np.square(x).mean(-1, keepdims=True)
    x /= np.sqrt(variance + np.float32(1e-12))
    x *= scale
    x += shift
    return x


def _gelu(x: Array) -> Array:
    import numpy as np

    # Beyond, the polynomial is not fitted, and the result is x or 0 to seven digits.
    held = np.clip(x, -5.5, 5.5)
    square = held * held
    factor = np.full_like(square, _GELU[0])
    for coefficient in _GELU[1:]:
        factor *= square
        factor += np.float32(coefficient)
    factor *= held
    np.tanh(factor, out=factor)
    factor += 1
    factor *= x
    factor *= np.float32(0.5)
    return factor
