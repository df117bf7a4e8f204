"""Check the bytes of ``model.onnx`` before onnxruntime reads them.

ONNX is a protobuf, and a graph from a stranger may point to files outside the bundle, name
operators of foreign libraries, or lie about the size of its tensors. This walks the messages that
can hold such things, without a copy of the weights and without a library that would act on what it
reads. Only what :mod:`raxe_onnx.proto` lists is let through. What a graph costs to run cannot be
seen here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from mmap import mmap

from raxe_core import ModelLoadError
from raxe_onnx.proto import DOMAINS, ELEMENTS, MICROSOFT, SINGLE, TAGS, TYPED

__all__ = ["check_graph"]

MAX_PARTS = 1_000_000
MAX_DEPTH = 8
MAX_DIMENSIONS = 16
MAX_EXPANDED_NODES = 1_000_000

_Operator = tuple[str, str]


def check_graph(data: bytes | mmap, where: str) -> None:
    """Check a serialized ONNX model; ``where`` begins the error message.

    Raises:
        ModelLoadError: the bytes are no ONNX model, or hold what is not allowed.
    """
    try:
        _Walk(data).model()
    except _RefusedError as error:
        raise ModelLoadError(
            f"{where}: {error}. Export the model again, with its weights inside, or do not use it."
        ) from None


class _RefusedError(Exception):
    """Why the bytes are refused."""


class _Walk:
    """One walk over the bytes; fields are told by number and value, messages by their span."""

    def __init__(self, data: bytes | mmap) -> None:
        self._data = data
        self._parts = 0
        #: The operators that each function calls, and the graph's own under None.
        self._calls: dict[_Operator | None, list[_Operator]] = {None: []}

    def model(self) -> None:
        """Walk the whole model, then look at the operators that it calls."""
        seen = self._message("Model", 0, len(self._data), 0, self._calls[None])
        if 7 not in seen:
            raise _RefusedError("holds no graph; it is not an ONNX model")
        for called in self._calls.values():
            for operator in called:
                self._check_operator(*operator)
        self._check_functions()

    def _message(
        self, kind: str, start: int, end: int, depth: int, calls: list[_Operator]
    ) -> dict[int, tuple[int, int]]:
        """Walk a message; return the span of the last value of each field."""
        depth += kind == "Graph"
        if depth > MAX_DEPTH:
            raise _RefusedError(f"graphs are nested more than {MAX_DEPTH} deep")
        if kind == "Tensor":
            self._tensor(start, end)
            return {}
        own: list[_Operator] = [] if kind == "Function" else calls
        seen: dict[int, tuple[int, int]] = {}
        tags = TAGS[kind]
        for tag, _, begin, stop in self._fields(kind, start, end):
            number, within = tag >> 3, tags[tag]
            if within:
                if number in seen and (kind, number) in SINGLE:
                    raise _RefusedError(f"a {kind} holds two of field {number}, which stands once")
                self._message(within, begin, stop, depth, own)
            seen[number] = (begin, stop)
        if kind == "Node":
            calls.append((self._text(seen.get(7)), self._text(seen.get(4))))
        elif kind == "Function":
            name = (self._text(seen.get(10)), self._text(seen.get(1)))
            if name in self._calls or name[0] in (*DOMAINS, "com.microsoft"):
                raise _RefusedError(f"function {name[1]!r} takes the name of another operator")
            self._calls[name] = own
        return seen

    def _fields(self, kind: str, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield each field: its tag, its varint (else 0), and where its bytes begin and end."""
        tags, at = TAGS[kind], start
        while at < end:
            self._parts += 1
            if self._parts > MAX_PARTS:
                raise _RefusedError(f"has more than {MAX_PARTS:,} parts")
            tag, begin = self._varint(at, end)
            if tag not in tags:
                raise _RefusedError(
                    f"byte {at:,} is no field of {kind}: the file is damaged, of another kind, or "
                    "of a newer ONNX"
                )
            value, wire = 0, tag & 7
            if wire == 0:
                value, at = self._varint(begin, end)
            elif wire == 2:
                length, begin = self._varint(begin, end)
                at = begin + length
            else:
                at = begin + (4 if wire == 5 else 8)
            if at > end:
                raise _RefusedError(f"a {kind} is cut off")
            yield tag, value, begin, at

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        data, value = self._data, 0
        if at < end and data[at] < 128:
            return data[at], at + 1
        for shift in range(0, 70, 7):
            if at >= end:
                raise _RefusedError("a number is cut off")
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                if value >> 64:
                    break
                return value, at
        raise _RefusedError(f"the number before byte {at:,} has more than 64 bits")

    def _text(self, span: tuple[int, int] | None) -> str:
        begin, stop = span or (0, 0)
        return self._data[begin : min(stop, begin + 200)].decode("utf-8", "replace")

    def _tensor(self, start: int, end: int) -> None:
        """Check that a tensor's bytes are here, and as many as its shape says."""
        shape: list[int] = []
        kind = raw = name = None
        held = dict.fromkeys(TYPED, 0)
        for tag, value, begin, stop in self._fields("Tensor", start, end):
            number = tag >> 3
            if number == 1:
                shape += self._numbers(begin, stop)
            elif number == 2:
                kind = value
            elif number == 8:
                name = (begin, stop)
            elif number == 9:
                raw = stop - begin
            elif number == 13 or (number == 14 and value):
                raise _RefusedError(
                    f"tensor {self._text(name)!r} has its data in a file outside the bundle"
                )
            elif number == 3:
                raise _RefusedError(f"tensor {self._text(name)!r} is one segment of a larger one")
            elif number in held:
                held[number] += self._count(number, begin, stop)
        self._check_size(self._text(name), shape, kind, raw, held)

    def _numbers(self, begin: int, stop: int) -> list[int]:
        """Return the varints of a span: one, or several that are packed."""
        numbers = []
        while begin < stop:
            number, begin = self._varint(begin, stop)
            numbers.append(number)
        return numbers

    def _count(self, number: int, begin: int, stop: int) -> int:
        """Return how many elements a field of typed data holds."""
        if number == 6:
            return 1
        if number in (4, 10):
            width = 4 if number == 4 else 8
            return -(-(stop - begin) // width)
        # Each varint ends with the one byte of it that is below 128.
        return len(self._data[begin:stop].translate(None, bytes(range(128, 256))))

    def _check_size(
        self, name: str, shape: list[int], kind: int | None, raw: int | None, held: dict[int, int]
    ) -> None:
        where = f"tensor {name!r}"
        if kind not in ELEMENTS:
            raise _RefusedError(f"{where} has the unknown data type {kind}")
        if len(shape) > MAX_DIMENSIONS or any(size >> 63 for size in shape):
            raise _RefusedError(
                f"the shape of {where} is not a list of up to {MAX_DIMENSIONS} sizes"
            )
        bits, field = ELEMENTS[kind]
        count = math.prod(shape)
        packed = -(-count * bits // 8)
        wanted = packed if raw is not None else packed if 0 < bits < 8 else count
        found = raw if raw is not None else held.pop(field)
        if found != wanted or (raw is not None and not bits) or any(held.values()):
            unit = "elements" if raw is None else "bytes"
            raise _RefusedError(
                f"{where} of shape {shape} should hold {wanted:,} {unit} and holds {found:,}, or "
                "data of another type beside them"
            )

    def _check_operator(self, domain: str, name: str) -> None:
        known = domain in DOMAINS or (domain == "com.microsoft" and name in MICROSOFT)
        if not known and (domain, name) not in self._calls:
            raise _RefusedError(f"operator {name!r} of {domain!r} is not one that is run here")

    def _check_functions(self) -> None:
        """Refuse functions that call themselves, or that unfold to more nodes than is sane."""
        sizes: dict[_Operator | None, int] = {}
        path: list[_Operator | None] = []

        def size(function: _Operator | None) -> int:
            if function in path or len(path) > MAX_DEPTH:
                raise _RefusedError("functions call each other in a circle, or too deeply")
            if function not in sizes:
                path.append(function)
                sizes[function] = sum(
                    size(operator) if operator in self._calls else 1
                    for operator in self._calls[function]
                )
                path.pop()
            return sizes[function]

        if any(size(function) > MAX_EXPANDED_NODES for function in list(self._calls)):
            raise _RefusedError(f"its functions unfold to over {MAX_EXPANDED_NODES:,} nodes")
