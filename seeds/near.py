"""Near-duplicate lookup: MinHash finds who to compare with, exact Jaccard decides.

Two texts are near when the sets of their character 5-grams (case and white space folded) overlap by the
policy's Jaccard similarity. MinHash signatures in banded buckets (Broder 1997; Leskovec, Rajaraman & Ullman,
Mining of Massive Datasets, ch. 3, http://www.mmds.org) give a few candidates per lookup instead of a scan.
Lexical likeness is all this sees: a paraphrase in other words passes.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable

from rensa import RMinHash, RMinHashLSH

__all__ = ["NearIndex", "fold", "grams", "jaccard"]

GRAM = 5
PERMUTATIONS = 128
RECALL = 0.99
SEED = 20
MOST_COMPARED = 64
"""Candidates compared exactly per lookup, the likeliest first: texts that share a long common part all fall
into the same buckets, and comparing each with each would be quadratic."""


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
    return frozenset(folded[i : i + GRAM] for i in range(max(1, len(folded) - GRAM + 1)))


def _overlap(a: frozenset[str], b: frozenset[str]) -> float:
    common = len(a & b)
    return common / (len(a) + len(b) - common)


def _rows_per_band(threshold: float) -> int:
    """The longest bands (fewest false candidates) that still find `RECALL` of the pairs at the threshold."""
    rows = 1
    while rows < 16:
        longer = rows * 2
        found = 1 - (1 - threshold**longer) ** (PERMUTATIONS // longer)
        if found < RECALL:
            break
        rows = longer
    return rows


class NearIndex:
    """Texts by key, with lookup of the nearest one; grows by `add`, in any order.

    Args:
        threshold: The Jaccard similarity from which two texts count as near, above 0 and up to 1.

    Example:
        >>> index = NearIndex(0.7)
        >>> index.add("a", "Where is the kettle I ordered last week?")
        >>> index.nearest("where is the kettle  I ordered last week")
        ('a', 0.97...)
        >>> index.nearest("Cancel my order.") is None
        True
    """

    def __init__(self, threshold: float) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(f"threshold {threshold} must be above 0 and at most 1")
        self.threshold = threshold
        bands = PERMUTATIONS // _rows_per_band(threshold)
        self._buckets = RMinHashLSH(threshold, PERMUTATIONS, bands)
        self._keys: list[str] = []
        self._folded: list[str] = []
        self._sketches: list[RMinHash] = []
        # For `nearest_any` only, made when first asked for: gram -> positions of the texts that have it.
        self._postings: dict[str, list[int]] = {}
        self._sizes: list[int] = []

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str, text: str) -> None:
        """Adds a text; a key may have several."""
        folded = fold(text)
        sketch = _sketch(_grams(folded))
        self._buckets.insert(len(self._keys), sketch)
        self._keys.append(key)
        self._folded.append(folded)
        self._sketches.append(sketch)

    def nearest(self, text: str) -> tuple[str, float] | None:
        """Key and Jaccard similarity of the nearest text at or over the threshold, None if there is none.

        Of equally near ones the one added first.
        """
        wanted = grams(text)
        sketch = _sketch(wanted)
        places: list[int] = self._buckets.query(sketch)
        if len(places) > MOST_COMPARED:
            places.sort(key=lambda place: (-sketch.jaccard(self._sketches[place]), place))
            del places[MOST_COMPARED:]
        return self._best(wanted, places, self.threshold)

    def nearest_any(self, text: str) -> tuple[str, float] | None:
        """Key and similarity of the nearest text however far it is; None if no text shares a gram.

        Exact, by counting shared grams: made for showing one of a few thousand seeds beside a record.
        """
        self._index_grams()
        wanted = grams(text)
        shared: Counter[int] = Counter()
        for gram in wanted:
            shared.update(self._postings.get(gram, ()))
        if not shared:
            return None
        place = max(shared, key=lambda p: (shared[p] / (len(wanted) + self._sizes[p] - shared[p]), -p))
        return self._keys[place], shared[place] / (len(wanted) + self._sizes[place] - shared[place])

    def _best(self, wanted: frozenset[str], places: Iterable[int], least: float) -> tuple[str, float] | None:
        best: tuple[float, int] | None = None
        for place in places:
            score = _overlap(wanted, _grams(self._folded[place]))
            if score >= least and (best is None or (score, -place) > best):
                best = (score, -place)
        return None if best is None else (self._keys[-best[1]], best[0])

    def _index_grams(self) -> None:
        for place in range(len(self._sizes), len(self._folded)):
            owned = _grams(self._folded[place])
            self._sizes.append(len(owned))
            for gram in owned:
                self._postings.setdefault(gram, []).append(place)


def _sketch(owned: frozenset[str]) -> RMinHash:
    sketch = RMinHash(PERMUTATIONS, SEED)
    sketch.update(owned)
    return sketch
