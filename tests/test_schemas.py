"""The published JSON Schemas and the converter accept and refuse the same documents."""

from __future__ import annotations

import copy
import json
import pathlib
import re
import types
import typing
from collections.abc import Iterator
from importlib import resources
from typing import Any

import attrs
import jsonschema
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from raxe_core.errors import MetadataError
from raxe_core.manifest import Manifest, structure_manifest
from raxe_core.metadata import ModelMetadata, structure
from raxe_core.metadata_schema import fits_schema

Path = tuple[str | int, ...]


def read_schema(name: str) -> Any:
    text = (resources.files("raxe_core") / "schemas" / name).read_text("utf-8")
    return json.loads(text)


METADATA_SCHEMA = read_schema("model_metadata.schema.json")
MANIFEST_SCHEMA = read_schema("manifest.schema.json")

DOCS = pathlib.Path(__file__).parent.parent / "docs"
BLOCK = re.compile(r"^```json\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# The first example of the page is the one of the registry's design.
FULL: dict[str, Any] = json.loads(BLOCK.findall((DOCS / "reference/metadata.md").read_text())[0])
SIX_FIELDS: dict[str, Any] = {
    "model_id": "v1.1_onnx_int8",
    "name": "RAXE L2 v1.1 ONNX INT8",
    "version": "1.1.0",
    "variant": "onnx_int8",
    "performance": {"target_latency_ms": 8},
    "status": "experimental",
}
_HEAD = {
    "tensor": "family",
    "labels": ["PI", "JB"],
    "activation": "softmax",
    "temperature": 1.5,
    "threat_labels": [],
    "threshold": 0.5,
}
MANIFEST: dict[str, Any] = {
    "format_version": 1,
    "metadata": SIX_FIELDS,
    "input": {"max_tokens": 256, "window_overlap": 4},
    "outputs": {
        "binary": {**_HEAD, "labels": ["benign", "threat"], "threat_labels": ["threat"]},
        "family": _HEAD,
        "subfamily": {"tensor": "subfamily", "labels": ["PI/task_hijack"]},
        "embedding": {"tensor": "embedding"},
    },
    "members": [{"name": "model.onnx", "sha256": "0f" * 32, "size": 12}],
}


def ecma_pattern(_: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    """JSON Schema's patterns are ECMA 262, where ``$`` does not match before a last newline."""
    anchored = re.sub(r"\$$", r"\\Z", pattern)
    if isinstance(instance, str) and not re.search(anchored, instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern}")


Validator: Any = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator, {"pattern": ecma_pattern}
)


def resource(schema: Any) -> Any:
    """Without $schema: a schema that is referred to would bring its own, less exact validator."""
    return DRAFT202012.create_resource({k: v for k, v in schema.items() if k != "$schema"})


REGISTRY: Any = Registry().with_resources(
    (schema["$id"], resource(schema)) for schema in (METADATA_SCHEMA, MANIFEST_SCHEMA)
)


def schema_accepts(value: Any, schema: Any) -> bool:
    return bool(Validator(schema, registry=REGISTRY).is_valid(value))


def converter_accepts(value: Any, schema: Any) -> bool:
    """What the converter says; the test that discovery goes by must say the same."""
    accepted = structures(value, schema)
    if schema is METADATA_SCHEMA:
        assert fits_schema(value) == accepted
    return accepted


def structures(value: Any, schema: Any) -> bool:
    try:
        if schema is METADATA_SCHEMA:
            structure(value, ModelMetadata, "test")
        else:
            structure_manifest(value, "test")
    except MetadataError:
        return False
    return True


def places(value: Any, here: Path = ()) -> Iterator[Path]:
    """Return the path of every value inside ``value``, itself included."""
    yield here
    items: Any = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, item in items:
        yield from places(item, (*here, key))


def put(document: Any, path: Path, value: Any) -> Any:
    """Return a copy of ``document`` with ``value`` at ``path``."""
    if not path:
        return value
    changed = copy.deepcopy(document)
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return changed


def drop(document: Any, path: Path) -> Any:
    """Return a copy of ``document`` without what stands at ``path``."""
    changed = copy.deepcopy(document)
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    del holder[path[-1]]
    return changed


# A whole number written as a float, 5.0, is an integer to JSON Schema and not to the converter.
fractions = st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not x.is_integer())
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 200_000)
    | fractions
    | st.sampled_from([0.5, -0.5, 1.5, 1e-9])
    | st.text(st.characters(codec="ascii"), max_size=70)
    | st.sampled_from(
        ["", "a/b", "..", "1.0\n", "v1", "1.2.3.4.5", "x" * 65, "x" * 4001, "softmax"]
    )
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "tensor", "labels", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)
DOCUMENTS = [(FULL, METADATA_SCHEMA), (SIX_FIELDS, METADATA_SCHEMA), (MANIFEST, MANIFEST_SCHEMA)]
PLACES = [(doc, schema, path) for doc, schema in DOCUMENTS for path in places(doc)]


