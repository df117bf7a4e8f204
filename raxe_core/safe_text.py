"""The one door for text from files on its way to a terminal or a log."""

from __future__ import annotations

import unicodedata

__all__ = ["display_width", "safe_text"]

# Categories that can move the cursor, hide text or reorder it: controls, format characters
# (bidi overrides, zero width, tags), surrogates, line and paragraph separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def safe_text(text: str, limit: int = 200) -> str:
    r"""Return ``text`` with every unsafe character as a visible escape, and at most ``limit`` long.

    >>> safe_text("red\x1b[31m")
    'red\\x1b[31m'
    """
    shown = text[: limit + 1]
    if not (shown.isascii() and shown.isprintable()):
        shown = "".join(
            char.encode("unicode_escape").decode("ascii")
            if unicodedata.category(char) in _UNSAFE
            else char
            for char in shown
        )
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def display_width(text: str) -> int:
    """Return the number of terminal columns that ``text`` takes (wide characters take two)."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
