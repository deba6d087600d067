"""From what arms are believed to be worth to their shares, within bounds.

If the rates were known, the best shares under bounds would be simple: everybody gets the least that is allowed, and
what is left goes to the best arm up to its bound, then to the next. They are not known, so this is done for each draw
of what is believed, and the shares are the mean: an arm gets as much as it is likely to be best (Thompson 1933, On the
likelihood that one unknown probability exceeds another; as shares of a batch: Scott 2010, A modern Bayesian look at the
multi-armed bandit, https://doi.org/10.1002/asmb.874). What is little known is tried, what is surely worse is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["shares_of"]


def shares_of(rates: Array, least: Array, most: Array) -> Array:
    """Shares that sum to 1, shape [arms].

    Args:
        rates: Draws of what a request of each arm is worth, shape [draws, arms].
        least, most: Of each arm's share, shape [arms]; the least sum to 1 at most, the most to 1 at least.
    """
    import numpy as np

    order = np.argsort(-rates, axis=1, kind="stable")
    room = (most - least)[order]
    before = np.cumsum(room, axis=1) - room
    poured = np.clip(1 - least.sum() - before, 0, room)
    given = np.zeros_like(poured)
    np.put_along_axis(given, order, poured, axis=1)
    found: Array = least + given.mean(axis=0)
    return found
