from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raxe_core.errors import MetadataError
from raxe_core.metadata import (
    FAMILIES,
    STATUSES,
    Accuracy,
    Capabilities,
    FileInfo,
    ModelMetadata,
    Performance,
    Requirements,
    TrainingInfo,
    structure,
    unstructure,
)

SEED: dict[str, Any] = {
    "model_id": "v1.0_onnx_int8",
    "name": "RAXE L2 v1.0 ONNX INT8",
    "version": "1.0.0",
    "variant": "onnx_int8",
    "description": "Optimized ONNX model with INT8 quantization for 5x speedup",
    "file_info": {
        "filename": "raxe_model_l2_v1.0_onnx_int8.raxe",
        "size_mb": 32.5,
        "checksum": "sha256:" + "0a" * 32,
    },
    "capabilities": {
        "classification_types": ["binary", "family", "subfamily"],
        "supported_families": list(FAMILIES),
        "supports_explanations": True,
        "supports_embeddings": True,
    },
    "performance": {
        "target_latency_ms": 10,
        "p50_latency_ms": 8.5,
        "p95_latency_ms": 12.0,
        "p99_latency_ms": 15.0,
        "throughput_per_sec": 120,
        "memory_mb": 150,
    },
    "accuracy": {
        "binary_f1": 0.94,
        "family_f1": 0.89,
        "subfamily_f1": 0.82,
        "false_positive_rate": 0.02,
        "false_negative_rate": 0.05,
    },
    "requirements": {
        "runtime": "onnx",
        "min_onnxruntime_version": "1.16.0",
        "requires_gpu": False,
        "requires_quantization_support": True,
    },
    "training_info": {
        "trained_on": "2024-11-15",
        "training_samples": 50000,
        "validation_samples": 10000,
        "test_samples": 5000,
    },
    "tags": ["production", "optimized", "quantized", "cpu"],
    "status": "active",
    "recommended_for": ["production", "low-latency"],
    "not_recommended_for": ["gpu-only-environments"],
}
MINIMAL = {key: SEED[key] for key in ("model_id", "name", "version", "variant")}


def test_every_field_of_the_seed_is_read_and_written_back() -> None:
    metadata = structure(SEED, ModelMetadata, "seed.json")
    written = unstructure(metadata)
    assert json.loads(json.dumps(written)) == SEED
    assert list(written) == list(SEED)
    assert metadata.performance.throughput_per_sec == 120
    assert metadata.training_info.trained_on == "2024-11-15"


def test_six_fields_are_enough() -> None:
    six = {**MINIMAL, "performance": {"target_latency_ms": 8}, "status": "experimental"}
    metadata = structure(six, ModelMetadata, "x.json")
    assert metadata.requirements.runtime == "onnx"
    assert metadata.accuracy.binary_f1 is None
    assert unstructure(metadata)["status"] == "experimental"


