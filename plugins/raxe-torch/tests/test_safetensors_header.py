"""The header check of the core, against the library that it stands before."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from raxe_core import ModelLoadError
from raxe_core.safetensors_header import TensorInfo, read_safetensors_header

GOOD = save({"a": torch.zeros(2, 3), "b": torch.zeros(4, dtype=torch.int64), "c": torch.zeros(())})
A = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
B = {"dtype": "U8", "shape": [4], "data_offsets": [8, 12]}


def file_of(header: Any, size: int = 12) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(size)


def test_tensors_are_read_by_name() -> None:
    assert read_safetensors_header(GOOD, "x") == {
        "a": TensorInfo("F32", (2, 3)),
        "b": TensorInfo("I64", (4,)),
        "c": TensorInfo("F32", ()),
    }
    assert set(
        read_safetensors_header(file_of({"__metadata__": {"format": "pt"}, "a": A, "b": B}), "x")
    ) == {
        "a",
        "b",
    }


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "length does not fit"),
        (b"\x01\x00\x00", "length does not fit"),
        ((1 << 63).to_bytes(8, "little") + bytes(9), "length does not fit"),
        (GOOD[:60], "length does not fit"),
        (GOOD[:-1], "the tensors end at byte"),
        (GOOD + b"\x00", "the tensors end at byte"),
        (file_of(b"[]"), "not a JSON object"),
        (file_of(b"{"), "line 1"),
        (file_of(b'{"a": 1, "a": 2}'), "stands twice"),
        (file_of(b'\xff{"a": 1}'), "not UTF-8"),
        (file_of({"__metadata__": {"a": 1}}), "__metadata__"),
        (file_of({"a": 5}), "alone"),
        (file_of({"a": {**A, "more": 1}}), "alone"),
        (file_of({"a": {**A, "dtype": "F31"}}), "unknown dtype 'F31'"),
        (file_of({"a": {**A, "dtype": ["F32"]}}), "unknown dtype"),
        (file_of({"a": {**A, "shape": [-2]}}), "not a list of sizes"),
        (file_of({"a": {**A, "shape": [2.0]}}), "not a list of sizes"),
        (file_of({"a": {**A, "shape": [True, True]}}), "not a list of sizes"),
        (file_of({"a": {**A, "shape": [1] * 9}}), "not a list of sizes"),
        (file_of({"a": {**A, "data_offsets": [8]}}), "not two positions"),
        (file_of({"a": {**A, "data_offsets": [8, 0]}}), "does not have the bytes"),
        (file_of({"a": {**A, "shape": [3]}, "b": B}), "does not have the bytes"),
        (file_of({"a": {**A, "shape": [1 << 40, 1 << 40]}}), "does not have the bytes"),
        (file_of({"a": A, "b": {**B, "data_offsets": [4, 8]}}), "overlap, or leave a gap"),
        (file_of({"b": B}), "overlap, or leave a gap"),
        (file_of({"a": A}), "the tensors end at byte 8, the file has 12"),
        (file_of({}), "the tensors end at byte 0"),
    ],
)
def test_anything_else_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(ModelLoadError, match=f"^Model m: w.safetensors: .*{why}"):
        read_safetensors_header(data, "Model m: w.safetensors")


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255), st.booleans())
def test_what_is_accepted_the_library_reads_alike(place: int, change: int, cut: bool) -> None:
    data = bytearray(GOOD)
    data[place] ^= change
    file = bytes(data[:place] if cut else data)
    try:
        header = read_safetensors_header(file, "x")
    except ModelLoadError:
        return
    tensors = load(file)
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == {
        name: info.shape for name, info in header.items()
    }
