"""Case: one thing that a stranger might leave in somebody's folders, and what must become of it."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
from tiny_model import write_source

from raxe_core.discovery import bundle_filename

BAD = "v1.0_bad"


@attrs.frozen
class Case:
    """``build`` leaves it in the home folder ``$RAXE_HOME`` that it is given.

    ``expect`` is ``reject`` (listed as invalid or refused by validate, with its reason),
    ``accept``, ``reject-or-safe``, ``isolated`` (a plugin: named, and out of work) or
    ``error-or-handled`` (a clear error, or a result).
    """

    family: str
    name: str
    build: Callable[[Path], object]
    expect: str = "reject"
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.family}: {self.name}"


def archive(*members: tuple[str | zipfile.ZipInfo, bytes], comment: bytes = b"") -> bytes:
    """A ZIP file of these members."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as file:
        warnings.simplefilter("ignore", UserWarning)  # of names that stand twice
        for name, data in members:
            file.writestr(name, data)
        file.comment = comment
    return buffer.getvalue()


@functools.cache
def tiny_files() -> Mapping[str, bytes]:
    """The files of the tiny model's bundle: a working ONNX graph and a working tokenizer."""
    with tempfile.TemporaryDirectory() as folder:
        source = write_source(Path(folder), BAD)
        return {path.name: path.read_bytes() for path in sorted(source.iterdir())}


def bundle(
    manifest: Any = None,
    files: Mapping[str, bytes] | None = None,
    pack: Callable[..., bytes] = archive,
) -> bytes:
    """A bundle of the tiny model, with another manifest (bytes are taken as they are) or files.

    The manifest lists the members with their true sizes and digests, as a careful attacker would.
    """
    good = dict(tiny_files())
    base = json.loads(good.pop("manifest.json"))
    members = {**good, **(files or {})}
    if not isinstance(manifest, bytes):
        listed = [
            {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            for name, data in members.items()
        ]
        manifest = json.dumps({**base, "members": listed, **(manifest or {})}).encode()
    return pack(("manifest.json", manifest), *members.items())


def place(home: Path, data: bytes, model_id: str = BAD) -> Path:
    """Leave a bundle in the drop-in folder."""
    path = home / "models" / bundle_filename(model_id)
    path.write_bytes(data)
    return path


def placed(make: Callable[[], bytes]) -> Callable[[Path], object]:
    """A build that leaves the bundle that ``make`` makes."""
    return lambda home: place(home, make())


def sidecar(data: bytes, name: str = BAD) -> Callable[[Path], object]:
    """A build that leaves a sound bundle with this sidecar."""

    def build(home: Path) -> None:
        place(home, bundle())
        path = home / "models" / "metadata" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    return build
