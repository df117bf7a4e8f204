"""Text on its way into HTML."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence

__all__ = ["escaped", "number", "percent", "table"]

_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def escaped(text: object, limit: int = 400) -> str:
    """Return text for an element or a quoted attribute; what is invisible becomes visible."""
    shown = str(text)
    shown = shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
    visible = "".join(
        character.encode("unicode_escape").decode("ascii")
        if unicodedata.category(character) in _UNSAFE
        else character
        for character in shown
    )
    return html.escape(visible, quote=True)


def percent(value: float | None, ends: list[float] | None = None) -> str:
    """Return ``93.8% [91.0%, 95.9%]``, or ``n/a``."""
    if value is None:
        return "n/a"
    between = f" <small>[{ends[0]:.1%}, {ends[1]:.1%}]</small>" if ends else ""
    return f"{value:.1%}{between}"


def number(value: float | None, form: str = ".3f", ends: list[float] | None = None) -> str:
    """Return a number with its interval, or ``n/a``."""
    if value is None:
        return "n/a"
    between = f" <small>[{ends[0]:{form}}, {ends[1]:{form}}]</small>" if ends else ""
    return f"{value:{form}}{between}"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; cells are HTML already."""
    head = "".join(f"<th>{header}</th>" for header in headers)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows)
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )
