from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxe_core.safe_text import display_width, safe_text


@given(st.text(st.characters()), st.integers(1, 40))
def test_nothing_unsafe_comes_out_and_not_too_much(text: str, limit: int) -> None:
    shown = safe_text(text, limit)
    assert len(shown) <= limit
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    shown.encode("utf-8")


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=200))
def test_plain_text_is_left_alone(text: str) -> None:
    assert safe_text(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;x\x07", r"\x1b]0;x\x07"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\u202egnp", r"\u202egnp"),
        ("\u200b\U000e0041\ud800", r"\u200b\U000e0041\ud800"),
        ("Zażółć 日本 😀", "Zażółć 日本 😀"),
    ],
)
def test_unsafe_characters_become_visible(text: str, shown: str) -> None:
    assert safe_text(text) == shown


def test_long_text_ends_with_an_ellipsis() -> None:
    assert safe_text("x" * 200) == "x" * 200
    assert safe_text("x" * 201) == "x" * 199 + "…"


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("⚡ż", 3)])
def test_width_counts_terminal_columns(text: str, width: int) -> None:
    assert display_width(text) == width
