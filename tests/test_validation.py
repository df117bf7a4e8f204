"""The seven checks: the first failure gives its reason, the rest is skipped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from plugin_source import Site
from tiny_model import write_bundle, write_source

from raxe_core import ModelRegistry
from raxe_core.bundle import pack
from raxe_core.discovery import model_from_file
from raxe_core.plugins import PluginHost
from raxe_core.validation import Check, validate

NAMES = [
    "File exists",
    "Checksum matches",
    "Bundle structure valid",
    "Metadata schema valid",
    "Runtime dependencies available",
    "Can load detector",
    "Can run inference",
]


def check(path: Path, host: PluginHost | None = None) -> list[Check]:
    return validate(model_from_file(path, "x"), host or PluginHost())


def failure(checks: list[Check]) -> tuple[str, str]:
    """The failed check and its reason, after a look at the others."""
    assert [item.name for item in checks] == NAMES
    failed = next(number for number, item in enumerate(checks) if not item.passed)
    assert [item.passed for item in checks[:failed]] == [True] * failed
    assert checks[failed].passed is False
    assert [item.passed for item in checks[failed + 1 :]] == [None] * (6 - failed)
    return checks[failed].name, checks[failed].detail


def sidecar(bundle: Path, text: str) -> None:
    path = bundle.parent / "metadata" / "v9.0_tiny.json"
    path.parent.mkdir()
    path.write_text(text)


def test_sound_model_passes_seven_checks(tiny_bundle: Path) -> None:
    checks = check(tiny_bundle)
    assert [(item.name, item.passed) for item in checks] == [(name, True) for name in NAMES]
    assert checks[0].detail == tiny_bundle.name
    assert checks[1].detail.startswith("sha256:")


def test_missing_file(tmp_path: Path) -> None:
    name, reason = failure(check(tmp_path / "none.raxe"))
    assert name == "File exists"
    assert "No such file" in reason


def test_wrong_checksum(tmp_path: Path) -> None:
    path = write_bundle(tmp_path)
    sidecar(path, json.dumps({"file_info": {"checksum": "sha256:" + "0" * 64}}))
    name, reason = failure(check(path))
    assert name == "Checksum matches"
    assert "the metadata says sha256:0000" in reason


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_damaged_bundle(tmp_path: Path, damage: str) -> None:
    path = write_bundle(tmp_path)
    data = bytearray(path.read_bytes())
    data[data.index(b"ReduceSum")] ^= 0x20
    path.write_bytes(data if damage == "flip" else data[:-1])
    name, reason = failure(check(path))
    assert name == "Bundle structure valid"
    assert str(path) in reason
    assert "Get the file again" in reason


def test_wrong_type_in_metadata(tmp_path: Path) -> None:
    path = write_bundle(tmp_path)
    sidecar(path, '{"performance": {"p95_latency_ms": "fast"}}')
    name, reason = failure(check(path))
    assert name == "Metadata schema valid"
    assert "v9.0_tiny.json: $.performance.p95_latency_ms: expected a number, found str" in reason


def test_missing_runtime(tiny_bundle: Path) -> None:
    name, reason = failure(check(tiny_bundle, PluginHost([])))
    assert name == "Runtime dependencies available"
    assert "pip install raxe-onnx" in reason


def test_runtime_that_is_too_old(tmp_path: Path) -> None:
    path = write_bundle(tmp_path)
    sidecar(path, '{"requirements": {"min_onnxruntime_version": "99.0"}}')
    name, reason = failure(check(path))
    assert name == "Runtime dependencies available"
    assert 'pip install "onnxruntime>=99.0"' in reason


@pytest.mark.parametrize(
    ("member", "content"), [("model.onnx", b"no graph"), ("tokenizer.json", b'{"version": 0}')]
)
def test_member_that_does_not_load(tmp_path: Path, member: str, content: bytes) -> None:
    source = write_source(tmp_path / "source")
    (source / member).write_bytes(content)
    path = tmp_path / "a.raxe"
    path.write_bytes(pack(source)[1])
    name, reason = failure(check(path))
    assert name == "Can load detector"
    assert member in reason


def test_graph_that_does_not_fit_the_manifest(tmp_path: Path) -> None:
    outputs = {"binary": {"tensor": "none", "labels": ["n", "t"], "threat_labels": ["t"]}}
    name, reason = failure(check(write_bundle(tmp_path, outputs=outputs)))
    assert name == "Can load detector"
    assert "missing outputs ['none']" in reason


def test_labels_that_do_not_fit_the_output(tmp_path: Path) -> None:
    labels = ["n", "t", "u"]
    outputs = {"binary": {"tensor": "binary", "labels": labels, "threat_labels": ["t"]}}
    name, reason = failure(check(write_bundle(tmp_path, outputs=outputs)))
    assert name == "Can run inference"
    assert "'binary' is not 3 finite numbers" in reason


BAD_DETECTOR = """
    import itertools
    from raxe_core import DetectionResult, hookimpl

    RAXE_API = 1
    RUNTIMES = ("odd",)
    scores = itertools.count()

    class Detector:
        def analyze(self, text, l1_results=None):
            score = {score}
            return DetectionResult("x", False, (), {{"threat": score}}, 0.5, 0.0)
        def analyze_batch(self, texts): ...
        def close(self): ...

    @hookimpl
    def create_detector():
        return Detector()
"""


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        ("float('nan')", "is nan, no probability"),
        ("1.5", "is 1.5, no probability"),
        ("next(scores) / 100", "got 0.0 and then 0.01"),
        ("1 / 0", "inference failed: ZeroDivisionError"),
    ],
)
def test_detector_that_breaks_its_contract(
    tmp_path: Path, site: Site, score: str, reason: str
) -> None:
    path = write_bundle(tmp_path)
    sidecar(path, '{"requirements": {"runtime": "odd"}}')
    site.install("odd-runtime", BAD_DETECTOR.format(score=score))
    name, said = failure(check(path, PluginHost(site.entry_points())))
    assert name == "Can run inference"
    assert reason in said


def test_model_without_a_file_is_told_so(home: Path) -> None:
    (home / "models" / "metadata").mkdir()
    (home / "models" / "metadata" / "v1.0_gone.json").write_text("{}")
    registry = ModelRegistry()
    name, reason = failure(validate(registry.get_model("v1.0_gone"), registry.host))
    assert name == "File exists"
    assert "there is no bundle raxe_model_l2_v1.0_gone.raxe" in reason
