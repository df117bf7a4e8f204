from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raxe_core.strict_json import dump_json, parse_json

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_dumped_is_parsed_back(value: Any) -> None:
    text = dump_json(value)
    assert parse_json(text.encode("utf-8")) == value
    assert parse_json(json.dumps(value).encode("utf-8")) == value
    assert text.endswith("\n")


@given(st.binary(max_size=60) | st.text(list('{}[]",:0123456789eE.-+\\ud8ntf '), max_size=60))
@example(b"[" * 200_000)
@example(b'{"a":' * 100_000)
@example(b"9" * 5_000)
@example(b"-" * 30)
@example(b'"\\ud800"')
def test_any_bytes_parse_or_raise_value_error(data: bytes | str) -> None:
    raw = data.encode("utf-8") if isinstance(data, str) else data
    try:
        value = parse_json(raw)
    except ValueError as error:
        reason = str(error)
    else:
        reason = "none"
        assert parse_json(dump_json(value).encode("utf-8")) == value
    assert reason
    assert "\n" not in reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a": 1, "b": 2, "a": 1}', "key 'a' stands twice"),
        (b"NaN", "NaN is not a JSON number"),
        (b"[-Infinity]", "-Infinity is not a JSON number"),
        (b"1e400", "number 1e400 is too large"),
        (b"1" * 21, "is too large"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ("{}".encode("utf-16"), "not UTF-8 at byte 0"),
        (b'"caf\xe9"', "not UTF-8 at byte 4"),
        (b'{"k": "\\udc00"}', "half a surrogate pair"),
        (b'{"\\ud83d": 1}', "half a surrogate pair"),
        (b'{"a": 1,}', "at line 1, column"),
        (b"", "at line 1, column 1"),
        (b"{} {}", "Extra data at line 1, column 4"),
        (b"[" * 100_000, "nested too deeply"),
        (b"// no\n{}", "at line 1, column 1"),
    ],
    ids=range(15),
)
def test_what_readers_disagree_on_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_json(data)


def test_whole_surrogate_pairs_are_characters() -> None:
    assert parse_json(b'"\\ud83d\\ude00"') == "😀"


def test_size_is_bounded() -> None:
    assert parse_json(b'"1234"', limit=6) == "1234"
    with pytest.raises(ValueError, match="JSON of 7 bytes is larger than the 6 allowed"):
        parse_json(b'"12345"', limit=6)


def test_dump_is_one_form() -> None:
    assert dump_json({"b": [1], "a": "ż"}) == '{\n  "a": "ż",\n  "b": [\n    1\n  ]\n}\n'


def test_a_double_among_a_great_many_keys_is_found() -> None:
    keys = [f'"{number}":0' for number in range(90_000)]
    with pytest.raises(ValueError, match="key '89999' stands twice"):  # soon: not key by key
        parse_json(("{" + ",".join([*keys, keys[-1]]) + "}").encode())