@pytest.mark.parametrize("schema", [METADATA_SCHEMA, MANIFEST_SCHEMA], ids=["metadata", "manifest"])
def test_the_schema_is_itself_valid(schema: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    ("document", "schema"), DOCUMENTS, ids=["the full example", "the six fields", "the manifest"]
)
def test_the_examples_are_accepted(document: Any, schema: Any) -> None:
    assert schema_accepts(document, schema)
    assert converter_accepts(document, schema)


@settings(max_examples=300)
@given(st.sampled_from(PLACES), values)
@example((MANIFEST, MANIFEST_SCHEMA, ("metadata", "model_id")), "0\n")
def test_a_changed_value_gets_the_same_answer(place: tuple[Any, Any, Path], value: Any) -> None:
    document, schema, path = place
    if path[-1:] == ("members",) and not value:
        return  # an empty object or text is refused by the schema alone
    changed = put(document, path, value)
    if crosses_fields(changed):
        return
    assert schema_accepts(changed, schema) == converter_accepts(changed, schema)


@settings(max_examples=300)
@given(st.sampled_from(PLACES), st.text(max_size=12), values)
def test_an_unknown_field_gets_the_same_answer(
    place: tuple[Any, Any, Path], key: str, value: Any
) -> None:
    document, schema, path = place
    target: Any = document
    for step in path:
        target = target[step]
    if not isinstance(target, dict) or key in target:
        return
    changed = put(document, (*path, key), value)
    assert schema_accepts(changed, schema) == converter_accepts(changed, schema)


@pytest.mark.parametrize(("document", "schema", "path"), [p for p in PLACES if p[2]])
def test_a_missing_value_gets_the_same_answer(document: Any, schema: Any, path: Path) -> None:
    changed = drop(document, path)
    if crosses_fields(changed):
        return
    assert schema_accepts(changed, schema) == converter_accepts(changed, schema)


@pytest.mark.parametrize("field", ["model_id", "name", "version", "variant"])
def test_four_fields_are_required(field: str) -> None:
    assert not schema_accepts(drop(SIX_FIELDS, (field,)), METADATA_SCHEMA)
    assert not converter_accepts(drop(SIX_FIELDS, (field,)), METADATA_SCHEMA)


@pytest.mark.parametrize(
    "change",
    [
        {"input": {"max_tokens": 64, "window_overlap": 33}},
        {"outputs": {"binary": {"tensor": "t", "labels": ["a"], "threat_labels": ["b"]}}},
    ],
    ids=["the overlap is more than half", "a threat label that is no label"],
)
def test_rules_between_fields_are_the_converters_alone(change: dict[str, Any]) -> None:
    """JSON Schema has no words for them; the format's page names them."""
    assert schema_accepts({**MANIFEST, **change}, MANIFEST_SCHEMA)
    assert not converter_accepts({**MANIFEST, **change}, MANIFEST_SCHEMA)


@pytest.mark.parametrize(
    ("schema", "cls"), [(METADATA_SCHEMA, ModelMetadata), (MANIFEST_SCHEMA, Manifest)]
)
def test_properties_are_the_fields_of_the_classes(schema: Any, cls: type) -> None:
    assert compare(schema, cls) > 3


def crosses_fields(document: Any) -> bool:
    """Tell whether the converter may refuse what no JSON Schema can."""
    if not isinstance(document, dict) or not isinstance(document.get("outputs"), dict):
        return False
    spec = document.get("input")
    heads = [head for head in document["outputs"].values() if isinstance(head, dict)]
    return (isinstance(spec, dict) and not fits(spec)) or any(map(stray, heads))


def fits(spec: dict[str, Any]) -> bool:
    tokens, overlap = spec.get("max_tokens", 256), spec.get("window_overlap", 64)
    return not (isinstance(tokens, int) and isinstance(overlap, int) and overlap > tokens // 2)


def stray(head: dict[str, Any]) -> bool:
    labels, chosen = head.get("labels"), head.get("threat_labels")
    if not isinstance(labels, list) or not isinstance(chosen, list):
        return False
    return any(label not in labels for label in chosen)


def compare(schema: Any, cls: type) -> int:
    """Compare a schema's properties with the fields of a class, and those inside; count them."""
    hints = typing.get_type_hints(cls)
    if attrs.has(cls):
        fields = {field.name: field.default is attrs.NOTHING for field in attrs.fields(cls)}
    else:
        named: Any = cls
        fields = {name: name not in named._field_defaults for name in named._fields}
    assert set(schema["properties"]) == set(fields)
    assert schema["additionalProperties"] is False
    needed = {name for name, required in fields.items() if required}
    # The converter asks more of the binary head than of the other heads.
    assert set(schema.get("required", ())) - {"threat_labels"} == needed
    for name, inner in schema["properties"].items():
        assert inner["description"]
        kind = hints[name]
        if isinstance(kind, types.UnionType):
            kind = typing.get_args(kind)[0]
        if typing.get_origin(kind) is tuple:
            kind = typing.get_args(kind)[0]
        if (attrs.has(kind) or hasattr(kind, "_fields")) and "$ref" not in inner:
            compare(inner.get("items", inner), kind)
    return len(fields)
