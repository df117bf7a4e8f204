"""Boxed tables for terminals."""

from __future__ import annotations

from collections.abc import Sequence

from raxe_core.safe_text import display_width

__all__ = ["format_table"]


def format_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a boxed table, its columns as wide as their widest cell."""
    widths = [max(map(display_width, column)) for column in zip(headers, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell + " " * (width - display_width(cell))
            for cell, width in zip(cells, widths, strict=True)
        )
        return "│ " + " │ ".join(padded) + " │"

    def rule(left: str, middle: str, right: str) -> str:
        return left + middle.join("─" * (width + 2) for width in widths) + right

    return "\n".join(
        [
            rule("┌", "┬", "┐"),
            line(headers),
            rule("├", "┼", "┤"),
            *map(line, rows),
            rule("└", "┴", "┘"),
        ]
    )
