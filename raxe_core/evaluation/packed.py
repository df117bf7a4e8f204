"""Decisions, scores and times as text for JSON: a bit, eight and four bytes each, in base64."""

from __future__ import annotations

import base64
import binascii
import sys
from array import array
from collections.abc import Iterable, Sequence

__all__ = [
    "pack_bits",
    "pack_scores",
    "pack_times",
    "unpack_bits",
    "unpack_scores",
    "unpack_times",
]


def pack_bits(flags: Sequence[int]) -> str:
    """Pack flags, the first in the lowest bit of the first byte."""
    packed = bytearray((len(flags) + 7) // 8)
    for index, flag in enumerate(flags):
        if flag:
            packed[index >> 3] |= 1 << (index & 7)
    return base64.b64encode(packed).decode("ascii")


def unpack_bits(text: str, length: int) -> bytearray:
    """Return ``length`` flags.

    Raises:
        ValueError: the text is damaged or holds fewer.
    """
    packed = _decoded(text)
    if len(packed) != (length + 7) // 8:
        raise ValueError("the packed flags are not as many as the prompts")
    return bytearray(packed[i >> 3] >> (i & 7) & 1 for i in range(length))


def pack_scores(scores: Iterable[float]) -> str:
    """Pack scores as little-endian 64-bit floats: ranks and ties stay as they were."""
    return _packed(array("d", scores))


def unpack_scores(text: str, length: int) -> array[float]:
    """Return ``length`` scores.

    Raises:
        ValueError: the text is damaged or holds another number.
    """
    return _unpacked(array("d"), text, length)


def pack_times(times: Iterable[float]) -> str:
    """Pack times as little-endian 32-bit floats: seven digits are more than a clock is good for."""
    return _packed(array("f", times))


def unpack_times(text: str, length: int) -> array[float]:
    """Return ``length`` times.

    Raises:
        ValueError: the text is damaged or holds another number.
    """
    return _unpacked(array("f"), text, length)


def _packed(values: array[float]) -> str:
    if sys.byteorder == "big":
        values.byteswap()
    return base64.b64encode(values.tobytes()).decode("ascii")


def _unpacked(values: array[float], text: str, length: int) -> array[float]:
    data = _decoded(text)
    if len(data) != length * values.itemsize:
        raise ValueError("the packed numbers are not as many as the prompts")
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError) as error:
        raise ValueError(f"not base64: {error}") from None
