"""The one reader for JSON from files: strict, bounded, with errors that name the place."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

__all__ = ["dump_json", "parse_json"]

MAX_DEPTH = 64


def parse_json(data: bytes, *, limit: int = 1 << 20) -> Any:
    """Parse UTF-8 JSON.

    Refused, because readers disagree about them: duplicate keys, NaN and infinities, numbers that
    overflow, a byte order mark, other encodings, lone surrogates, more than 64 levels, more than
    ``limit`` bytes.

    Raises:
        ValueError: with a one-line reason.
    """
    if len(data) > limit:
        raise ValueError(f"JSON of {len(data):,} bytes is larger than the {limit:,} allowed")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    if text.startswith("\ufeff"):
        raise ValueError("starts with a byte order mark; save it as UTF-8 without one")
    try:
        value = _DECODER.decode(text)
        if "\\u" in text and "\\ud" in text.lower():
            _refuse_lone_surrogates(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _refuse_depth(value)
    return value


def dump_json(value: Any) -> str:
    """Return ``value`` as JSON with sorted keys, two-space indents and a final newline."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"number {text[:40]} is too large")
    return number


def _bounded_int(text: str) -> int:
    if len(text) > 20:
        raise ValueError(f"number {text[:20]}… is too large")
    return int(text)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        ((double, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"key {double[:80]!r} stands twice in one object")
    return result


def _refuse_depth(value: Any) -> None:
    """Refuse what a recursive function, such as ``repr``, could not walk."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            if isinstance(item, list | dict)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    if level:
        raise ValueError("nested too deeply")


def _refuse_lone_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("holds half a surrogate pair, which is no character") from None


# Made once: a thousand models are two thousand files to parse.
_DECODER = json.JSONDecoder(
    parse_constant=_refuse_constant,
    parse_float=_finite_float,
    parse_int=_bounded_int,
    object_pairs_hook=_unique_keys,
)
