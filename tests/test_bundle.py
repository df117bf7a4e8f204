"""A damaged bundle is noticed, wherever the damage is; packing is deterministic."""

from __future__ import annotations

import io
import json
import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hostile.archives import MANIFEST, small_bundle
from hostile.case import archive
from hypothesis import given, settings
from hypothesis import strategies as st

from raxe_core.bundle import Bundle, pack
from raxe_core.errors import BundleError, InvalidModelError, MetadataError


def content_of(path: Path) -> dict[str, bytes]:
    """Open and verify; returns the members."""
    with Bundle(path) as bundle:
        bundle.verify()
        return {member.name: bundle.read(member.name) for member in bundle.manifest.members}


def outcome(path: Path, data: bytes) -> dict[str, bytes] | None:
    """The members of a bundle with these bytes, or None where it is refused as broken."""
    path.write_bytes(data)
    try:
        return content_of(path)
    except InvalidModelError:
        return None


def test_every_flipped_byte_is_refused_or_harmless(tmp_path: Path) -> None:
    data, path = small_bundle(tmp_path / "source"), tmp_path / "a.raxe"
    sound = outcome(path, data)
    assert sound is not None
    refused = 0
    for offset in range(len(data)):
        changed = bytearray(data)
        changed[offset] ^= 1 << offset % 8
        found = outcome(path, bytes(changed))
        assert found in (None, sound), f"byte {offset}"
        refused += found is None
    assert refused > 0.9 * len(data)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    data, path = small_bundle(tmp_path / "source"), tmp_path / "a.raxe"
    for length in range(len(data)):
        assert outcome(path, data[:length]) is None, f"{length} bytes"


def deflated(data: bytes) -> bytes:
    """The same bundle, its members compressed."""
    source, target = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name in source.namelist():
            file.writestr(name, source.read(name))
    return target.getvalue()


@pytest.mark.parametrize("size", [0, 300_000])
@pytest.mark.parametrize("form", [bytes, deflated])
def test_a_copy_has_the_bytes_of_the_member(
    tmp_path: Path, form: Callable[[bytes], bytes], size: int
) -> None:
    path, weights = tmp_path / "a.raxe", random.Random(0).randbytes(size)
    path.write_bytes(form(small_bundle(tmp_path / "source", weights)))
    with Bundle(path) as bundle:
        for member in bundle.manifest.members:
            with (tmp_path / member.name).open("w+b") as file:
                bundle.copy(member.name, file.fileno())
            assert (tmp_path / member.name).read_bytes() == bundle.read(member.name)


def test_a_copy_of_other_bytes_is_refused(tmp_path: Path) -> None:
    path, weights = tmp_path / "a.raxe", bytes(range(40))
    path.write_bytes(small_bundle(tmp_path / "source", weights).replace(weights, bytes(40)))
    with Bundle(path) as bundle, (tmp_path / "out").open("w+b") as file:
        with pytest.raises(BundleError, match=r"'model\.onnx' does not have the SHA-256"):
            bundle.copy("model.onnx", file.fileno())
        with pytest.raises(BundleError, match=r"has no member 'other\.onnx'"):
            bundle.copy("other.onnx", file.fileno())


@settings(max_examples=60)
@given(st.data())
def test_bundle_with_random_damage_never_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    sound = small_bundle(folder / "source")
    start = data.draw(st.integers(0, len(sound)))
    length = data.draw(st.integers(0, 40))
    damaged = sound[:start] + data.draw(st.binary(max_size=40)) + sound[start + length :]
    path = folder / "a.raxe"
    found = outcome(path, damaged)
    assert found is None or found == outcome(path, sound)


def test_packing_is_deterministic(tmp_path: Path) -> None:
    first = small_bundle(tmp_path / "one")
    for path in (tmp_path / "one").iterdir():
        os.utime(path, (1, 1))
        path.chmod(0o600)
    assert pack(tmp_path / "one")[1] == first == small_bundle(tmp_path / "two")


def test_pack_and_open_agree(tmp_path: Path) -> None:
    path = tmp_path / "a.raxe"
    path.write_bytes(small_bundle(tmp_path / "source"))
    with Bundle(path) as bundle:
        assert bundle.manifest == pack(tmp_path / "source")[0]
        assert bundle.has("model.onnx")
        assert not bundle.has("model.safetensors")
        with pytest.raises(BundleError, match=r"has no member 'model\.safetensors'"):
            bundle.read("model.safetensors")
    assert content_of(path) == {"model.onnx": bytes(range(40)), "tokenizer.json": b"{}"}


def member(name: str, sha256: str = "0" * 64, size: int = 2) -> dict[str, Any]:
    """An entry of the manifest's list of members."""
    return {"name": name, "sha256": sha256, "size": size}


@pytest.mark.parametrize(
    ("members", "files", "reason"),
    [
        ([], ["a.json"], "'a.json' is not listed in the manifest"),
        ([member("a.json")], [], "'a.json' is missing"),
        ([member("a.json")] * 2, ["a.json"], "lists a member twice"),
        ([member("a.json", size=3)], ["a.json"], "'a.json' does not have the size"),
        ([member("a.json")], ["a.json"], "'a.json' does not have the SHA-256"),
    ],
)
def test_members_must_be_those_of_the_manifest(
    tmp_path: Path, members: list[dict[str, Any]], files: list[str], reason: str
) -> None:
    manifest = json.dumps({**MANIFEST, "members": members}).encode()
    path = tmp_path / "a.raxe"
    path.write_bytes(archive(("manifest.json", manifest), *((name, b"{}") for name in files)))
    with pytest.raises(BundleError, match=reason) as error:
        content_of(path)
    assert str(path) in str(error.value)
    assert "Get the file again" in str(error.value)


@pytest.mark.parametrize(
    ("manifest", "error", "reason"),
    [
        (None, BundleError, "has no manifest.json"),
        (b"{", MetadataError, "at line 1, column 2"),
        (b"[]", MetadataError, r"\$"),
        (b'{"format_version": 2}', MetadataError, r"\$.format_version is 2, this raxe reads 1"),
        (b" " * 300_000, BundleError, "manifest.json is larger than 262,144 bytes"),
    ],
)
def test_manifest_that_cannot_be_used(
    tmp_path: Path, manifest: bytes | None, error: type[Exception], reason: str
) -> None:
    path = tmp_path / "a.raxe"
    files = [("a.json", b"{}")] if manifest is None else [("manifest.json", manifest)]
    path.write_bytes(archive(*files))
    with pytest.raises(error, match=reason):
        content_of(path)


@pytest.mark.parametrize(
    ("name", "kind"), [("model.pkl", "file"), (".hidden.json", "file"), ("deep.json", "folder")]
)
def test_pack_refuses_what_bundles_may_not_hold(tmp_path: Path, name: str, kind: str) -> None:
    small_bundle(tmp_path / "source")
    stray = tmp_path / "source" / name
    stray.mkdir() if kind == "folder" else stray.write_bytes(b"")
    with pytest.raises(BundleError, match=name):
        pack(tmp_path / "source")


def test_pack_without_a_manifest_names_it(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json: cannot be read: No such file"):
        pack(tmp_path)
