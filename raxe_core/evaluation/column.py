"""Column: one figure of every prompt. Many of them lie in a file, so memory does not grow."""

from __future__ import annotations

import itertools
import mmap
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any, TypeVar, overload

from raxe_core.errors import RaxeError

__all__ = ["Column"]

IN_MEMORY = 1 << 16
READ = 1 << 10
N = TypeVar("N", int, float)


class Column(Sequence[N]):
    """Numbers of one ``array`` type code, which are appended and then read.

    Up to ``IN_MEMORY`` of them are an array. More go to a file without a name in the temporary
    folder: reading in order holds ``READ`` of them in memory, any other access maps the file.

    Raises:
        RaxeError: from what adds values: the temporary folder is full or cannot be written.
    """

    def __init__(self, typecode: str, values: Iterable[N] = ()) -> None:
        self._tail: array[N] = array(typecode)
        self._file: IO[bytes] | None = None
        self._mapped: Sequence[N] | None = None
        self._stored = 0
        self.extend(values)

    def append(self, value: N) -> None:
        """Add a value."""
        self._tail.append(value)
        if len(self._tail) == IN_MEMORY:
            self._store()

    def extend(self, values: Iterable[N]) -> None:
        """Add values."""
        iterator = iter(values)
        while True:
            self._tail.extend(itertools.islice(iterator, IN_MEMORY - len(self._tail)))
            if len(self._tail) < IN_MEMORY:
                return
            self._store()

    def __len__(self) -> int:
        return self._stored + len(self._tail)

    def __iter__(self) -> Iterator[N]:
        return self.part(0, len(self))

    @overload
    def __getitem__(self, index: int) -> N: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[N]: ...
    def __getitem__(self, index: int | slice) -> N | Sequence[N]:
        return self.view()[index]

    def part(self, start: int, stop: int) -> Iterator[N]:
        """Yield the values from ``start`` until ``stop``, in order."""
        file = self._file
        if file is None:
            return itertools.islice(self._tail, start, stop)
        self._store()
        starts = range(start, min(stop, self._stored), READ)
        chunks = (self._read(file, i, min(i + READ, stop)) for i in starts)
        return itertools.chain.from_iterable(chunks)

    def view(self) -> Sequence[N]:
        """Return the values for access in any order, quicker than the column's own."""
        if self._file is None:
            return self._tail
        self._store()
        if self._mapped is None:
            values: Any = memoryview(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ))
            self._mapped = values.cast(self._tail.typecode)
        return self._mapped

    def _store(self) -> None:
        """Move what is in memory to the file."""
        if not self._tail:
            return
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115  # as long-lived as the column
                weakref.finalize(self, self._file.close)
            self._file.seek(self._stored * self._tail.itemsize)
            self._file.write(self._tail)
            self._file.flush()
        except OSError as error:
            raise RaxeError(
                "The temporary folder cannot hold the figures of so many prompts: "
                f"{error.strerror or error}. Make room, or name another folder in TMPDIR."
            ) from None
        self._stored += len(self._tail)
        self._tail = self._tail[:0]
        self._mapped = None

    def _read(self, file: IO[bytes], start: int, stop: int) -> array[N]:
        values = self._tail[:0]
        file.seek(start * values.itemsize)
        values.frombytes(file.read((stop - start) * values.itemsize))
        return values
