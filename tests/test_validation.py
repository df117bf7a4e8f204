"""The seven checks: the first failure gives its reason, the rest is skipped."""

from __future__ import annotations

import json
import zipfile
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


def with_member(folder: Path, member: str, content: bytes) -> Path:
    """A bundle of the tiny model with one member replaced or added."""
    source = write_source(folder / "source")
    (source / member).write_bytes(content)
    path = folder / "a.raxe"
    path.write_bytes(pack(source)[1])
    return path


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


def test_metadata_of_the_manifest_is_judged_beneath_a_sidecar(home: Path, tmp_path: Path) -> None:
    path = write_bundle(tmp_path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    manifest["metadata"]["status"] = "trusted"
    members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    sidecar(path, json.dumps({"status": "active"}))
    name, reason = failure(check(path))
    assert name == "Bundle structure valid"
    assert "$.metadata.status: 'trusted' must be one of" in reason


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
    ("member", "content", "reason"),
    [
        ("model.onnx", b"no graph", "does not begin as an ONNX model does"),
        ("model.onnx", b"\x80\x04K\x01.", "is a pickle, not what its name says"),
        ("model.onnx", b"PK\x03\x04" + bytes(30), "is a ZIP archive, as TorchScript"),
        ("tokenizer.json", b'{"version": 0}', "model is no object"),
        ("README.md", b"\x7fELF\x02", "is a program"),
    ],
)
def test_member_that_is_not_what_its_name_says(
    tmp_path: Path, member: str, content: bytes, reason: str
) -> None:
    name, said = failure(check(with_member(tmp_path, member, content)))
    assert name == "Bundle structure valid"
    assert f"member {member!r}: " in said
    assert reason in said


def test_graph_that_does_not_load(tmp_path: Path) -> None:
    name, reason = failure(check(with_member(tmp_path, "model.onnx", b"\x08\x08")))
    assert name == "Can load detector"
    assert "model.onnx: holds no graph" in reason


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
        ("float('nan')", "whose scores should be names with numbers from 0 to 1"),
        ("1.5", "whose scores should be names with numbers from 0 to 1"),
        ("next(scores) / 100", "got the scores {'threat': 0.0} and then {'threat': 0.01}"),
        ("1 / 0", "ZeroDivisionError"),
        ("0.5", "differ from the labels of the manifest in PI, PII"),
        ("__import__('os').abort()", "the odd runtime was ended by signal 6 (SIGABRT) while"),
        ("__import__('os')._exit(0)", "the odd runtime ended with exit code 0 while judging texts"),
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
