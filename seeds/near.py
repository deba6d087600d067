"""Near-duplicate lookup: MinHash finds who to compare with, exact Jaccard decides.

Two texts are near when the sets of their character 5-grams (case and white space folded) overlap by the
policy's Jaccard similarity. MinHash signatures in banded buckets (Broder 1997; Leskovec, Rajaraman & Ullman,
Mining of Massive Datasets, ch. 3, http://www.mmds.org) give a few texts to compare with, not all of them.
Likeness in letters is all this sees: a paraphrase in other words passes. Of each MinHash value one byte is kept (b-bit
minwise hashing, Li & König 2010, https://arxiv.org/abs/0910.3349): what agrees by chance is compared, and no more.
"""

from __future__ import annotations

import unicodedata
from array import array
from collections import Counter
from collections.abc import Collection, Sequence
from functools import lru_cache
from hashlib import blake2b
from heapq import nlargest
from math import ceil, log
from typing import TYPE_CHECKING, NamedTuple

from rensa import RMinHash

from seedgate.seeds.buckets import WIDEST, Buckets

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["NearIndex", "fold", "grams", "jaccard"]

GRAM = 5
PERMUTATIONS = 128
RECALL = 0.99
"""The share of pairs at the threshold that the buckets are laid out to find; more the nearer they are."""

SEED = 20
MOST_COMPARED = 64
MOST_ESTIMATED = 4096
"""Per lookup, texts compared exactly (the likeliest first) and by their signatures (the newest). Texts that share
half of their letters, as prompts made from one template do, fall into the same buckets; comparing each with each
would be quadratic. Beyond these figures a text may be missed that is not letter for letter the same."""


def fold(text: str) -> str:
    """The text as it is compared: NFC, case folded, each run of white space one space."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def grams(text: str) -> frozenset[str]:
    """The character 5-grams of a text; a shorter text is its own only gram.

    >>> sorted(grams("Tea  Pots"))
    [' pots', 'a pot', 'ea po', 'tea p']
    """
    return _grams(fold(text))


def jaccard(a: str, b: str) -> float:
    """Overlap of two texts' grams, 0 to 1."""
    return _overlap(grams(a), grams(b))


def _grams(folded: str) -> frozenset[str]:
    return frozenset(_all_grams(folded))


def _all_grams(folded: str) -> list[str]:
    return [folded[i : i + GRAM] for i in range(max(1, len(folded) - GRAM + 1))]


def _overlap(a: frozenset[str], b: frozenset[str]) -> float:
    common = len(a & b)
    return common / (len(a) + len(b) - common)


class _Sketched(NamedTuple):
    folded: str
    row: NDArray[np.uint8]
    """The lowest byte of each MinHash value, then a hash of the text, which makes a band of its own."""


@lru_cache(maxsize=4096)
def _sketched(text: str) -> _Sketched:
    """Cached, because a text is usually looked up in several indexes, many at once and then one by one, and added."""
    import numpy as np

    folded = fold(text)
    sketch = RMinHash(PERMUTATIONS, SEED)
    sketch.update(_all_grams(folded))
    row = np.empty(PERMUTATIONS + WIDEST, np.uint8)
    row[:PERMUTATIONS] = np.frombuffer(array("I", sketch.digest()), np.uint32)  # from a list it takes longer
    row[PERMUTATIONS:] = np.frombuffer(_hash(folded), np.uint8)
    return _Sketched(folded, row)


def _hash(folded: str) -> bytes:
    return blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=WIDEST).digest()


