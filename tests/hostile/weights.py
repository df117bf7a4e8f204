"""Weights that are something else, or that ask for too much."""

from __future__ import annotations

import json
import os
import pickle
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hostile.case import Case, bundle, placed, tiny_files


class _Touch:
    """Unpickled, it runs a command."""

    def __reduce__(self) -> Any:
        return os.system, ("touch canary",)


def pickled(protocol: int = 4) -> bytes:
    """A pickle that leaves a canary when it is loaded."""
    return pickle.dumps(_Touch(), protocol)


def graph_with(
    nodes: list[onnx.NodeProto],
    constants: dict[str, Any] | None = None,
    opset: tuple[str, int] = ("", 17),
) -> bytes:
    """An ONNX model from ``input_ids`` to ``binary`` and ``family``."""
    shown = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in ("binary", "family")
    ]
    tokens = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])
    initializers = [
        item if isinstance(item, onnx.TensorProto) else numpy_helper.from_array(item, name)
        for name, item in (constants or {}).items()
    ]
    graph = helper.make_graph(nodes, "hostile", [tokens], shown, initializers)
    imports = [helper.make_opsetid("", 17)]
    if opset[0]:
        imports.append(helper.make_opsetid(*opset))
    return helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()  # type: ignore[no-any-return]


def constant_outputs(*values: float) -> bytes:
    """A graph that says the same of every text."""
    table = np.array([values], dtype=np.float32)
    copies = [helper.make_node("Identity", ["c"], [name]) for name in ("binary", "family")]
    return graph_with(copies, {"c": table})


def external(location: str) -> bytes:
    """A graph whose weights stand in another file."""
    tensor = TensorProto(name="c", data_type=TensorProto.FLOAT, dims=[1, 2])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    copies = [helper.make_node("Identity", ["c"], [name]) for name in ("binary", "family")]
    return graph_with(copies, {"c": tensor})


def of_shape(*dims: int) -> bytes:
    """A graph that makes a tensor of this shape."""
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["sum"], keepdims=0),
        helper.make_node("Expand", ["sum", "two"], ["binary"]),
        helper.make_node("Expand", ["sum", "two"], ["family"]),
    ]
    shape, two = np.array(dims, dtype=np.int64), np.array([1, 2], dtype=np.int64)
    return graph_with(nodes, {"shape": shape, "two": two})


