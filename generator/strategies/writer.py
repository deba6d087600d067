"""Writer: a model that was trained to write, on the verified seeds and on what was approved, is told the label alone.

After LAMBADA (Anaby-Tavor et al. 2020, https://arxiv.org/abs/1911.03118): a small model that was fine-tuned on some
examples of each label needs none in its prompts, and repeats itself less. `seedgate train --writer` makes it.
"""

from __future__ import annotations

from collections.abc import Iterator

from seedgate.generator.rendering import WRITER
from seedgate.generator.strategies.asking import Ask, Context, UnsuitedError

__all__ = ["writer"]


def writer(context: Context) -> Iterator[Ask]:
    """Each label in turn, as often as it is wanted."""
    if not context.writer:
        raise UnsuitedError("none is trained for its prompts: run `seedgate train --writer`")
    for place, _ in context.in_turn([group.fixed for group in context.groups]):
        yield Ask((), context.groups[place].fixed, wording=WRITER)
