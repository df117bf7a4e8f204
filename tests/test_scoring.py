from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxe_core.detector import Span
from raxe_core.errors import RaxeError
from raxe_core.manifest import OutputHead, Outputs
from raxe_core.scoring import Scorer, probabilities

LOGITS = st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=8)


def head(
    size: int, activation: str = "softmax", temperature: float = 1.0, threats: int = 1
) -> OutputHead:
    """A head with labels ``0``, ``1`` and so on, of which the first are threats."""
    labels = tuple(map(str, range(size)))
    return OutputHead("tensor", labels, activation, temperature, labels[:threats])


def threat_probability(binary: OutputHead, logits: list[float]) -> float:
    return Scorer("m", Outputs(binary)).threat_probability({"binary": logits})


@given(LOGITS, st.floats(0.05, 20))
def test_softmax_is_a_distribution_in_the_order_of_the_logits(
    logits: list[float], temperature: float
) -> None:
    found = probabilities(head(len(logits), temperature=temperature), logits)
    assert all(0 <= p <= 1 for p in found)
    assert math.isclose(math.fsum(found), 1)
    assert found[logits.index(max(logits))] == max(found)


@given(LOGITS, st.floats(0.05, 20))
def test_sigmoid_judges_each_label_alone(logits: list[float], temperature: float) -> None:
    found = probabilities(head(len(logits), "sigmoid", temperature), logits)
    for logit, probability in zip(logits, found, strict=True):
        assert 0 <= probability <= 1
        if abs(logit / temperature) < 30:
            exact = 1 / (1 + math.exp(-logit / temperature))
            assert math.isclose(probability, exact, abs_tol=1e-12)


@given(LOGITS, st.sampled_from(["softmax", "sigmoid"]), st.data())
def test_threat_probability_grows_with_more_threat_labels(
    logits: list[float], activation: str, data: st.DataObject
) -> None:
    threats = data.draw(st.integers(1, len(logits)))
    scores = [
        threat_probability(head(len(logits), activation, threats=count), logits)
        for count in range(1, threats + 1)
    ]
    assert scores == sorted(scores)
    assert 0 <= scores[0] <= scores[-1] <= 1


def test_threat_probability_is_the_sum_or_the_largest() -> None:
    logits = [math.log(1), math.log(2), math.log(5)]
    assert threat_probability(head(3, threats=2), logits) == pytest.approx(3 / 8)
    assert threat_probability(head(3, "sigmoid", threats=2), logits) == pytest.approx(2 / 3)


def test_temperature_softens() -> None:
    sharp, soft = (probabilities(head(2, temperature=t), [2.0, 0.0])[0] for t in (1.0, 4.0))
    assert sharp == pytest.approx(1 / (1 + math.exp(-2)))
    assert soft == pytest.approx(1 / (1 + math.exp(-0.5)))


@pytest.mark.parametrize("logits", [[1.0], [1.0] * 3, [math.nan, 1.0], [math.inf, 1.0], []])
def test_output_that_is_no_judgement_is_an_error(logits: list[float]) -> None:
    with pytest.raises(RaxeError, match="'tensor' is not 2 finite numbers, so the text is undecid"):
        probabilities(head(2), logits)


BINARY = OutputHead("b", ("benign", "soft", "hard"), threat_labels=("soft", "hard"))
FAMILY = OutputHead("f", ("PI", "JB"))
SUBFAMILY = OutputHead("s", ("PI/override", "JB/persona", "PI/hijack"))
VALUES = {"binary": [0.0, 3.0, 1.0], "family": [2.0, 1.0], "subfamily": [1.0, 9.0, 2.0]}
EVIDENCE = Span(3, 9)
STARTED = time.perf_counter()


@pytest.mark.parametrize(
    ("outputs", "family", "subfamily"),
    [
        (Outputs(BINARY), "soft", None),
        (Outputs(BINARY, FAMILY), "PI", None),
        (Outputs(BINARY, FAMILY, SUBFAMILY), "PI", "hijack"),
        (Outputs(BINARY, FAMILY, OutputHead("s", ("JB/a", "JB/b", "JB/c"))), "PI", None),
    ],
)
def test_threat_names_family_and_the_likeliest_of_its_subfamilies(
    outputs: Outputs, family: str, subfamily: str | None
) -> None:
    result = Scorer("m", outputs).judge(VALUES, 0.75, EVIDENCE, STARTED)
    (prediction,) = result.predictions
    assert (prediction.family, prediction.subfamily) == (family, subfamily)
    assert (prediction.confidence, prediction.evidence) == (0.75, EVIDENCE)
    assert result.is_threat
    assert result.score == result.highest_confidence == 0.75


@pytest.mark.parametrize(("score", "is_threat"), [(0.5, True), (0.4999, False)])
def test_threshold_itself_is_a_threat(score: float, is_threat: bool) -> None:
    result = Scorer("m", Outputs(BINARY, FAMILY)).judge(VALUES, score, None, STARTED)
    assert result.is_threat is is_threat
    assert len(result.predictions) == is_threat
    assert set(result.scores) == {"threat", "PI", "JB"}
    assert result.highest_confidence == (score if is_threat else 0.0)
