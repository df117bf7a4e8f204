"""Int8 and fp16 forms of an exported fp32 graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

SMALLEST_HALF = 1024
"""Constants of fewer values than this stay fp32 in the fp16 form."""


def to_half(model: ModelProto) -> ModelProto:
    """Store large fp32 constants as fp16, each with a cast back; inputs and outputs stay fp32.

    ONNX Runtime folds the casts when the session is made, so a CPU computes in fp32.
    """
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or int(np.prod(tensor.dims)) < SMALLEST_HALF:
            continue
        name = tensor.name
        half = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    return model


def write_half(source: Path, target: Path) -> None:
    """The fp16 form of a graph file."""
    onnx.save(to_half(onnx.load(source)), target)


def write_int8(source: Path, target: Path, kept: tuple[str, ...]) -> None:
    """The int8 form: weights int8 per output channel, activations uint8 per tensor and text.

    The embedding tables are int8 too. ``kept`` names parts of nodes that stay in floating point;
    their weights are stored as fp16.
    """
    names = [node.name for node in onnx.load(source).graph.node]
    quantize_dynamic(
        source,
        target,
        per_channel=True,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Gather"],
        nodes_to_exclude=[name for name in names if any(part in name for part in kept)],
    )
    write_half(target, target)
