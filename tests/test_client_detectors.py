"""What the client hands to a detector, what it makes of its faults, and when it closes it."""

from __future__ import annotations

import logging
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from plugin_source import Site

from conftest import RunRaxe
from raxe_core import Raxe, RaxeError

PROBE = """
import threading
from raxe_core import DetectionResult, Model, Selection, Strategy, hookimpl

RAXE_API = 1
RUNTIMES = ("probe",)
SEEN, ENTERED, GO_ON = [], threading.Event(), threading.Event()

class Probe:
    def __init__(self, model_id):
        self.model_id = model_id

    def analyze(self, text, l1_results=None):
        if text == "wait":
            ENTERED.set()
            GO_ON.wait(60)
        if text == f"fail {self.model_id}":
            raise ValueError(text)
        SEEN.append((self.model_id, l1_results))
        return DetectionResult(self.model_id, False, (), {"threat": 0.0}, 0.5, 0.0)

    def analyze_batch(self, texts):
        return [self.analyze(text) for text in texts]

    def close(self):
        SEEN.append((self.model_id, "closed"))

@hookimpl
def discover_models():
    for variant in ("old", "new"):
        fields = {"model_id": f"v1.0_{variant}", "name": variant, "version": "1.0"}
        yield Model({**fields, "variant": variant, "requirements": {"runtime": "probe"}}, "probe")

@hookimpl
def create_detector(model):
    return Probe(model.model_id)

@hookimpl
def selection_strategies():
    def choose(request):
        return Selection("v1.0_old", "both", "always", shadow_model_ids=("v1.0_new",))
    yield Strategy("both", "two models", choose)
"""


@pytest.fixture
def probe(home: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of a plugin with two models that tell what happens to them."""
    module = site.install("under-test", PROBE)
    monkeypatch.setenv("RAXE_PLUGINS", "under-test")
    choose(home, "v1.0_old")
    Raxe().close()  # imports the plugin
    return sys.modules[module]


def choose(home: Path, model_id: str, more: str = "") -> None:
    """Write a config.yaml that names this model."""
    path = home / "config.new"
    path.write_text(f"l2_model: {{selection: explicit, model_id: {model_id}{more}}}\n")
    path.replace(home / "config.yaml")


def test_l1_results_reach_the_detector(probe: Any) -> None:
    with Raxe() as client:
        client.scan("hello", l1_results={"rules": 3})
    assert probe.SEEN == [("v1.0_old", {"rules": 3}), ("v1.0_old", "closed")]


def test_old_detector_answers_before_it_is_closed(home: Path, probe: Any) -> None:
    with Raxe() as client, ThreadPoolExecutor(1) as threads:
        slow = threads.submit(client.scan, "wait")
        assert probe.ENTERED.wait(60)
        choose(home, "v1.0_new")
        assert client.scan("hello").model_id == "v1.0_new"
        probe.GO_ON.set()
        assert slow.result().model_id == "v1.0_old"
    new, answered, closed, last = probe.SEEN
    assert new == ("v1.0_new", None)
    assert (answered, closed) == (("v1.0_old", None), ("v1.0_old", "closed"))
    assert last == ("v1.0_new", "closed")


def test_fault_of_a_detector_is_told_without_the_text(
    home: Path, probe: Any, raxe: RunRaxe, caplog: pytest.LogCaptureFixture
) -> None:
    text = "fail v1.0_old"
    with Raxe() as client, pytest.raises(RaxeError, match="failed with ValueError") as raised:
        client.scan(text)
    result = raxe("scan", text)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Model v1.0_old: runtime plugin under-test failed with ValueError." in result.stderr
    assert text not in result.stderr
    choose(home, "v1.0_old", ", on_failure: block")
    with Raxe() as client:
        blocked = client.scan(text)
        assert [item.action for item in client.scan_batch([text, "hello"])] == ["block", "allow"]
    assert (blocked.action, blocked.score, blocked.families) == ("block", None, ())
    assert text not in f"{raised.value} {blocked.selection.reason} {caplog.text}"
    assert blocked.selection.fallback_kind == "failed plugin"
    traced = "".join(traceback.format_exception(raised.value))
    assert text not in traced


def test_fault_of_a_shadow_changes_no_answer(
    home: Path, probe: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (home / "config.yaml").write_text("l2_model: {selection: both}\n")
    caplog.set_level(logging.INFO)
    with Raxe() as client:
        assert client.scan("fail v1.0_new").action == "allow"
    assert "shadow model=v1.0_new failed (failed plugin): " in caplog.text
    assert "fail v1.0_new" not in caplog.text
