"""Arithmetic on one thread: on small matrices the threads of a BLAS wait for each other longer than they compute."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

__all__ = ["one_thread"]


def one_thread() -> AbstractContextManager[Any]:
    """While it is entered, the BLAS libraries loaded so far use one thread.

    threadpoolctl looks for them in the process's memory map each time it is asked, which takes 5 ms; numpy's is
    loaded when this is first called, and that is the one that counts.
    """
    limiter: AbstractContextManager[Any] = _libraries().limit(limits=1)
    return limiter


@cache
def _libraries() -> Any:
    import numpy as np  # noqa: F401 - so that its library is among them
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
