"""Archives that a stranger might send, each made by changing a sound one."""

from __future__ import annotations

import io
import json
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

from raxe_core.bundle import pack

MANIFEST = {
    "format_version": 1,
    "metadata": {"model_id": "v1.0_x", "name": "X", "version": "1.0", "variant": "x"},
    "outputs": {"binary": {"tensor": "b", "labels": ["no", "yes"], "threat_labels": ["yes"]}},
}


def small_bundle(folder: Path) -> bytes:
    """A sound bundle of about a kilobyte, whose weights are no model."""
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(MANIFEST))
    (folder / "model.onnx").write_bytes(bytes(range(40)))
    (folder / "tokenizer.json").write_bytes(b"{}")
    return pack(folder)[1]


def archive(*members: tuple[str | zipfile.ZipInfo, bytes], comment: bytes = b"") -> bytes:
    """A ZIP file of these members."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as file:
        warnings.simplefilter("ignore", UserWarning)  # of names that stand twice
        for name, data in members:
            file.writestr(name, data)
        file.comment = comment
    return buffer.getvalue()


def linked() -> bytes:
    """A member that is a symbolic link."""
    info = zipfile.ZipInfo("a.json")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return archive((info, b"/etc/passwd"))


def compressed(method: int, size: int = 10) -> bytes:
    """A member of ``size`` zeros, compressed."""
    info = zipfile.ZipInfo("a.json")
    info.compress_type = method
    return archive((info, bytes(size)))


def encrypted() -> bytes:
    """A member with the flag of encryption, in both headers."""
    data = bytearray(archive(("a.json", b"{}")))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    return bytes(data)


def overlapping() -> bytes:
    """Two entries of the directory that share one stretch of bytes."""
    data = bytearray(archive(("a.json", b"{}"), ("b.json", b"{}")))
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = struct.pack("<I", 0)
    return bytes(data)


def renamed(old: bytes, new: bytes) -> bytes:
    """A member whose name, as bytes, is changed in both headers."""
    return archive((old.decode(), b"{}")).replace(old, new)


def lying_size() -> bytes:
    """A member that is longer than the directory says."""
    data = bytearray(compressed(zipfile.ZIP_DEFLATED, 100))
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 5)
    return bytes(data)


GOOD = ("a.json", b"{}")
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty file": (lambda: b"", "not a readable archive"),
    "no archive": (lambda: b"\x80\x04pickle" * 9, "not a readable archive"),
    "no member": (archive, "0 members"),
    "bytes before": (lambda: b"#!/bin/sh\n" + archive(GOOD), "bytes before or behind"),
    "bytes behind": (lambda: archive(GOOD) + b"\0", "archive"),
    "comment": (lambda: archive(GOOD, comment=b"hello"), "bytes before or behind"),
    "joined twice": (lambda: archive(GOOD) + archive(GOOD), "bytes before or behind"),
    "parent folder": (lambda: archive(("../a.json", b"")), "not a plain name"),
    "absolute": (lambda: archive(("/a.json", b"")), "not a plain name"),
    "backslash": (lambda: renamed(b"a_b.json", b"a\\b.json"), "not a plain name"),
    "cut by NUL": (lambda: renamed(b"a_b.json", b"a\0b.json"), "not a plain name"),
    "hidden": (lambda: archive((".a.json", b"")), "not a plain name"),
    "not ASCII": (lambda: archive(("á.json", b"")), "not a plain name"),
    "deep": (lambda: archive(("a/b/c/d.json", b"")), "not a plain name"),
    "twice": (lambda: archive(GOOD, GOOD), "stands twice"),
    "twice but for case": (lambda: archive(GOOD, ("A.JSON"[:1] + ".json", b"")), "stands twice"),
    "pickle": (lambda: archive(("a.pkl", b"")), "kind that bundles may not hold"),
    "code": (lambda: archive(("a.py", b"")), "kind that bundles may not hold"),
    "65 members": (lambda: archive(*((f"a{n}.txt", b"") for n in range(65))), "65 members"),
    "link": (linked, "not a regular file"),
    "encrypted": (encrypted, "encrypted"),
    "overlapping": (overlapping, "archive"),
    "unknown method": (lambda: compressed(zipfile.ZIP_BZIP2), "unknown method"),
    "bomb": (lambda: compressed(zipfile.ZIP_DEFLATED, 1 << 20), "200 times its size"),
    "longer than declared": (lying_size, "archive|size|member"),
    "other local name": (
        lambda: archive(GOOD).replace(b"a.json", b"b.json", 1),
        "member|archive",
    ),
}
