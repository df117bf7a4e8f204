"""The check of a graph: what is refused, with its reason, and what real models may hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper, onnx_ml_pb2
from raxe_onnx.graph import MAX_DEPTH, check_graph
from raxe_onnx.proto import ELEMENTS, FIELDS
from tiny_model import _graph, write_source

from raxe_core import ModelLoadError

TINY = _graph().SerializeToString()
TENSOR = numpy_helper.from_array(np.zeros((2, 3), np.float32), "w")


def refused(data: bytes) -> str:
    with pytest.raises(ModelLoadError) as raised:
        check_graph(data, "Model x: model.onnx")
    assert str(raised.value).startswith("Model x: model.onnx: ")
    return str(raised.value)


def model(*nodes: onnx.NodeProto, functions: tuple[onnx.FunctionProto, ...] = ()) -> bytes:
    """A model of these nodes."""
    graph = helper.make_graph(list(nodes), "g", [], [])
    return helper.make_model(graph, functions=list(functions)).SerializeToString()


def node(operator: str = "Identity", domain: str = "", **attributes: object) -> onnx.NodeProto:
    return helper.make_node(operator, ["a"], ["b"], domain=domain, **attributes)


def function(name: str, *calls: str) -> onnx.FunctionProto:
    nodes = [node(called, "own") for called in calls]
    return helper.make_function("own", name, ["a"], ["b"], nodes, [])


def changed(change: Callable[[onnx.TensorProto], object]) -> onnx.TensorProto:
    tensor = onnx.TensorProto()
    tensor.CopyFrom(TENSOR)
    change(tensor)
    return tensor


def external(tensor: onnx.TensorProto) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def in_initializer(tensor: onnx.TensorProto) -> bytes:
    return helper.make_model(helper.make_graph([], "g", [], [], [tensor])).SerializeToString()


def in_attribute(tensor: onnx.TensorProto) -> bytes:
    return model(node("Constant", value=tensor))


def in_subgraph(tensor: onnx.TensorProto) -> bytes:
    return model(node("If", then_branch=helper.make_graph([], "g", [], [], [tensor])))


def in_function(tensor: onnx.TensorProto) -> bytes:
    constant = node("Constant", value=tensor)
    return model(functions=(helper.make_function("own", "f", [], ["b"], [constant], []),))


def in_sparse(tensor: onnx.TensorProto) -> bytes:
    made = _graph()
    made.graph.sparse_initializer.add(dims=[6]).values.CopyFrom(tensor)
    return made.SerializeToString()


def in_training(tensor: onnx.TensorProto) -> bytes:
    made = _graph()
    made.training_info.add().algorithm.initializer.append(tensor)
    return made.SerializeToString()


PLACES = (in_initializer, in_attribute, in_subgraph, in_function, in_sparse, in_training)


@pytest.mark.parametrize("place", PLACES)
def test_external_data_is_refused_wherever_it_stands(
    place: Callable[[onnx.TensorProto], bytes],
) -> None:
    check_graph(place(TENSOR), "x")
    assert "tensor 'w' has its data in a file outside" in refused(place(changed(external)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.external_data.add(key="location", value="w"), "in a file outside the bundle"),
        (lambda t: t.dims.append(-1), "shape of tensor 'w' is not a list of up to 16 sizes"),
        (lambda t: t.dims.extend([1] * 20), "shape of tensor 'w' is not a list of up to 16 sizes"),
        (lambda t: t.dims.append(1 << 62), "and holds 24"),
        (lambda t: t.ClearField("raw_data"), "of shape [2, 3] should hold 6 elements and holds 0"),
        (lambda t: setattr(t, "raw_data", bytes(23)), "should hold 24 bytes and holds 23"),
        (lambda t: t.float_data.append(1.0), "or data of another type"),
        (lambda t: setattr(t, "data_type", 8), "data of another type"),
        (lambda t: setattr(t, "data_type", 99), "unknown data type 99"),
        (lambda t: t.segment.SetInParent(), "one segment of a larger one"),
    ],
)
def test_tensor_that_lies(change: Callable[[onnx.TensorProto], object], reason: str) -> None:
    assert reason in refused(in_initializer(changed(change)))


@pytest.mark.parametrize("kind", sorted(ELEMENTS))
@pytest.mark.parametrize("raw", [True, False])
def test_every_data_type_in_both_forms(kind: int, raw: bool) -> None:
    if kind == TensorProto.STRING:
        values: object = [b"a", b"b", b"c"]
        raw = False
    else:
        values = np.array([1, 0, 1]).astype(helper.tensor_dtype_to_np_dtype(kind))
        values = numpy_helper.from_array(values, "w").raw_data if raw else values
    tensor = helper.make_tensor("w", kind, [3], values, raw=raw)
    check_graph(in_initializer(tensor), "x")


@pytest.mark.parametrize(
    ("operator", "domain"),
    [("EPContext", "com.microsoft"), ("Add", "evil"), ("PyOp", "ai.onnx.contrib")],
)
def test_foreign_operator(operator: str, domain: str) -> None:
    assert f"operator {operator!r} of {domain!r} is not one" in refused(
        model(node(operator, domain))
    )
    nested = helper.make_graph([node(operator, domain)], "g", [], [])
    assert f"operator {operator!r}" in refused(model(node("If", then_branch=nested)))


@pytest.mark.parametrize(
    ("operator", "domain"),
    [("Add", ""), ("Add", "ai.onnx"), ("Scaler", "ai.onnx.ml"), ("QAttention", "com.microsoft")],
)
def test_known_operator(operator: str, domain: str) -> None:
    check_graph(model(node(operator, domain)), "x")


def test_functions_may_be_called_but_not_in_a_circle() -> None:
    check_graph(model(node("f", "own"), functions=(function("f", "g"), function("g"))), "x")
    circle = (function("f", "g"), function("g", "f"))
    assert "in a circle" in refused(model(node("f", "own"), functions=circle))


def test_functions_that_unfold_to_billions_of_nodes() -> None:
    levels = [function(f"f{n}", *[f"f{n + 1}"] * 50) for n in range(6)]
    leaf = helper.make_function("own", "f6", ["a"], ["b"], [node()], [])
    assert "unfold to over" in refused(model(node("f0", "own"), functions=(*levels, leaf)))


def test_function_cannot_take_the_name_of_an_operator() -> None:
    own = helper.make_function("com.microsoft", "EPContext", ["a"], ["b"], [node()], [])
    assert "takes the name of another" in refused(
        model(node("EPContext", "com.microsoft"), functions=(own,))
    )


def test_deep_graphs() -> None:
    graph = helper.make_graph([], "g", [], [])
    for _ in range(MAX_DEPTH - 1):
        graph = helper.make_graph([node("If", then_branch=graph)], "g", [], [])
    check_graph(helper.make_model(graph).SerializeToString(), "x")
    graph = helper.make_graph([node("If", then_branch=graph)], "g", [], [])
    assert "nested more than 8 deep" in refused(helper.make_model(graph).SerializeToString())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "holds no graph"),
        (b"\x80\x04K\x01.", "byte 0 is no field of Model"),
        (b"PK\x03\x04", "byte 0 is no field of Model"),
        (b"\x1c\x00\x00\x00ORTM", "byte 0 is no field of Model"),
        (b"\x08", "a number is cut off"),
        (b"\x08" + b"\xff" * 10, "more than 64 bits"),
        (b"\x3a\x05\x0a", "a Model is cut off"),
        (TINY + TINY, "two of field 7"),
        (TINY[:-1], "cut off"),
    ],
)
def test_bytes_that_are_no_model(data: bytes, reason: str) -> None:
    assert reason in refused(data)


def test_the_table_of_fields_is_the_format() -> None:
    for name, fields in FIELDS.items():
        described = onnx_ml_pb2.DESCRIPTOR.message_types_by_name[f"{name}Proto"].fields
        assert {field.number for field in described} == set(fields), name
        for field in described:
            child = field.message_type and field.message_type.name.removesuffix("Proto")
            if child in FIELDS:
                assert fields[field.number] == child, field.full_name


def test_the_models_that_come_with_onnx_are_accepted() -> None:
    folder = Path(onnx.__file__).parent / "backend/test/data"
    found = sorted(folder.rglob("*.onnx"))
    assert found
    for path in found:
        if "gradient" not in str(path):  # training
            check_graph(path.read_bytes(), str(path))


@given(st.data())
@settings(max_examples=300)
def test_any_damage_is_accepted_or_refused_with_the_one_error(data: st.DataObject) -> None:
    damaged = bytearray(TINY)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(TINY) - 1))] = data.draw(st.integers(0, 255))
    try:
        check_graph(bytes(damaged), "x")
    except ModelLoadError as error:
        assert str(error).startswith("x: ")  # noqa: PT017


def test_every_truncation_is_refused() -> None:
    for end in range(len(TINY)):
        try:
            check_graph(TINY[:end], "x")
        except ModelLoadError:
            continue
        onnx.ModelProto.FromString(TINY[:end])  # cut between two fields: whole for any reader


def test_a_sound_model_is_accepted(tmp_path: Path) -> None:
    check_graph((write_source(tmp_path) / "model.onnx").read_bytes(), "x")
