"""From texts to vectors whose cosine says how near they are in meaning: one Protocol, three ways to have it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from seedgate.config import DEFAULT_EMBEDDINGS, SENTENCE_MODELS
from seedgate.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Embedder", "embedder_of", "open_embedder"]


class Embedder(Protocol):
    """A model of meaning."""

    @property
    def identity(self) -> str:
        """What locks and stored vectors are bound to; another model has another one."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of length one, shape [texts, width]; the same text gets the same one whatever stands beside it.

        Raises:
            ServiceError: The model cannot be had, or answers wrongly.
        """
        ...


def embedder_of(ws: Workspace) -> Embedder:
    """The embedder that `[embeddings]` names; opened once per process."""
    url = ws.embeddings_url()
    return open_embedder(ws.config.embeddings.model, url, ws.embeddings_key() if url else None)


@lru_cache(maxsize=4)
def open_embedder(model: str = DEFAULT_EMBEDDINGS, url: str = "", key: str | None = None) -> Embedder:
    """An embedder by name; nothing is loaded or asked before its first text.

    Args:
        model: `all-MiniLM-L6-v2`, `sentence-transformers:NAME`, or a name that the server at `url` knows.
        url: Base URL of a server of `/v1/embeddings`, ending in `/v1`.
        key: Its API key.
    """
    if url:
        from seedgate.seeds.embedding_server import ServedModel

        return ServedModel(url, model, key)
    if model.startswith(SENTENCE_MODELS):
        from seedgate.seeds.sentence_model import SentenceModel

        return SentenceModel(model.removeprefix(SENTENCE_MODELS))
    from seedgate.seeds.minilm import MiniLM

    return MiniLM()
