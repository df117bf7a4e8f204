"""The axes: their numbers are round, and hold all that is drawn."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from raxe_html.svg import HEIGHT, LEFT, RIGHT, TOP, WIDTH, Series, lines

finite = st.floats(0, 1e9, allow_subnormal=False)


def ticks(figure: str) -> list[str]:
    return re.findall(r'class="tick"[^>]*>([^<]*)<', figure)


def test_the_numbers_at_the_axes_are_round() -> None:
    drawn = lines("t", [Series("a", [(16, 0.937), (64, 9.2)])], ("x", "y"))
    assert ticks(drawn) == ["0", "20", "40", "60", "80", "0", "2.5", "5", "7.5", "10"]
    unit = lines("t", [Series("a", [(0.1, 0.2)])], ("x", "y"), x=(0, 1), y=(0, 1))
    assert ticks(unit) == ["0", "0.25", "0.5", "0.75", "1"] * 2


@given(st.lists(st.tuples(finite, finite), max_size=5))
def test_every_point_lies_in_the_frame(points: list[tuple[float, float]]) -> None:
    drawn = lines("t", [Series("a", points)], ("x", "y"))
    assert 4 <= len(ticks(drawn)) <= 14
    (path,) = re.findall(r'points="([^"]*)"', drawn)
    for pair in path.split():
        across, down = map(float, pair.split(","))
        assert LEFT <= across <= WIDTH - RIGHT
        assert TOP <= down <= HEIGHT
