"""Any model of sentence-transformers by its name or folder; needs that package, and whatever it downloads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from seedgate.errors import ServiceError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SentenceModel"]

BATCH = 32


class SentenceModel:
    """An `Embedder`; loads at the first text, and no code that a model repository brings is run."""

    def __init__(self, name: str) -> None:
        self.identity = f"sentence-transformers:{name}"
        self._name = name

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Embedder.embed`; sentence-transformers itself sorts by length."""
        import numpy as np

        vectors = self._model.encode(
            list(texts), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, np.float32).reshape(len(texts), -1)

    @cached_property
    def _model(self) -> Any:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise ServiceError(
                f"[embeddings] {self.identity} needs sentence-transformers ({error})",
                hint="run `pip install 'seedgate[sentence-transformers]'`",
            ) from error
        try:
            return SentenceTransformer(self._name, trust_remote_code=False)
        except (OSError, ValueError, RuntimeError) as error:
            line = " ".join(str(error).split())[:200]
            raise ServiceError(
                f"[embeddings] {self.identity} cannot be loaded: {line}",
                hint="check the name, or the network",
            ) from error
