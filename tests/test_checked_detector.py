"""What a plugin's detector gives is plain Python after the check, or a fault with its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from plugin_source import Site

from conftest import RunRaxe
from raxe_core import DetectionResult, Detector, Prediction, RaxeError, Span, UsageError
from raxe_core.checked_detector import CheckedDetector
from raxe_core.errors import PluginError

RESULT = DetectionResult(
    "v1.0_x", True, (Prediction("PI", "override", 0.75, Span(1, 3)),), {"threat": 0.75}, 0.5, 2.0
)
SECRET = "the prompt of somebody"


class Gives:
    """A detector that gives one result for each text, or raises it."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def analyze(self, text: str, l1_results: Any = None) -> DetectionResult:
        if isinstance(self.result, Exception):
            raise self.result
        return cast("DetectionResult", self.result)

    def analyze_batch(self, texts: Any) -> list[DetectionResult]:
        return [self.analyze(text) for text in texts]

    def close(self) -> None:
        self.analyze("")


def checked(result: Any) -> Detector:
    return CheckedDetector(Gives(result), "v1.0_x", "a-plugin")


def test_plain_result_stays_as_it_is() -> None:
    assert checked(RESULT).analyze("x") == RESULT
    assert checked(RESULT).analyze_batch(["x", "y"]) == [RESULT, RESULT]


def test_numbers_of_numpy_become_plain() -> None:
    share, span = np.float32(0.75), Span(cast("int", np.int64(1)), cast("int", np.int64(3)))
    found = DetectionResult(
        "v1.0_x",
        cast("bool", np.bool_(True)),
        cast("Any", [Prediction("PI", "override", cast("float", share), span)]),
        cast("Any", {"threat": share}),
        cast("float", np.float64(0.5)),
        cast("float", np.int64(2)),
    )
    result = checked(found).analyze("x")
    assert result == RESULT
    assert json.dumps(result) == json.dumps(RESULT)
    assert type(result.threshold) is type(result.score) is float


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_id", None),
        ("is_threat", None),
        ("is_threat", "no"),
        ("predictions", None),
        ("predictions", [("PI", None, 1.0)]),
        ("predictions", (Prediction("PI", None, float("nan")),)),
        ("predictions", (Prediction(cast("str", b"PI"), None, 1.0),)),
        ("predictions", (Prediction("PI", None, 1.0, cast("Span", (0, 1))),)),
        ("predictions", (Prediction("PI", None, 1.0, Span(cast("int", 0.5), 1)),)),
        ("scores", None),
        ("scores", {}),
        ("scores", {"threat": "0.5"}),
        ("scores", {"threat": 0.5, 7: 0.5}),
        ("scores", {"threat": float("nan")}),
        ("threshold", np.float32(1.5)),
        ("threshold", np.array([0.5, 0.5])),
        ("processing_time_ms", float("inf")),
        ("processing_time_ms", None),
    ],
)
def test_result_that_cannot_be_used_names_plugin_and_field(field: str, value: Any) -> None:
    detector = checked(RESULT._replace(**{field: value}))
    reason = f"Model v1.0_x: runtime plugin a-plugin gave a result whose {field} should be "
    with pytest.raises(PluginError, match=reason):
        detector.analyze("x")
    with pytest.raises(PluginError, match=reason):
        detector.analyze_batch(["x"])


@pytest.mark.parametrize("kind", [ValueError, RaxeError, UsageError, PluginError])
def test_only_the_type_of_what_a_plugin_raises_is_told(kind: type[Exception]) -> None:
    detector = checked(kind(SECRET))
    for call in (detector.close, lambda: detector.analyze("x")):
        with pytest.raises(PluginError) as raised:
            call()
        assert SECRET not in str(raised.value)
        assert f"plugin a-plugin failed with {kind.__name__}" in str(raised.value)


NUMPY_RUNTIME = """
import numpy as np
from raxe_core import DetectionResult, Model, Prediction, Span, hookimpl

RAXE_API = 1
RUNTIMES = ("numpy",)

class Judge:
    def analyze(self, text, l1_results=None):
        score = np.float32("attack" in text)
        seen = [Prediction("PI", None, score, Span(np.int64(0), np.int64(6)))]
        return DetectionResult(
            "v1.0_numpy", score >= 0.5, seen if score else [], {"threat": score},
            np.float32(0.5), np.float64(1),
        )

    def analyze_batch(self, texts):
        return [self.analyze(text) for text in texts]

    def close(self):
        pass

@hookimpl
def discover_models():
    fields = {"model_id": "v1.0_numpy", "name": "x", "version": "1.0", "variant": "numpy"}
    yield Model({**fields, "requirements": {"runtime": "numpy"}}, "numpy")

@hookimpl
def create_detector(model):
    return Judge()
"""


def test_scan_with_a_runtime_that_answers_in_numpy(
    home: Path, site: Site, raxe: RunRaxe, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("numpy-runtime", NUMPY_RUNTIME)
    monkeypatch.setenv("RAXE_PLUGINS", "numpy-runtime")
    for text, code in (("attack", 1), ("hello", 0)):
        result = raxe("scan", text, "--json")
        assert (result.exit_code, result.stderr) == (code, "")
        assert json.loads(result.stdout)["is_threat"] is bool(code)
