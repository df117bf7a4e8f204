"""What ONNX defines, as far as the check of a graph needs it: fields, data types, operators."""

from __future__ import annotations

__all__ = ["DOMAINS", "ELEMENTS", "FIELDS", "MICROSOFT", "SINGLE", "TAGS", "TYPED"]

_VARINT, _EIGHT, _BYTES, _FOUR = (0,), (1,), (2,), (5,)
# message -> field number -> the message that stands there and is walked, or the wire types of
# anything else. Repeated numbers come one by one, or packed into bytes.
FIELDS: dict[str, dict[int, str | tuple[int, ...]]] = {
    "Model": {
        **dict.fromkeys((1, 5), _VARINT),
        **dict.fromkeys((2, 3, 4, 6, 8, 14, 26), _BYTES),
        7: "Graph",
        20: "TrainingInfo",
        25: "Function",
    },
    "TrainingInfo": {1: "Graph", 2: "Graph", 3: _BYTES, 4: _BYTES},
    "Graph": {
        1: "Node",
        5: "Tensor",
        15: "SparseTensor",
        **dict.fromkeys((2, 10, 11, 12, 13, 14, 16), _BYTES),
    },
    "Node": {5: "Attribute", **dict.fromkeys((1, 2, 3, 4, 6, 7, 8, 9, 10), _BYTES)},
    "Function": {
        7: "Node",
        11: "Attribute",
        **dict.fromkeys((1, 4, 5, 6, 8, 9, 10, 12, 13, 14), _BYTES),
    },
    "Attribute": {
        2: _FOUR,
        3: _VARINT,
        5: "Tensor",
        6: "Graph",
        7: _FOUR + _BYTES,
        8: _VARINT + _BYTES,
        10: "Tensor",
        11: "Graph",
        20: _VARINT,
        22: "SparseTensor",
        23: "SparseTensor",
        **dict.fromkeys((1, 4, 9, 13, 14, 15, 21), _BYTES),
    },
    "SparseTensor": {1: "Tensor", 2: "Tensor", 3: _VARINT + _BYTES},
    "Tensor": {
        **dict.fromkeys((1, 5, 7, 11), _VARINT + _BYTES),
        2: _VARINT,
        4: _FOUR + _BYTES,
        10: _EIGHT + _BYTES,
        14: _VARINT,
        **dict.fromkeys((3, 6, 8, 9, 12, 13, 16), _BYTES),
    },
}
# message -> tag (number and wire type) -> the message that is walked, or an empty string.
TAGS: dict[str, dict[int, str]] = {
    kind: {
        number << 3 | wire: within if isinstance(within, str) else ""
        for number, within in fields.items()
        for wire in (_BYTES if isinstance(within, str) else within)
    }
    for kind, fields in FIELDS.items()
}
# Messages that stand once; readers would merge a second one into the first.
SINGLE = {
    ("Model", 7),
    ("TrainingInfo", 1),
    ("TrainingInfo", 2),
    ("Attribute", 5),
    ("Attribute", 6),
    ("Attribute", 22),
    ("SparseTensor", 1),
    ("SparseTensor", 2),
}
# The fields of a Tensor that hold elements one by one.
TYPED = (4, 5, 6, 7, 10, 11)
# Tensor.data_type -> bits of an element, and the field that holds elements which are not raw bytes.
ELEMENTS = {
    1: (32, 4),
    **dict.fromkeys((2, 3, 9, 17, 18, 19, 20, 24), (8, 5)),
    **dict.fromkeys((4, 5, 10, 16), (16, 5)),
    6: (32, 5),
    7: (64, 7),
    8: (0, 6),
    11: (64, 10),
    12: (32, 11),
    13: (64, 11),
    **dict.fromkeys((21, 22, 23), (4, 5)),
    **dict.fromkeys((25, 26), (2, 5)),
}
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
# What exporters and quantisers write. Others of this domain load files, or run code.
_MICROSOFT = """
    Attention BiasGelu BiasSoftmax DequantizeLinear DynamicQuantizeLSTM DynamicQuantizeMatMul
    EmbedLayerNormalization FastGelu FusedConv FusedGemm FusedMatMul FusedMatMulActivation
    GatedRelativePositionBias GatherBlockQuantized Gelu GroupQueryAttention MatMulBnb4
    MatMulInteger16 MatMulIntegerToFloat MatMulNBits MultiHeadAttention NhwcMaxPool PackedAttention
    PackedMultiHeadAttention QAttention QEmbedLayerNormalization QGemm QLinearAdd
    QLinearAveragePool QLinearConcat QLinearConv QLinearGlobalAveragePool QLinearLeakyRelu
    QLinearMul QLinearReduceMean QLinearSigmoid QLinearSoftmax QLinearWhere QuantizeLinear
    QuickGelu RelativePositionBias RemovePadding RestorePadding RotaryEmbedding
    SimplifiedLayerNormalization SkipLayerNormalization SkipSimplifiedLayerNormalization
    TransposeMatMul Trilu
"""
MICROSOFT = frozenset(_MICROSOFT.split())
