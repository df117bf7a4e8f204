"""The criteria and reporters that ship with the core."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from bare_models import model

from raxe_core.plugins import PluginHost

FAST = model("fast", p95=5, f1=0.88, memory=80)
SHARP = model("sharp", p95=45, f1=0.95, memory=250)
BARE = model("bare")


@pytest.mark.parametrize(
    ("name", "fast", "sharp"),
    [
        ("latency", -5, -45),
        ("accuracy", 0.88, 0.95),
        ("memory", -80, -250),
        ("balanced", 0.88 - 0.05 * math.log2(1.5), 0.95 - 0.05 * math.log2(5.5)),
    ],
)
def test_criteria_score_what_they_say(name: str, fast: float, sharp: float) -> None:
    criteria = PluginHost([]).criteria(name)
    assert criteria.score(FAST) == pytest.approx(fast)
    assert criteria.score(SHARP) == pytest.approx(sharp)
    assert criteria.score(BARE) is None
    assert criteria.description


def test_balanced_needs_both_figures() -> None:
    score = PluginHost([]).criteria("balanced").score
    assert score(model("x", p95=5)) is None
    assert score(model("x", f1=0.9)) is None
    assert score(model("x", f1=0.9, p95=0)) == 0.9


REPORT: dict[str, Any] = {
    "model_id": "v1.0_x",
    "tp": 85,
    "tn": 10,
    "fp": 2,
    "fn": 3,
    "accuracy": 0.95,
    "precision": 85 / 87,
    "recall": 85 / 88,
    "f1": 170 / 175,
    "roc_auc": 0.987654,
    "family_recall": {
        "JB": {"threats": 8, "recall": 0.875},
        "\x1b[31m": {"threats": 1, "recall": 1.0},
    },
    "dataset": {"prompts": 100},
    "latency_ms": {"prompts": 100, "avg": 9.21, "p50": 9.0, "p95": 11.49},
}


def test_table_reads_as_in_the_design() -> None:
    shown = PluginHost([]).reporter("table").render(REPORT)
    wanted = [
        "Results:",
        "  True Positives: 85",
        "  True Negatives: 10",
        "  False Positives: 2",
        "  False Negatives: 3",
        "  Accuracy: 95.0%",
        "  Precision: 97.7%",
        "  Recall: 96.6%",
        "  F1 Score: 97.1%",
        "  ROC AUC: 0.988",
        "  Avg Latency: 9.2ms (P95: 11.5ms)",
    ]
    for line, start in zip(shown.splitlines()[:11], wanted, strict=True):
        assert line.startswith(start)
    assert "    JB        87.5%  (8 threats)" in shown
    assert "\x1b" not in shown


def test_table_shows_undefined_figures_as_such() -> None:
    undefined = dict.fromkeys(("accuracy", "precision", "recall", "f1", "roc_auc"))
    shown = PluginHost([]).reporter("table").render({**REPORT, **undefined, "family_recall": {}})
    assert "  Precision: n/a" in shown
    assert "  ROC AUC: n/a (needs threats and benign prompts)" in shown
    assert "Recall by family" not in shown


def test_rows_tell_how_many_prompts_were_timed() -> None:
    latency = {**REPORT["latency_ms"], "prompts": 40}
    for name, cells in (("csv", "v1.0_x,latency_prompts,40,,"), ("markdown", "| 40 |")):
        shown = PluginHost([]).reporter(name).render({**REPORT, "latency_ms": latency})
        assert cells in shown
    del latency["prompts"]  # as reports were before they held it
    shown = PluginHost([]).reporter("csv").render({**REPORT, "latency_ms": latency})
    assert "v1.0_x,latency_prompts,100,," in shown


def test_json_gives_the_report_back() -> None:
    assert json.loads(PluginHost([]).reporter("json").render(REPORT)) == REPORT


def test_drop_in_folders_are_a_plugin_like_any_other(home: Path, tiny_bundle: Path) -> None:
    found = PluginHost([]).discover_models((tiny_bundle.parent, home / "none"))
    assert [(plugin, item.model_id, item.status) for plugin, item in found] == [
        ("raxe-core", "v9.0_tiny", "active"),
        ("raxe-core", "none", "invalid"),
    ]
