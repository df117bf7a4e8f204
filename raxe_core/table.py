"""Boxed tables for terminals."""

from __future__ import annotations

from collections.abc import Sequence

from raxe_core.safe_text import display_width

__all__ = ["format_table"]


def format_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a boxed table, its columns as wide as their widest cell."""
    columns = [_aligned(column) for column in zip(headers, *rows, strict=True)]
    head, *body = (f"│ {' │ '.join(cells)} │" for cells in zip(*columns, strict=True))
    widths = [display_width(column[0]) for column in columns]

    def rule(left: str, middle: str, right: str) -> str:
        return left + middle.join("─" * (width + 2) for width in widths) + right

    return "\n".join([rule("┌", "┬", "┐"), head, rule("├", "┼", "┤"), *body, rule("└", "┴", "┘")])


def _aligned(cells: Sequence[str]) -> list[str]:
    """Return the cells, all as wide as the widest."""
    sizes = [display_width(cell) for cell in cells]
    width = max(sizes)
    return [cell + " " * (width - size) for cell, size in zip(cells, sizes, strict=True)]
