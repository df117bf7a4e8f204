"""Plots as inline SVG. Colours are CSS classes, so that light, dark and print are the page's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from raxe_html.text import escaped

__all__ = ["Series", "bars", "lines", "scatter"]

WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 68, 12, 12, 44
MAX_SERIES = 8
Point = Sequence[float]


class Series(NamedTuple):
    """A named line or set of points; ``x`` and ``y`` in the units of the axes."""

    name: str
    points: Sequence[Point]


class _Axes:
    """A frame with ticks, and the way from values to pixels."""

    def __init__(
        self, x: tuple[float, float], y: tuple[float, float], labels: tuple[str, str]
    ) -> None:
        self._ticks, self._labels = (_ticks(*x), _ticks(*y)), labels
        self._x, self._y = ((ticks[0], ticks[-1]) for ticks in self._ticks)

    def at(self, point: Point) -> tuple[float, float]:
        """Return the pixel of a point."""
        (x0, x1), (y0, y1) = self._x, self._y
        across = (point[0] - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)
        up = (point[1] - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM)
        return round(LEFT + across, 1), round(HEIGHT - BOTTOM - up, 1)

    def frame(self) -> str:
        """Return grid lines, tick labels and the names of the axes."""
        parts = []
        for x in self._ticks[0]:
            left, bottom = self.at((x, self._y[0]))
            parts.append(
                f'<line class="grid" x1="{left}" x2="{left}" y1="{TOP}" y2="{bottom}"/>'
                f'<text class="tick" x="{left}" y="{bottom + 15}" text-anchor="middle">'
                f"{x:,.10g}</text>"
            )
        for y in self._ticks[1]:
            _, height = self.at((self._x[0], y))
            parts.append(
                f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height}" '
                f'y2="{height}"/>'
                f'<text class="tick" x="{LEFT - 6}" y="{height + 4}" text-anchor="end">'
                f"{y:,.10g}</text>"
            )
        middle = (LEFT + WIDTH - RIGHT) / 2
        centre = (TOP + HEIGHT - BOTTOM) / 2
        parts.append(
            f'<text class="axis" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">'
            f"{escaped(self._labels[0])}</text>"
            f'<text class="axis" transform="translate(12 {centre}) rotate(-90)" '
            f'text-anchor="middle">{escaped(self._labels[1])}</text>'
        )
        return "".join(parts)


def lines(
    title: str,
    series: Sequence[Series],
    labels: tuple[str, str],
    *,
    x: tuple[float, float] | None = None,
    y: tuple[float, float] | None = None,
    diagonal: bool = False,
) -> str:
    """Return a figure with one line per series; axes begin at 0 where nothing else is said."""
    points = [point for one in series for point in [(0, 0), *one.points]]
    axes = _Axes(x or _range(points, 0), y or _range(points, 1), labels)
    parts = [axes.frame()]
    if diagonal:
        (x0, y0), (x1, y1) = axes.at((0, 0)), axes.at((1, 1))
        parts.append(f'<line class="diagonal" x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}"/>')
    for number, one in enumerate(series[:MAX_SERIES]):
        path = " ".join(f"{a},{b}" for a, b in map(axes.at, one.points))
        parts.append(f'<polyline class="line s{number}" points="{path}"/>')
    return _figure(title, parts, series)


def scatter(title: str, series: Sequence[Series], labels: tuple[str, str]) -> str:
    """Return a figure with a named dot per point."""
    points = [point for one in series for point in one.points]
    x0, x1 = _range(points, 0)
    y0, y1 = _range(points, 1)
    margin_x, margin_y = (x1 - x0) * 0.15, (y1 - y0) * 0.15
    axes = _Axes((x0 - margin_x, x1 + margin_x), (y0 - margin_y, y1 + margin_y), labels)
    parts = [axes.frame()]
    for number, one in enumerate(series[:MAX_SERIES]):
        for point in one.points:
            a, b = axes.at(point)
            parts.append(f'<circle class="dot s{number}" cx="{a}" cy="{b}" r="6"/>')
    return _figure(title, parts, series)


def bars(title: str, series: Sequence[Series], labels: tuple[str, str]) -> str:
    """Return a histogram; points are (left edge of a bin, count), bins equally wide from 0 to 1."""
    highest = max((point[1] for one in series for point in one.points), default=1)
    axes = _Axes((0, 1), (0, max(highest, 1)), labels)
    parts = [axes.frame()]
    for number, one in enumerate(series[:MAX_SERIES]):
        step = 1 / max(len(one.points), 1)
        for left, count in one.points:
            (a, b), (c, d) = axes.at((left, count)), axes.at((left + step, 0))
            wide, tall = round(c - a - 1, 1), round(d - b, 1)
            parts.append(
                f'<rect class="bar s{number}" x="{a}" y="{b}" width="{wide}" height="{tall}"/>'
            )
    return _figure(title, parts, series)


def _figure(title: str, parts: Sequence[str], series: Sequence[Series]) -> str:
    keys = "".join(
        f'<span class="key k{number}">{escaped(one.name)}</span>'
        for number, one in enumerate(series[:MAX_SERIES])
    )
    more = len(series) - MAX_SERIES
    note = f"<span>and {more} more</span>" if more > 0 else ""
    return (
        f"<figure><figcaption>{escaped(title)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escaped(title)}">'
        f"{''.join(parts)}</svg><p>{keys}{note}</p></figure>"
    )


def _range(points: Sequence[Point], which: int) -> tuple[float, float]:
    values = [point[which] for point in points]
    return (min(values), max(values)) if values else (0.0, 1.0)


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers, evenly from ``low`` or below to ``high`` or above.

    After Heckbert, "Nice numbers for graph labels", Graphics Gems (1990).
    """
    if low == high:
        low, high = low - 0.5, high + 0.5
    between = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(between))
    step = next(n * power for n in (1, 2, 2.5, 5, 10) if n * power >= between * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]
