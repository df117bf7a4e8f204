"""Read JSON objects into named tuples, strictly: what a manifest says is read on every load.

Metadata goes through cattrs, whose import alone costs more than opening a bundle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from raxe_core.errors import did_you_mean

__all__ = ["Read", "number", "optional", "read_record", "text", "texts", "whole"]

#: (value, its JSON path) -> the value as its field holds it.
Read = Callable[[Any, str], Any]
MAX_TEXTS = 256
MAX_LISTED_TEXT = 200
_Record = TypeVar("_Record", bound=tuple[Any, ...])


def read_record(cls: type[_Record], fields: dict[str, Read], value: Any, path: str) -> _Record:
    """Return a named tuple of JSON: no unknown keys, no coercion between types.

    ``fields`` reads the value of each field of ``cls``; only those without a default must be there.

    Raises:
        ValueError: with the JSON path and the reason of the first fault.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{path}: expected an object, found {type(value).__name__}")
    unknown = sorted(value.keys() - fields.keys())
    if unknown:
        hint = did_you_mean(unknown[0], fields)
        raise ValueError(f"{path}: unknown field {', '.join(unknown)}.{hint}")
    for name in fields:
        if name not in value and name not in cls._field_defaults:  # type: ignore[attr-defined]
            raise ValueError(f"{path}.{name}: required field missing")
    return cls(**{name: fields[name](item, f"{path}.{name}") for name, item in value.items()})


def text(value: Any, path: str) -> str:
    """Read a string."""
    read: str = _strict(value, path, str, "a string")
    return read


def whole(value: Any, path: str) -> int:
    """Read a whole number; a truth is none."""
    read: int = _strict(value, path, int, "a whole number")
    return read


def number(value: Any, path: str) -> float:
    """Read a number, whole or not."""
    read: float = _strict(value, path, (int, float), "a number")
    return read


def texts(value: Any, path: str) -> tuple[str, ...]:
    """Read a list of strings."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{path}: expected a list of strings")
    if len(value) > MAX_TEXTS or any(len(item) > MAX_LISTED_TEXT for item in value):
        raise ValueError(
            f"{path}: expected at most {MAX_TEXTS} strings of at most {MAX_LISTED_TEXT} characters"
        )
    return tuple(value)


def optional(read: Read) -> Read:
    """Read null as None, and anything else as ``read`` does."""
    return lambda value, path: None if value is None else read(value, path)


def _strict(value: Any, path: str, kind: type | tuple[type, ...], words: str) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{path}: expected {words}, found {type(value).__name__}")
    return value
