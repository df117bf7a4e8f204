"""The one reader of ZIP files, for archives that come from strangers.

Only the plainest form is read: a handful of regular files, stored or deflated, that do not overlap,
with nothing before, between or behind them. Nothing is ever extracted to disk.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO

from raxe_core.files import digest_of, open_regular

__all__ = ["ALLOWED_SUFFIXES", "MAX_BYTES", "MEMBER_NAME", "Archive", "ArchiveError"]

ALLOWED_SUFFIXES = (".onnx", ".safetensors", ".json", ".txt", ".md")
# At most three folders deep; each part starts with a letter or digit.
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
MEMBER_NAME = re.compile(rf"(?:{_PART}/){{0,2}}{_PART}")
MAX_BYTES = 4 << 30
MAX_MEMBERS = 64
MAX_RATIO = 200
_END_RECORD_BYTES = 22

# What zipfile raises on broken archives; it wraps only some of it in BadZipFile.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


class ArchiveError(Exception):
    """The archive cannot be read, or breaks a rule; the message is the reason alone."""


class Archive:
    """An open archive: ``sizes`` maps each member's name to its size in bytes.

    The file is opened once, so what is hashed and what is read are the same file.

    Raises:
        ArchiveError: not readable, not a ZIP, or not of the plain form.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file: IO[bytes] = os.fdopen(open_regular(path, MAX_BYTES), "rb")
        except OSError as error:
            raise ArchiveError(f"cannot be read: {error.strerror or error}") from None
        try:
            self._zip = zipfile.ZipFile(self._file)
            self.sizes = self._checked_directory()
        except _ZIP_ERRORS as error:
            self._file.close()
            raise ArchiveError(f"not a readable archive: {error}") from None

    def close(self) -> None:
        """Close the file."""
        self._zip.close()
        self._file.close()

    def read(self, name: str) -> bytes:
        """Return the bytes of a member, exactly as many as ``sizes`` says.

        Raises:
            ArchiveError: damaged, or more or fewer bytes than declared.
        """
        size = self.sizes[name]
        try:
            with self._zip.open(name) as member:
                data = member.read(size + 1)
        except _ZIP_ERRORS as error:
            raise ArchiveError(f"member {name!r} cannot be read: {error}") from None
        if len(data) != size:
            raise ArchiveError(f"member {name!r} does not have its declared size")
        return data

    def digest(self) -> str:
        """Return ``sha256:`` and the hex digest of the whole file."""
        return digest_of(self._file)

    def _checked_directory(self) -> dict[str, int]:
        infos = self._zip.infolist()
        if not 1 <= len(infos) <= MAX_MEMBERS:
            raise ValueError(f"{len(infos)} members, allowed are 1 to {MAX_MEMBERS}")
        if not self._is_one_plain_archive():
            raise ValueError("bytes before or behind the archive, or a damaged end record")
        if sum(info.file_size for info in infos) > MAX_BYTES:
            raise ValueError(f"unpacks to more than {MAX_BYTES:,} bytes")
        names: set[str] = set()
        for info in infos:
            _check_entry(info)
            folded = info.filename.casefold()
            if folded in names:
                raise ValueError(f"member {info.filename!r} stands twice")
            names.add(folded)
        _check_no_overlap(infos, self._zip.start_dir)
        return {info.filename: info.file_size for info in infos if not info.is_dir()}

    def _is_one_plain_archive(self) -> bool:
        """The first member starts the file, and the end record ends it."""
        self._file.seek(0)
        starts = self._file.read(4) == b"PK\x03\x04"
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(max(0, size - _END_RECORD_BYTES))
        record = self._file.read()
        if not starts or len(record) != _END_RECORD_BYTES or record[:4] != b"PK\x05\x06":
            return False
        length, start = struct.unpack("<II", record[12:20])
        ends = start + length + _END_RECORD_BYTES == size
        return bool(ends and start == self._zip.start_dir)


def _check_entry(info: zipfile.ZipInfo) -> None:
    """Refuse an entry that is anything but a plain file or a folder."""
    name = info.filename
    if info.orig_filename != name or not MEMBER_NAME.fullmatch(name.removesuffix("/")):
        raise ValueError(f"member name {info.orig_filename[:80]!r} is not a plain name")
    if info.is_dir():
        if info.file_size:
            raise ValueError(f"folder {name!r} has content")
    elif not name.endswith(ALLOWED_SUFFIXES):
        raise ValueError(f"member {name!r} is of a kind that bundles may not hold")
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
        raise ValueError(f"member {name!r} is not a regular file")
    if info.flag_bits & ~0x80E:  # deflate options, data descriptor, UTF-8 name
        raise ValueError(f"member {name!r} is encrypted or uses an unknown feature")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"member {name!r} is compressed by an unknown method")
    if info.file_size > MAX_RATIO * max(info.compress_size, 1):
        raise ValueError(f"member {name!r} unpacks to more than {MAX_RATIO} times its size")


def _check_no_overlap(infos: list[zipfile.ZipInfo], end: int) -> None:
    """Refuse entries that share bytes; Python before 3.11.8 and 3.12.2 does not."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    following = [info.header_offset for info in ordered[1:]] + [end]
    for info, limit in zip(ordered, following, strict=True):
        if info.header_offset + 30 + len(info.filename) + info.compress_size > limit:
            raise ValueError(f"member {info.filename!r} overlaps another")
