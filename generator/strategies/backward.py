"""Backward: from an answer to what it answers.

After instruction backtranslation (Li et al. 2023, https://arxiv.org/abs/2308.06259): the outputs of a verified
seed are kept as they are and the model writes another input for them, so that a free text answer is one that an
expert verified. With labels, it shows one seed of each of several labels instead of several of one. A list does
the same and asks for one line, since the next could be of any label.
"""

from __future__ import annotations

from collections.abc import Iterator

from seedgate.generator.rendering import Wording
from seedgate.generator.strategies.asking import Ask, Context, UnsuitedError
from seedgate.generator.strategies.decks import Deck
from seedgate.records import Example

__all__ = ["backward"]


def backward(context: Context) -> Iterator[Ask]:
    """Each answer of the seeds in turn."""
    if context.task.chat_field is not None:
        raise UnsuitedError("it needs an answer apart from what is asked, which a chat has not")
    names = tuple(dict.fromkeys([*context.fixed, *(field.name for field in context.task.outputs)]))
    groups = context.grouped(names)
    context.rng.shuffle(groups)
    decks = [Deck(group.seeds, context.rng) for group in groups]
    everyone = Deck(context.seeds, context.rng)
    for place, _ in context.in_turn([group.fixed for group in groups]):
        group = groups[place]
        (own,) = decks[place].deal(1, context.rng)
        # The only seed with this answer would be copied if it were shown.
        only = len(group.seeds) == 1 and context.form == "chat"
        others = _others(context, everyone, group.seeds, context.shots - (not only))
        shown = tuple(others) if only and others else (*others, own)
        values: dict[str, str | Example | tuple[str, ...]] = {}
        if context.form == "list":
            values["labels"] = tuple(dict.fromkeys(_labels(context, shown)))
        wording = Wording("backward", values, items=1)
        yield Ask(shown, group.fixed, wording=wording, drawn=() if own in shown else (own,))


def _others(context: Context, deck: Deck, own: tuple[Example, ...], number: int) -> list[Example]:
    """Seeds with other answers, each with another one as far as that goes."""
    outputs = [field.name for field in context.task.outputs]
    hand = deck.deal(2 * number, context.rng, own)
    first = list({str([seed.fields.get(name) for name in outputs]): seed for seed in hand}.values())
    return (first + [seed for seed in hand if seed not in first])[:number]


def _labels(context: Context, shown: tuple[Example, ...]) -> Iterator[str]:
    for seed in shown:
        for name in context.fixed:
            value = seed.fields[name]
            yield from map(str, value if isinstance(value, list) else [value])
