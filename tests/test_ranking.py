from __future__ import annotations

import math
from typing import Any

import pytest
from bare_models import model
from hypothesis import given
from hypothesis import strategies as st

from raxe_core import Criteria
from raxe_core.constraints import parse_constraints
from raxe_core.errors import NoModelError, PluginError
from raxe_core.ranking import best_model, rank, unmet_constraint

BY_F1 = Criteria("f1", "highest", lambda item: item.accuracy.binary_f1)
FIGURES = st.lists(st.none() | st.sampled_from([0.0, 0.5, 0.9, 1.0]), max_size=8)


@given(FIGURES, st.randoms())
def test_order_is_best_first_and_independent_of_the_input(figures: list[Any], random: Any) -> None:
    models = [model(f"m{number}", f1=f1) for number, f1 in enumerate(figures)]
    ranked = rank(models, BY_F1)
    measured = [item.score for item in ranked if item.score is not None]
    assert measured == sorted(measured, reverse=True)
    assert [item.score for item in ranked[len(measured) :]] == [None] * figures.count(None)
    for score in {item.score for item in ranked}:
        ids = [item.model.model_id for item in ranked if item.score == score]
        assert ids == sorted(ids)
    random.shuffle(models)
    assert rank(models, BY_F1) == ranked


def test_best_is_an_active_one() -> None:
    models = [
        model("a", f1=0.99, status="experimental"),
        model("b", f1=0.98, status="deprecated"),
        model("c", f1=0.97, problem="broken"),
        model("d", f1=0.5),
        model("e"),
    ]
    assert best_model(models, BY_F1).model.model_id == "d"
    with pytest.raises(NoModelError, match="pip install raxe-l2 raxe-onnx"):
        best_model(models[:3], BY_F1)


@pytest.mark.parametrize(
    ("here", "told"), [({}, "claimed"), ({"p95_latency_ms": 16.0}, "measured")]
)
def test_unmet_constraint_tells_whose_figure_it_is(here: dict[str, float], told: str) -> None:
    slow = model("a", p95=16.0)
    slow.measured = here
    reason = str(unmet_constraint(slow, parse_constraints(["p95_latency_ms<10"])))
    assert reason.startswith(f"p95_latency_ms<10: not met, p95_latency_ms is 16 ({told}")


@pytest.mark.parametrize(
    "score", [lambda _: math.nan, lambda _: math.inf, lambda _: "x", lambda _: 1 / 0]
)
def test_criteria_that_cannot_decide_are_an_error_that_names_them(score: Any) -> None:
    with pytest.raises(PluginError, match="Criteria 'odd' failed on model m1"):
        rank([model("m1")], Criteria("odd", "", score))
