"""The model that tells languages, py3langid's: loaded once, half a second's work that a thread may begin early."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any

__all__ = ["identifier"]

_loading = Lock()


def identifier() -> Any:
    """A `LanguageIdentifier` that gives probabilities in place of raw scores; waits if a thread is loading it."""
    with _loading:
        return _loaded()


@cache
def _loaded() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
