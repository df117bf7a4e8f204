"""The header of a safetensors file, checked before any library reads the file.

A file is eight bytes with the header's length, the header (JSON), and the bytes of the tensors
without a gap. Readers differ in what else they accept, so nothing else is accepted here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs

from raxe_core.errors import ModelLoadError
from raxe_core.strict_json import parse_json

__all__ = ["TensorInfo", "read_safetensors_header"]

MAX_HEADER_BYTES = 8 << 20
MAX_DIMENSIONS = 8
_ITEM_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}


@attrs.frozen
class TensorInfo:
    """One tensor: its element type as the format writes it (``F32``), and its shape."""

    dtype: str
    shape: tuple[int, ...]


def read_safetensors_header(data: bytes, where: str) -> dict[str, TensorInfo]:
    """Return the tensors of a safetensors file by name; ``where`` begins the error messages.

    Raises:
        ModelLoadError: the header is damaged, or does not describe exactly the bytes behind it.
    """
    try:
        return _read(data)
    except ValueError as error:
        raise ModelLoadError(f"{where}: {error}. Get the file again, or export it anew.") from None


def _read(data: bytes) -> dict[str, TensorInfo]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(len(data) - 8, MAX_HEADER_BYTES):
        raise ValueError("the header's length does not fit the file")
    header = parse_json(data[8 : 8 + length], limit=MAX_HEADER_BYTES)
    if not isinstance(header, dict) or data[8:9] != b"{":
        raise ValueError("the header is not a JSON object")
    notes = header.pop("__metadata__", {})
    if not isinstance(notes, dict) or not all(isinstance(note, str) for note in notes.values()):
        raise ValueError("__metadata__ is not an object of strings")
    tensors: dict[str, TensorInfo] = {}
    stretches: list[tuple[int, int]] = []
    for name, entry in header.items():
        tensors[name], stretch = _entry(name, entry)
        stretches.append(stretch)
    _check_contiguous(sorted(stretches), len(data) - 8 - length)
    return tensors


def _entry(name: str, entry: Any) -> tuple[TensorInfo, tuple[int, int]]:
    """Return a tensor and where its bytes begin and end."""
    if not isinstance(entry, Mapping) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"tensor {name!r} does not have dtype, shape and data_offsets alone")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _ITEM_BYTES:
        raise ValueError(f"tensor {name!r} has the unknown dtype {dtype!r}")
    if not _are_sizes(shape) or len(shape) > MAX_DIMENSIONS:
        raise ValueError(f"the shape of tensor {name!r} is not a list of sizes")
    if not _are_sizes(offsets) or len(offsets) != 2:
        raise ValueError(f"the data_offsets of tensor {name!r} are not two positions")
    if offsets[1] - offsets[0] != math.prod(shape) * _ITEM_BYTES[dtype]:
        raise ValueError(f"tensor {name!r} does not have the bytes of {dtype} {shape}")
    return TensorInfo(dtype, tuple(shape)), (offsets[0], offsets[1])


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _check_contiguous(stretches: list[tuple[int, int]], size: int) -> None:
    end = 0
    for begin, following in stretches:
        if begin != end:
            raise ValueError("the tensors overlap, or leave a gap")
        end = following
    if end != size:
        raise ValueError(f"the tensors end at byte {end:,}, the file has {size:,}")
