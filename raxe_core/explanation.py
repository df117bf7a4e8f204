"""Why a text was judged as it was: the deciding window, and what each of its words adds.

The weights are found by occlusion: a word is left out of the window, the model judges the rest, and
the drop of the log-odds of a threat is the word's weight. It needs no gradient, so it works with
every runtime, and it tells what the model does, not what a surrogate of it would do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from raxe_core.detector import Span

if TYPE_CHECKING:
    from tokenizers import Encoding

__all__ = ["MAX_GROUPS", "Explanation", "WordGroup", "word_groups"]

MAX_GROUPS = 64


class Explanation(NamedTuple):
    """The window of a text that decided, and the words in it that carry the decision.

    ``span`` is the window, in characters of the whole text; ``score`` the probability of a threat
    that it got. ``words`` holds each word's span and weight, the heaviest first: how far the
    log-odds of a threat (natural logarithm) fall when the model reads the window without it. A
    negative weight speaks against a threat. In a window of more than 64 words each entry is a group
    of consecutive words.

    Words weigh alone: where two of them say the same, each may weigh little, because the other is
    still there when it is left out.
    """

    span: Span
    score: float
    words: tuple[tuple[Span, float], ...]


class WordGroup(NamedTuple):
    """Consecutive words of a window: their span, and the window's token ids without them."""

    span: Span
    rest: tuple[int, ...]


def word_groups(encoding: Encoding, text: str, base: int) -> list[WordGroup]:
    """Return the words of a window in order, as at most ``MAX_GROUPS`` groups of equal length.

    ``text`` is the whole text; the window's offsets count from its character ``base`` on. Words are
    those of the model's own tokenizer; tokens that it gives to no word stand alone.
    """
    words = _words(encoding)
    if len(words) == 1 and len(text[base:].split(maxsplit=1)) > 1:
        words = [[token] for token in words[0]]  # the tokenizer does not tell words apart
    size = max(1, math.ceil(len(words) / MAX_GROUPS))
    groups = [words[start : start + size] for start in range(0, len(words), size)]
    ids, offsets = encoding.ids, encoding.offsets
    return [_group(ids, offsets, list(chain.from_iterable(group)), text, base) for group in groups]


def _words(encoding: Encoding) -> list[list[int]]:
    """Return the positions of each word's tokens; special and empty tokens belong to none."""
    words: list[list[int]] = []
    last: int | None = None
    tokens = zip(encoding.word_ids, encoding.offsets, encoding.special_tokens_mask, strict=True)
    for position, (word, (start, end), special) in enumerate(tokens):
        if special or start == end:
            last = None
            continue
        if word is None or word != last:
            words.append([])
        words[-1].append(position)
        last = word
    return words


def _group(
    ids: Sequence[int],
    offsets: Sequence[tuple[int, int]],
    tokens: list[int],
    text: str,
    base: int,
) -> WordGroup:
    start, end = base + offsets[tokens[0]][0], base + offsets[tokens[-1]][1]
    # Some tokenizers count the space before a word as part of it.
    word = text[start:end]
    if word.strip():
        start, end = start + len(word) - len(word.lstrip()), end - len(word) + len(word.rstrip())
    left_out = set(tokens)
    rest = tuple(number for position, number in enumerate(ids) if position not in left_out)
    return WordGroup(Span(start, end), rest)