def endless_loop() -> bytes:
    """A graph with a loop of 2**62 turns."""
    scalar = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Identity", ["x"], ["y"]),
        ],
        "body",
        [
            scalar("turn", TensorProto.INT64, []),
            scalar("go", TensorProto.BOOL, []),
            scalar("x", TensorProto.FLOAT, None),
        ],
        [scalar("go_on", TensorProto.BOOL, []), scalar("y", TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node("Loop", ["turns", "yes", "c"], ["binary"], body=body),
        helper.make_node("Identity", ["c"], ["family"]),
    ]
    constants = {
        "turns": np.array(1 << 62, dtype=np.int64),
        "yes": np.array(True),
        "c": np.array([[0, 0]], dtype=np.float32),
    }
    return graph_with(nodes, constants)


def false_dims(*dims: int) -> bytes:
    """A graph with a tensor whose shape does not fit its bytes."""
    tensor = numpy_helper.from_array(np.zeros((1, 2), dtype=np.float32), "c")
    del tensor.dims[:]
    tensor.dims.extend(dims)
    copies = [helper.make_node("Identity", ["c"], [name]) for name in ("binary", "family")]
    return graph_with(copies, {"c": tensor})


def foreign(domain: str, operator: str = "Run") -> bytes:
    """A graph with an operator that only a library of the attacker has."""
    nodes = [
        helper.make_node(operator, ["c"], ["binary"], domain=domain),
        helper.make_node("Identity", ["c"], ["family"]),
    ]
    return graph_with(nodes, {"c": np.zeros((1, 2), dtype=np.float32)}, (domain, 1))


def safetensors(header: Any, data: bytes = bytes(8), length: int | None = None) -> bytes:
    """A safetensors file with this header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(**changes: Any) -> dict[str, Any]:
    """The header of one tensor of two floats."""
    return {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


def graph() -> bytes:
    """The tiny model's own graph."""
    return tiny_files()["model.onnx"]


ONNX: dict[str, tuple[Callable[[], bytes], str]] = {
    "pickle": (pickled, "reject"),
    "old pickle": (lambda: pickled(0), "reject"),
    "torch archive": (lambda: b"PK\x03\x04" + pickled(), "reject"),
    "Python": (lambda: b"import os\nos.system('touch canary')\n", "reject"),
    "program": (lambda: b"\x7fELF" + bytes(200), "reject"),
    "HDF5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(200), "reject"),
    "numpy objects": (lambda: b"\x93NUMPY\x01\x00" + pickled(), "reject"),
    "onnxruntime's own format": (lambda: b"\x00\x00\x00\x00ORTM" + bytes(200), "reject"),
    "nothing": (lambda: b"", "reject"),
    "zeros": (lambda: bytes(5_000), "reject"),
    "0xFF": (lambda: b"\xff" * 5_000, "reject"),
    "first half": (lambda: graph()[: len(graph()) // 2], "reject"),
    "one byte less": (lambda: graph()[:-1], "reject-or-safe"),
    "bytes behind": (lambda: graph() + b"\x00" * 40, "reject-or-safe"),
    "length of 2**63": (lambda: b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + graph(), "reject"),
    "depth": (lambda: _nested(2_000), "reject"),
    "weights in /etc/passwd": (lambda: external("/etc/passwd"), "reject"),
    "weights outside": (lambda: external("../../../etc/passwd"), "reject"),
    "weights beside it": (lambda: external("tokenizer.json"), "reject"),
    "foreign operator": (lambda: foreign("evil"), "reject"),
    "operator of a library": (lambda: foreign("ai.onnx.contrib", "PyOp"), "reject"),
    "unknown operator": (lambda: foreign("", "Exec"), "reject"),
    "16 GB": (lambda: of_shape(1 << 16, 1 << 16), "reject"),
    "an exabyte": (lambda: of_shape(1 << 30, 1 << 30), "reject"),
    "endless loop": (endless_loop, "reject"),
    "dims that are negative": (lambda: false_dims(-1, 2), "reject"),
    "dims of more than there is": (lambda: false_dims(1 << 20, 1 << 20), "reject"),
    "NaN": (lambda: constant_outputs(float("nan"), 0), "reject"),
    "infinity": (lambda: constant_outputs(float("inf"), 0), "reject"),
    "one number": (lambda: constant_outputs(0), "reject"),
    "three numbers": (lambda: constant_outputs(0, 1, 2), "reject"),
    "the same for every text": (lambda: constant_outputs(0, 1), "reject-or-safe"),
    "other outputs": (lambda: graph().replace(b"binary", b"bjnary"), "reject"),
    "other inputs": (lambda: graph().replace(b"input_ids", b"input_idx"), "reject"),
    "version of the future": (lambda: b"\x08\xff\x7f" + graph()[2:], "reject"),
}
SAFETENSORS: dict[str, bytes] = {
    "nothing": b"",
    "seven bytes": bytes(7),
    "no header": struct.pack("<Q", 0),
    "header of an exabyte": safetensors({}, length=1 << 60),
    "header of -1": safetensors({}, length=(1 << 64) - 1),
    "header longer than the file": safetensors({}, length=5_000),
    "header no JSON": safetensors(b"{"),
    "header a list": safetensors([]),
    "header with a gap in front": safetensors(b"   " + json.dumps(tensor()).encode()),
    "header with duplicates": safetensors(b'{"w": {}, "w": {}}'),
    "header not UTF-8": safetensors(b'{"\xff": {}}'),
    "header too deep": safetensors(b'{"w": ' + b"[" * 5_000 + b"]" * 5_000 + b"}"),
    "offsets outside": safetensors(tensor(data_offsets=[0, 800], shape=[200])),
    "offsets backwards": safetensors(tensor(data_offsets=[8, 0])),
    "offsets that are negative": safetensors(tensor(data_offsets=[-8, 0])),
    "offsets that are NaN": safetensors(b'{"w": {"dtype": "F32", "data_offsets": [NaN, 8]}}'),
    "offsets that are true": safetensors(tensor(data_offsets=[False, True])),
    "tensors that overlap": safetensors(tensor() | {"v": tensor()["w"]}),
    "gap between tensors": safetensors(tensor(data_offsets=[4, 12]), bytes(12)),
    "bytes behind": safetensors(tensor(), bytes(80)),
    "shape that overflows": safetensors(tensor(shape=[1 << 62, 1 << 62])),
    "shape that is negative": safetensors(tensor(shape=[-2])),
    "shape that is a text": safetensors(tensor(shape="2")),
    "shape of 10,000 ones": safetensors(tensor(shape=[2] + [1] * 10_000)),
    "unknown dtype": safetensors(tensor(dtype="PICKLE")),
    "dtype that is a list": safetensors(tensor(dtype=["F32"])),
    "metadata of no texts": safetensors(tensor() | {"__metadata__": {"a": {}}}),
    "pickle": pickled(),
    "torch archive": b"PK\x03\x04" + pickled(),
}
FORBIDDEN = ["pkl", "pt", "pth", "bin", "pt2", "joblib", "npy", "keras", "h5", "py", "so", "dll"]


def _nested(depth: int) -> bytes:
    """A graph within an attribute of a node of a graph, and so on."""
    data = b""
    for _ in range(depth):  # AttributeProto.g of NodeProto.attribute of GraphProto.node
        for field in (6, 5, 1):
            data = bytes([field << 3 | 2]) + _varint(len(data)) + data
    return b"\x08\x08\x3a" + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    data = b""
    while number > 127:
        data += bytes([number & 127 | 128])
        number >>= 7
    return data + bytes([number])


def with_onnx(make: Callable[[], bytes]) -> Any:
    """A build of a bundle with this ``model.onnx``."""
    return placed(lambda: bundle(files={"model.onnx": make()}))


def with_safetensors(data: bytes) -> Any:
    """A build of a bundle for the torch runtime with this ``model.safetensors``."""
    metadata = json.loads(tiny_files()["manifest.json"])["metadata"]
    metadata["requirements"] = {"runtime": "torch"}
    files = {"model.safetensors": data, "config.json": b'{"model_type": "bert"}'}
    return placed(lambda: bundle({"metadata": metadata}, files))


CASES = [
    *(Case("onnx", name, with_onnx(make), expect) for name, (make, expect) in ONNX.items()),
    *(Case("safetensors", n, with_safetensors(data)) for n, data in SAFETENSORS.items()),
    *(
        Case("pickle", f"model.{kind}", placed(lambda k=kind: bundle(files={f"m.{k}": pickled()})))  # type: ignore[misc]
        for kind in FORBIDDEN
    ),
    Case("onnx", "sound", with_onnx(graph), "accept"),
]