def change(path: str, value: Any) -> dict[str, Any]:
    """The seed's metadata with one value changed."""
    changed: dict[str, Any] = json.loads(json.dumps(SEED))
    *parents, last = path.split(".")
    section = changed
    for name in parents:
        section = section[name]
    section[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("name", 5, "expected a string, found int"),
        ("name", None, "expected a string, found NoneType"),
        ("name", "", "does not match"),
        ("name", "x" * 4_001, "longer than 4,000 characters"),
        ("model_id", "../evil", "does not match"),
        ("model_id", "", "does not match"),
        ("model_id", "v1\n", "does not match"),
        ("version", "one", "does not match"),
        ("status", "retired", "must be one of active, experimental, deprecated"),
        ("tags", "fast", "expected a list of strings"),
        ("tags", ["fast", 1], "expected a list of strings"),
        ("tags", ["x"] * 257, "expected at most 256 strings"),
        ("performance", 12, "expected an object, found int"),
        ("performance", None, "expected an object, found NoneType"),
        ("performance.p95_latency_ms", "10ms", "expected a number, found str"),
        ("performance.p95_latency_ms", True, "expected a number, found bool"),
        ("performance.p95_latency_ms", -1, "-1 must be from 0 to 1e+12"),
        ("performance.p95_latency", 1, "unknown field p95_latency. Did you mean 'p95_latency_ms'?"),
        ("accuracy.binary_f1", 94, "94 must be from 0 to 1"),
        ("training_info.test_samples", 1.5, "expected a whole number, found float"),
        ("training_info.trained_on", "last week", "does not match"),
        ("requirements.requires_gpu", "no", "expected true or false, found str"),
        ("requirements.runtime", "ONNX!", "does not match"),
        ("file_info.filename", "../a.raxe", "does not match"),
        ("file_info.checksum", "md5:abc", "does not match"),
    ],
)
def test_fault_names_file_path_and_reason(path: str, value: Any, reason: str) -> None:
    with pytest.raises(MetadataError) as error:
        structure(change(path, value), ModelMetadata, "m/x.json")
    message = str(error.value)
    place = path.rpartition(".")[0] if "unknown field" in reason else path
    assert message.startswith(f"m/x.json: $.{place}: ")
    assert reason in message
    assert message.endswith("Mend the value, or remove it.")


def test_all_faults_are_named_at_once_but_not_too_many() -> None:
    with pytest.raises(MetadataError) as error:
        structure({}, ModelMetadata, "x.json")
    for name in MINIMAL:
        assert name in str(error.value)
    bad = {f"p{n}": 1 for n in range(9)}
    with pytest.raises(MetadataError, match="unknown field") as error:
        structure({**MINIMAL, **bad, "status": 1, "tags": 1}, ModelMetadata, "x.json")
    assert len(str(error.value)) < 1_000


NUMBER = st.none() | st.floats(0, 1e9) | st.integers(0, 10**6)
FRACTION = st.none() | st.floats(0, 1)
NAMES = st.lists(st.text(max_size=20), max_size=4).map(tuple)
ID = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)


def record(cls: type[Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects of a class whose other fields are drawn from ``fields['rest']``."""
    rest = fields.pop("rest", st.nothing())
    names = [field.name for field in attrs.fields(cls)]
    return st.builds(cls, **{name: fields.get(name, rest) for name in names})


METADATA = record(
    ModelMetadata,
    model_id=ID,
    variant=ID,
    version=st.from_regex(r"[0-9]+(\.[0-9]+){0,3}(-rc1)?", fullmatch=True),
    name=st.text(min_size=1, max_size=40),
    description=st.text(max_size=40),
    status=st.sampled_from(STATUSES),
    file_info=record(FileInfo, filename=st.none() | ID, size_mb=NUMBER, checksum=st.none()),
    capabilities=record(
        Capabilities,
        classification_types=NAMES,
        supported_families=NAMES,
        rest=st.booleans(),
    ),
    performance=record(Performance, rest=NUMBER),
    accuracy=record(Accuracy, rest=FRACTION),
    requirements=record(
        Requirements,
        runtime=st.sampled_from(["onnx", "torch"]),
        min_onnxruntime_version=st.sampled_from([None, "1.16.0"]),
        rest=st.booleans(),
    ),
    training_info=record(
        TrainingInfo, trained_on=st.none(), rest=st.none() | st.integers(0, 10**9)
    ),
    rest=NAMES,
)


@settings(max_examples=60)
@given(METADATA)
def test_metadata_survives_the_way_through_json(metadata: ModelMetadata) -> None:
    value = json.loads(json.dumps(unstructure(metadata)))
    assert structure(value, ModelMetadata, "x.json") == metadata


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(list(SEED)), JSON) | JSON)
def test_any_json_is_metadata_or_a_metadata_error(value: Any) -> None:
    mixed = {**SEED, **value} if isinstance(value, dict) else value
    try:
        assert isinstance(structure(mixed, ModelMetadata, "x.json"), ModelMetadata)
    except MetadataError as error:
        assert str(error).startswith("x.json: $")  # noqa: PT017