def _bands(threshold: float, width: int, recall: float) -> int:
    """The fewest bands that find this share of pairs at the threshold, as far as the signature goes."""
    missed = 1 - threshold**width
    needed = log(1 - recall) / log(missed) if recall < 1 and 0 < missed < 1 else PERMUTATIONS
    return max(1, min(ceil(needed), PERMUTATIONS // width))


def _rows_per_band(threshold: float) -> int:
    """The longest bands (fewest needless comparisons) that still find `RECALL` of pairs at the threshold."""
    rows = 1
    while rows < WIDEST and 1 - (1 - threshold ** (2 * rows)) ** (PERMUTATIONS // (2 * rows)) >= RECALL:
        rows *= 2
    return rows


class _Texts:
    """Texts by place, in one piece: half of what as many strings take."""

    def __init__(self) -> None:
        self._bytes, self._ends = bytearray(), array("Q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, place: int) -> str:
        return self._bytes[self._ends[place] : self._ends[place + 1]].decode("utf-8", "surrogatepass")

    def append(self, text: str) -> None:
        self._bytes += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._bytes))


class NearIndex:
    """Texts by key, with lookup of those near a text; grows by `add`.

    Args:
        threshold: The Jaccard similarity from which two texts count as near, above 0 and up to 1.
        recall: The share of pairs at the threshold that is enough; fewer take less memory and time.

    Example:
        >>> index = NearIndex(0.7)
        >>> index.add("a", "Where is the kettle I ordered last week?")
        >>> index.nearest("where is the kettle  I ordered, last week?")
        ('a', 0.7804878048780488)
        >>> index.nearest("Cancel my order.") is None
        True
    """

    def __init__(self, threshold: float, *, recall: float = 1.0) -> None:
        import numpy as np

        if not 0 < threshold <= 1:
            raise ValueError(f"threshold {threshold} must be above 0 and at most 1")
        self.threshold = threshold
        width = _rows_per_band(threshold)
        bands = _bands(threshold, width, recall)
        self._used = np.r_[: bands * width, PERMUTATIONS : PERMUTATIONS + width]
        self._buckets = Buckets(bands + 1, width, MOST_ESTIMATED // bands)
        self._keys: list[str] = []
        self._folded = _Texts()
        # For `nearest_any` only, made when first asked for: gram to the places of the texts that have it.
        self._postings: dict[str, list[int]] = {}
        self._sizes: list[int] = []

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str, text: str) -> None:
        """Adds a text under a key; several texts may have the same key."""
        sketched = _sketched(text)
        self._buckets.add(sketched.row[self._used])
        self._keys.append(key)
        self._folded.append(sketched.folded)

    def nearest(self, text: str) -> tuple[str, float] | None:
        """Key and similarity of the nearest text at or over the threshold, None if there is none.

        Of equally near ones the one added first.
        """
        found = self.all_near(text)
        return found[0] if found else None

    def all_near(self, text: str) -> list[tuple[str, float]]:
        """Key and similarity of the texts at or over the threshold, the nearest first, 64 at most."""
        folded, row = _sketched(text)
        places = self._likely(row[self._used])
        owned = _grams(folded) if places else frozenset()
        scored = ((_overlap(owned, _grams(self._folded[place])), place) for place in places)
        near = sorted((-score, place) for score, place in scored if score >= self.threshold)
        return [(self._keys[place], -score) for score, place in near]

    def apart(self, texts: Sequence[str], *, from_each_other: bool = False) -> list[bool]:
        """Which of several texts have nobody to be compared with, so that `all_near` finds nothing; asked at once.

        Args:
            from_each_other: Nor would have, if some or all of them were added.
        """
        import numpy as np

        if not texts:
            return []
        rows = np.stack([_sketched(text).row[self._used] for text in texts])
        apart = self._buckets.apart(rows)
        if from_each_other:
            apart &= ~self._buckets.alike(rows)
        found: list[bool] = apart.tolist()
        return found

    def nearest_any(self, text: str, *, ignore: Collection[str] = ()) -> tuple[str, float] | None:
        """Key and similarity of the nearest text, however far; None if no text shares a gram with this one.

        Exact, by counting shared grams; linear in the number of texts, so made for showing which of a few
        thousand seeds is nearest, not for filtering.
        """
        self._index_grams()
        owned = grams(text)
        shared: Counter[int] = Counter()
        for gram in owned:
            shared.update(self._postings.get(gram, ()))
        scored = (
            (count / (len(owned) + self._sizes[at] - count), -at)
            for at, count in shared.items()
            if self._keys[at] not in ignore
        )
        found = max(scored, default=None)
        return None if found is None else (self._keys[-found[1]], found[0])

    def _likely(self, row: NDArray[np.uint8]) -> list[int]:
        places = self._buckets.sharing(row)
        if len(places) > MOST_COMPARED:
            ranked = zip(self._buckets.agreement(row, places), map(int.__neg__, places), strict=True)
            places = [-place for _, place in nlargest(MOST_COMPARED, ranked)]
        return places

    def _index_grams(self) -> None:
        for place in range(len(self._sizes), len(self._folded)):
            owned = _grams(self._folded[place])
            self._sizes.append(len(owned))
            for gram in owned:
                self._postings.setdefault(gram, []).append(place)
