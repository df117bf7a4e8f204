"""Archives that a stranger might send, each made by changing a sound one."""

from __future__ import annotations

import io
import json
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

from hostile.case import Case, archive, bundle, placed
from raxe_core.bundle import pack

MANIFEST = {
    "format_version": 1,
    "metadata": {"model_id": "v1.0_x", "name": "X", "version": "1.0", "variant": "x"},
    "outputs": {"binary": {"tensor": "b", "labels": ["no", "yes"], "threat_labels": ["yes"]}},
}


def small_bundle(folder: Path, weights: bytes = bytes(range(40))) -> bytes:
    """A sound bundle of about a kilobyte, whose weights are no model."""
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(MANIFEST))
    (folder / "model.onnx").write_bytes(weights)
    (folder / "tokenizer.json").write_bytes(b"{}")
    return pack(folder)[1]


def of_mode(mode: int) -> bytes:
    """A member that is a link, a pipe or a device."""
    info = zipfile.ZipInfo("a.json")
    info.create_system = 3
    info.external_attr = (mode | 0o777) << 16
    return archive((info, b"/etc/passwd"))


def compressed(method: int, size: int = 10) -> bytes:
    """A member of ``size`` zeros, compressed."""
    info = zipfile.ZipInfo("a.json")
    info.compress_type = method
    return archive((info, bytes(size)))


def flagged(flag: int) -> bytes:
    """A member with this flag (encryption, patch data), in both headers."""
    data = bytearray(archive(("a.json", b"{}")))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= flag
    return bytes(data)


def changed(signature: bytes, offset: int, layout: str, value: int) -> bytes:
    """A sound archive with one number in a header replaced."""
    data = bytearray(archive(GOOD, ("b.json", b"{}")))
    struct.pack_into(layout, data, data.index(signature) + offset, value)
    return bytes(data)


def with_gap() -> bytes:
    """Bytes between two members, which no entry names; the directory is right."""
    first, both = archive(GOOD), bytearray(archive(GOOD, ("b.json", b"{}")))
    gap, start = b"hidden", first.index(b"PK\x01\x02")
    both[start:start] = gap
    entry = both.rindex(b"PK\x01\x02")
    struct.pack_into("<I", both, entry + 42, start + len(gap))
    struct.pack_into("<I", both, len(both) - 6, both.index(b"PK\x01\x02"))
    return bytes(both)


def long_directory() -> bytes:
    """Ten thousand entries, and an end record that admits to one."""
    data = bytearray(archive(*((f"a{n}.txt", b"") for n in range(10_000))))
    struct.pack_into("<HH", data, len(data) - 14, 1, 1)
    return bytes(data)


def shared_local_header() -> bytes:
    """An entry whose local header hides the next member in its extra field."""
    data = bytearray(archive(("a.json", b"{}"), ("b.json", b"{}")))
    struct.pack_into("<H", data, 28, 38)
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


