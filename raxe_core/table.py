"""Boxed tables for terminals."""

from __future__ import annotations

from collections.abc import Sequence

from raxe_core.safe_text import display_width

__all__ = ["format_table"]


def format_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a boxed table, its columns as wide as their widest cell."""
    lines = [headers, *rows]
    sizes = [[display_width(cell) for cell in cells] for cells in lines]
    widths = [max(column) for column in zip(*sizes, strict=True)]

    def line(cells: Sequence[str], sizes: Sequence[int]) -> str:
        padded = (
            cell + " " * (width - size)
            for cell, size, width in zip(cells, sizes, widths, strict=True)
        )
        return "│ " + " │ ".join(padded) + " │"

    def rule(left: str, middle: str, right: str) -> str:
        return left + middle.join("─" * (width + 2) for width in widths) + right

    head, *body = map(line, lines, sizes)
    return "\n".join(
        [
            rule("┌", "┬", "┐"),
            head,
            rule("├", "┼", "┤"),
            *body,
            rule("└", "┴", "┘"),
        ]
    )
