"""A real ONNX model of a few kilobytes: it adds up one learned weight per word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from raxe_core.bundle import pack
from raxe_core.discovery import bundle_filename

WORDS = {
    "ignore": 3.0,
    "previous": 3.0,
    "instructions": 3.0,
    "reveal": 4.0,
    "password": 4.0,
    "france": -4.0,
    "hello": -2.0,
}
FAMILIES = ("PI", "PII")
FAMILY_OF = {"reveal": "PII", "password": "PII"}


def write_source(folder: Path, model_id: str = "v9.0_tiny", **manifest: Any) -> Path:
    """Write the files that ``raxe models pack`` turns into a bundle; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    version, _, variant = model_id.partition("_")
    content = {
        "format_version": 1,
        "metadata": {
            "model_id": model_id,
            "name": f"Tiny {variant}",
            "version": f"{version.lstrip('v')}.0",
            "variant": variant,
            "requirements": {"runtime": "onnx"},
            "status": "active",
        },
        "input": {"max_tokens": 16, "window_overlap": 4},
        "outputs": {
            "binary": {
                "tensor": "binary",
                "labels": ["benign", "threat"],
                "threat_labels": ["threat"],
                "threshold": 0.5,
            },
            "family": {"tensor": "family", "labels": list(FAMILIES)},
            "subfamily": {"tensor": "family", "labels": ["PI/override", "PII/secret"]},
            "embedding": {"tensor": "binary"},
        },
        **manifest,
    }
    (folder / "manifest.json").write_text(json.dumps(content))
    (folder / "tokenizer.json").write_text(_tokenizer().to_str())
    (folder / "model.onnx").write_bytes(_graph().SerializeToString())
    return folder


def write_bundle(folder: Path, model_id: str = "v9.0_tiny", **manifest: Any) -> Path:
    """Write a bundle of the tiny model into ``folder``; returns its path."""
    source = write_source(folder / f".source_{model_id}", model_id, **manifest)
    path = folder / bundle_filename(model_id)
    path.write_bytes(pack(source)[1])
    return path


def _tokenizer() -> Tokenizer:
    vocabulary = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2} | {
        word: number for number, word in enumerate(WORDS, start=3)
    }
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return tokenizer


def _graph() -> onnx.ModelProto:
    """Logits = bias + sum over tokens of a table's rows: two binary columns, two of families."""
    table = np.zeros((3 + len(WORDS), 4), dtype=np.float32)
    for number, (word, weight) in enumerate(WORDS.items(), start=3):
        table[number, 1] = weight
        table[number, 2 + FAMILIES.index(FAMILY_OF.get(word, "PI"))] = weight
    bias = np.array([0, -5, 0, 0], dtype=np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("ReduceSum", ["rows", "axis"], ["sum"], keepdims=0),
        helper.make_node("Add", ["sum", "bias"], ["logits"]),
        helper.make_node("Split", ["logits", "split"], ["binary", "family"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2])
            for name in ("binary", "family")
        ],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(bias, "bias"),
            numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"),
            numpy_helper.from_array(np.array([2, 2], dtype=np.int64), "split"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
