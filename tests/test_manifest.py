from __future__ import annotations

import json
from typing import Any

import pytest
from hostile.archives import MANIFEST

from raxe_core.errors import MetadataError
from raxe_core.manifest import manifest_json, structure_manifest


def change(path: str, value: Any) -> dict[str, Any]:
    """The smallest manifest with one value set."""
    changed: dict[str, Any] = json.loads(json.dumps(MANIFEST))
    *parents, last = path.split(".")
    section = changed
    for name in parents:
        section = section.setdefault(name, {})
    section[last] = value
    return changed


def test_smallest_manifest_has_defaults() -> None:
    manifest = structure_manifest(MANIFEST, "m.json")
    assert (manifest.input.max_tokens, manifest.input.window_overlap) == (256, 64)
    assert (manifest.outputs.binary.threshold, manifest.outputs.binary.activation) == (
        0.5,
        "softmax",
    )
    assert manifest.outputs.family is None
    assert manifest.members == ()
    assert structure_manifest(json.loads(json.dumps(manifest_json(manifest))), "x") == manifest


MEMBER = {"name": "a.json", "sha256": "0" * 64, "size": 1}


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("format_version", 2, "$.format_version is 2, this raxe reads 1"),
        ("format_version", "1", "$.format_version is '1', this raxe reads 1"),
        ("input.max_tokens", 7, "max_tokens is not from 8 to 131,072"),
        ("input.max_tokens", 16.0, "$.input.max_tokens: expected a whole number"),
        ("input.window_overlap", 129, "window_overlap is not from 0 to half of max_tokens"),
        ("outputs.binary.labels", [], "labels is empty"),
        ("outputs.binary.labels", ["a", "a"], "labels names a label twice"),
        ("outputs.binary.activation", "relu", "activation is not one of"),
        ("outputs.binary.temperature", 0, "temperature is not above 0"),
        ("outputs.binary.threshold", 1.1, "threshold is not from 0 to 1"),
        ("outputs.binary.threat_labels", ["maybe"], "threat_labels names ['maybe']"),
        ("outputs.binary.threat_labels", [], "binary.threat_labels is empty"),
        ("outputs.family", {"tensor": "f", "labels": ["threat"]}, "family.labels has 'threat'"),
        ("outputs.family", {"labels": ["PI"]}, "$.outputs.family.tensor: required field missing"),
        ("outputs.other", {}, "$.outputs: unknown field other"),
        ("members", [{**MEMBER, "name": "../a.json"}], "name is not a plain file name"),
        ("members", [{**MEMBER, "sha256": "0" * 63}], "sha256 is not 64 hex digits"),
        ("members", [{**MEMBER, "size": -1}], "size is negative"),
        ("metadata.model_id", "a/b", "$.metadata.model_id: 'a/b' does not match"),
    ],
)
def test_fault_names_file_path_and_reason(path: str, value: Any, reason: str) -> None:
    with pytest.raises(MetadataError) as error:
        structure_manifest(change(path, value), "b.raxe:manifest.json")
    assert str(error.value).startswith("b.raxe:manifest.json: $.")
    assert reason in str(error.value)


@pytest.mark.parametrize("value", [[], "x", None, 1, {}])
def test_anything_else_is_a_metadata_error(value: Any) -> None:
    with pytest.raises(MetadataError, match=r"^m\.json: \$"):
        structure_manifest(value, "m.json")
