"""The published schema of metadata as a test that most metadata passes.

It imports neither attrs nor cattrs, which take longer than to test a thousand models. What does not
pass goes to :func:`raxe_core.metadata.structure`, which says what is wrong with it.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["fits_schema"]

Test = Callable[[Any], bool]


def fits_schema(metadata: Any) -> bool:
    """Whether parsed JSON is metadata by ``raxe_core/schemas/model_metadata.schema.json``."""
    return _test()(metadata)


@functools.cache
def _test() -> Test:
    path = Path(__file__).with_name("schemas") / "model_metadata.schema.json"
    return _test_of(json.loads(path.read_bytes()))


def _test_of(schema: dict[str, Any]) -> Test:
    """Return the test of a schema that uses no other words than those read here."""
    if "enum" in schema:
        known = schema["enum"]
        return lambda value: value in known
    kind = schema["type"]
    if isinstance(kind, str):
        return _TESTS[kind](schema)
    some, null = kind
    assert null == "null"
    test = _TESTS[some](schema)
    return lambda value: value is None or test(value)


def _object(schema: dict[str, Any]) -> Test:
    tests = {name: _test_of(field) for name, field in schema["properties"].items()}
    required = frozenset(schema.get("required", ()))
    assert schema["additionalProperties"] is False

    def test(value: Any) -> bool:
        if not isinstance(value, dict) or not required <= value.keys():
            return False
        for name, item in value.items():
            field = tests.get(name)
            if field is None or not field(item):
                return False
        return True

    return test


def _array(schema: dict[str, Any]) -> Test:
    longest, item = schema["maxItems"], _test_of(schema["items"])
    return lambda value: isinstance(value, list) and len(value) <= longest and all(map(item, value))


def _string(schema: dict[str, Any]) -> Test:
    shortest, longest = schema.get("minLength", 0), schema["maxLength"]
    if "pattern" not in schema:
        return lambda value: isinstance(value, str) and shortest <= len(value) <= longest
    matches = re.compile(schema["pattern"]).fullmatch
    return lambda value: (
        isinstance(value, str) and shortest <= len(value) <= longest and matches(value) is not None
    )


def _number(schema: dict[str, Any], kinds: tuple[type, ...] = (int, float)) -> Test:
    low, high = schema["minimum"], schema["maximum"]
    return lambda value: type(value) in kinds and low <= value <= high


_TESTS: dict[str, Callable[[dict[str, Any]], Test]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "number": _number,
    "integer": lambda schema: _number(schema, (int,)),
    "boolean": lambda _: lambda value: isinstance(value, bool),
}