MANIFEST_BYTES = json.dumps(MANIFEST).encode()
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
    "link": (lambda: of_mode(stat.S_IFLNK), "not a regular file"),
    "pipe": (lambda: of_mode(stat.S_IFIFO), "not a regular file"),
    "device": (lambda: of_mode(stat.S_IFCHR), "not a regular file"),
    "encrypted": (lambda: flagged(1), "encrypted"),
    "patch data": (lambda: flagged(0x20), "encrypted"),
    "strongly encrypted": (lambda: flagged(0x40), "encrypted"),
    "overlapping": (overlapping, "archive"),
    "unknown method": (lambda: compressed(zipfile.ZIP_BZIP2), "unknown method"),
    "bomb": (lambda: compressed(zipfile.ZIP_DEFLATED, 1 << 20), "200 times its size"),
    "longer than declared": (lying_size, "archive|size|member"),
    "shorter than declared": (lambda: changed(b"PK\x01\x02", 24, "<I", 300), "size|member"),
    "an exabyte": (lambda: changed(b"PK\x01\x02", 24, "<I", 0xFFFFFFFF), "archive"),
    "wrong checksum": (lambda: changed(b"PK\x01\x02", 16, "<I", 5), "CRC"),
    "offset behind the end": (lambda: changed(b"PK\x01\x02", 42, "<I", 1 << 30), "overlaps"),
    "empty directory": (lambda: changed(b"PK\x05\x06", 12, "<I", 0), "end record"),
    "directory elsewhere": (lambda: changed(b"PK\x05\x06", 16, "<I", 0), "end record"),
    "several disks": (lambda: changed(b"PK\x05\x06", 4, "<H", 3), "several disks"),
    "newer zip version": (lambda: changed(b"PK\x01\x02", 6, "<H", 99), "version"),
    "zip64 marks": (lambda: changed(b"PK\x05\x06", 16, "<I", 0xFFFFFFFF), "end record"),
    "local header without mark": (lambda: changed(b"PK\x03\x04", 0, "<I", 0), "before"),
    "gap": (with_gap, "leaves a gap"),
    "long directory": (long_directory, "directory"),
    "member in an extra field": (shared_local_header, "overlaps|gap"),
    "bundle in a bundle": (lambda: archive(("a.raxe", archive(GOOD))), "kind that bundles may not"),
    "folder with content": (lambda: archive(("a/", b"x")), "has content"),
    "drive letter": (lambda: renamed(b"a_b.json", b"C:b.json"), "not a plain name"),
    "escape in the name": (lambda: renamed(b"a_b.json", b"a\x1bb.json"), "not a plain name"),
    "newline in the name": (lambda: renamed(b"a_b.json", b"a\nb.json"), "not a plain name"),
    "not UTF-8 name": (lambda: renamed(b"a_b.json", b"a\xffb.json"), "not a plain name"),
    "name of 300 letters": (lambda: archive(("a" * 300 + ".json", b"")), "not a plain name"),
    "lzma": (lambda: compressed(zipfile.ZIP_LZMA), "unknown method"),
    "other local name": (
        lambda: archive(GOOD).replace(b"a.json", b"b.json", 1),
        "member|archive",
    ),
}


def deflated(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    """A ZIP file of these members, compressed."""
    infos = []
    for name, data in members:
        info = zipfile.ZipInfo(str(name))
        info.compress_type = zipfile.ZIP_DEFLATED
        infos.append((info, data))
    return archive(*infos)


def streamed(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    """A ZIP file as a program writes it that cannot seek: sizes stand behind the members."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as file:
        for name, data in members:
            file.writestr(name, data)
    return pipe.getvalue()


def in_folders(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    """A ZIP file with entries of its folders."""
    return archive(members[0], ("docs/", b""), *members[1:])


CONTROLS: dict[str, Callable[[], bytes]] = {
    "stored": bundle,
    "deflated": lambda: bundle(pack=deflated),
    "streamed": lambda: bundle(pack=streamed),
    "entries of folders": lambda: bundle(pack=in_folders),
    "members in folders": lambda: bundle(files={"docs/de/card-1.0.md": b"# Karte"}),
}
BUNDLES: dict[str, Callable[[], bytes]] = {
    "truncated": lambda: bundle()[:-40],
    "half": lambda: bundle()[: len(bundle()) // 2],
    "member behind the manifest's list": lambda: archive(
        ("manifest.json", MANIFEST_BYTES), ("model.onnx", b"")
    ),
    "manifest in a folder": lambda: archive(("x/manifest.json", MANIFEST_BYTES)),
    "large bomb": lambda: bundle(files={"a.txt": bytes(8 << 20)}, pack=deflated),
}
CASES = [
    *(Case("archive", name, placed(make), "reject", "") for name, (make, _) in HOSTILE.items()),
    *(Case("archive", name, placed(make)) for name, make in BUNDLES.items()),
    *(Case("archive", name, placed(make), "accept") for name, make in CONTROLS.items()),
]
