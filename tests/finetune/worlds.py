"""A workspace whose answers can be told: many texts of three labels, some candidates mislabelled."""

from __future__ import annotations

from itertools import product

from seedgate.records import Example

PARTS = {
    "delivery": ("parcel", "courier", "van", "driver", "tracking page", "shipment"),
    "billing": ("invoice", "refund", "charge", "voucher", "card payment", "fee"),
    "account": ("password", "sign-in", "two-step code", "profile", "login mail", "username"),
}
FRAMES = (
    "What became of my {}?",
    "Nobody answers me about the {}.",
    "There is something wrong with the {} since Monday.",
    "Can somebody look at the {} again, please?",
    "The {} is not what I was told.",
    "I wrote twice about my {} and heard nothing.",
    "My sister had the same trouble with the {} last year.",
    "Explain the {} to me as if I were five.",
)
TURN = {"delivery": "billing", "billing": "account", "account": "delivery"}


def example(frame: str, part: str, label: str) -> Example:
    """One text."""
    return Example(fields={"text": frame.format(part), "label": label})


def texts(frames: tuple[str, ...], parts: slice) -> list[Example]:
    """Every part of every label in these frames, labels in turn."""
    return [
        example(frame, words[parts][place], label)
        for frame, place in product(frames, range(len(range(*parts.indices(6)))))
        for label, words in PARTS.items()
    ]


def seeds() -> list[Example]:
    """Of each label two words in two frames."""
    return texts(FRAMES[:2], slice(0, 2))


def locked() -> list[Example]:
    """Words that no seed has."""
    return texts(FRAMES[6:], slice(0, 6))


def right() -> list[Example]:
    """Candidates whose label is right."""
    return texts(FRAMES[2:4], slice(2, 6))


def wrong() -> list[Example]:
    """Candidates with another label than theirs."""
    return [
        Example(fields={"text": each.fields["text"], "label": TURN[str(each.fields["label"])]})
        for each in texts(FRAMES[4:6], slice(2, 6))
    ]
