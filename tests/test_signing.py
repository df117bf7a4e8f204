"""Signatures: what they cover, and that nothing else passes for one."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_model import write_bundle

pytest.importorskip("model_signing", reason="needs the extra raxe-core[signing]")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from signing_keys import KeyPair, write_keys

from raxe_core.errors import UsageError
from raxe_core.signing import Signature, sign, signature_path, verify


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return write_keys(tmp_path_factory.mktemp("keys"), "alice")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return write_keys(tmp_path_factory.mktemp("keys"), "mallory")


@pytest.fixture
def bundle(tmp_path: Path, tiny_bundle: Path, keys: KeyPair) -> Path:
    """A signed bundle."""
    path = tmp_path / tiny_bundle.name
    shutil.copyfile(tiny_bundle, path)
    sign(path, keys.private, signature_path(path))
    return path


def judged(bundle: Path, keys: KeyPair, signature: Path | None = None) -> Signature:
    return verify(bundle, signature or signature_path(bundle), {"alice": keys.pem})


def rewrite(path: Path, change: Any) -> None:
    """Change the JSON of a signature in place."""
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("curve", ["secp256r1", "secp384r1", "secp521r1"])
def test_what_is_signed_is_verified(tmp_path: Path, tiny_bundle: Path, curve: str) -> None:
    pair = write_keys(tmp_path, "alice", curve)
    digest = sign(tiny_bundle, pair.private, tmp_path / "x.sig")
    found = judged(tiny_bundle, pair, tmp_path / "x.sig")
    assert found[:3] == ("verified", "alice", digest)
    assert str(found) == "signed by alice"


def test_the_digest_is_that_of_the_file(bundle: Path, keys: KeyPair) -> None:
    import hashlib

    expected = hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert judged(bundle, keys).digest == f"sha256:{expected}"


def test_of_several_keys_the_one_that_signed_is_named(
    bundle: Path, keys: KeyPair, stranger: KeyPair
) -> None:
    both = {"mallory": stranger.pem, "alice": keys.pem}
    assert verify(bundle, signature_path(bundle), both).key == "alice"


def test_a_missing_signature_is_told_apart(bundle: Path, keys: KeyPair) -> None:
    signature_path(bundle).unlink()
    assert judged(bundle, keys).status == "unsigned"


def test_another_key_does_not_verify(bundle: Path, stranger: KeyPair) -> None:
    assert judged(bundle, stranger).status == "unknown_key"


def test_a_changed_byte_does_not_verify(bundle: Path, keys: KeyPair) -> None:
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(data)
    assert judged(bundle, keys).status == "mismatch"


def test_a_renamed_bundle_does_not_verify(bundle: Path, keys: KeyPair) -> None:
    """Or an old, weaker model could take the place of a new one."""
    renamed = bundle.rename(bundle.with_name("raxe_model_l2_v9.9_tiny.raxe"))
    signature = signature_path(bundle).rename(signature_path(renamed))
    found = judged(renamed, keys, signature)
    assert found.status == "mismatch"
    assert renamed.name in str(found.reason)


def test_the_folder_may_change(bundle: Path, keys: KeyPair, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    moved = bundle.rename(tmp_path / "elsewhere" / bundle.name)
    assert judged(moved, keys, signature_path(bundle)).status == "verified"


def test_a_link_is_judged_by_what_it_leads_to(bundle: Path, keys: KeyPair, tmp_path: Path) -> None:
    link = tmp_path / "links" / bundle.name
    link.parent.mkdir()
    link.symlink_to(bundle)
    assert judged(link, keys, signature_path(bundle)).status == "verified"


def test_the_signature_of_another_model_does_not_verify(
    bundle: Path, keys: KeyPair, tmp_path: Path
) -> None:
    other = write_bundle(tmp_path, "v9.1_tiny")
    sign(other, keys.private, signature_path(other))
    assert judged(other, keys).status == "verified"
    assert judged(bundle, keys, signature_path(other)).status == "mismatch"


def test_a_payload_that_was_not_signed_does_not_verify(
    bundle: Path, keys: KeyPair, tmp_path: Path
) -> None:
    """The signed statement is replaced by one about the changed bundle."""
    evil = tmp_path / "evil" / bundle.name
    evil.parent.mkdir()
    evil.write_bytes(write_bundle(tmp_path, "v9.1_tiny").read_bytes())
    mallory = write_keys(tmp_path, "mallory")
    sign(evil, mallory.private, signature_path(evil))
    forged = json.loads(signature_path(evil).read_bytes())["dsseEnvelope"]["payload"]
    signature = signature_path(bundle)
    rewrite(signature, lambda content: content["dsseEnvelope"].update(payload=forged))
    assert judged(evil, keys, signature).status == "mismatch"
    # The forger claims the trusted key's id beside a signature of their own.
    trusted = json.loads(signature.read_bytes())["verificationMaterial"]
    rewrite(signature_path(evil), lambda content: content.update(verificationMaterial=trusted))
    assert judged(evil, keys).status == "mismatch"


def test_a_signature_that_covers_no_bundle_does_not_verify(
    bundle: Path, keys: KeyPair, tmp_path: Path
) -> None:
    """One that the library itself makes of a single file names no file."""
    from model_signing import signing

    config = signing.Config().use_elliptic_key_signer(private_key=keys.private)
    config.sign(bundle, tmp_path / "nameless.sig")
    assert judged(bundle, keys, tmp_path / "nameless.sig").status == "mismatch"


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.clear(),
        lambda content: content.pop("dsseEnvelope"),
        lambda content: content.update(mediaType="text/plain"),
        lambda content: content["dsseEnvelope"].update(signatures=[]),
        lambda content: content["dsseEnvelope"].update(payload="AAAA"),
        lambda content: content["dsseEnvelope"].update(payload=5),
        lambda content: content["dsseEnvelope"]["signatures"][0].update(sig="AAAA"),
        lambda content: content["verificationMaterial"].pop("publicKey"),
        lambda content: content["verificationMaterial"]["publicKey"].pop("hint"),
        lambda content: content["verificationMaterial"]["publicKey"].update(hint=["x"]),
    ],
)
def test_a_damaged_signature_does_not_verify(
    bundle: Path, keys: KeyPair, damage: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(signature_path(bundle), damage)
    assert judged(bundle, keys).status == "mismatch"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 60_000,
        b" " * 100_000,
        b'{"a":1,"a":2}',
    ],
)
def test_what_is_no_signature_does_not_verify(bundle: Path, keys: KeyPair, content: bytes) -> None:
    signature_path(bundle).write_bytes(content)
    assert judged(bundle, keys).status == "mismatch"


@given(data=st.data())
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_mutated_signature_verifies_only_if_it_says_the_same(
    bundle: Path, keys: KeyPair, tmp_path: Path, data: st.DataObject
) -> None:
    content = signature_path(bundle).read_bytes()
    position = data.draw(st.integers(0, len(content) - 1))
    change = data.draw(st.sampled_from(["cut", "flip"]))
    mutated = bytearray(content[:position] if change == "cut" else content)
    if change == "flip":
        mutated[position] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "mutated.sig"
    path.write_bytes(mutated)
    if judged(bundle, keys, path).status == "verified":
        assert signed_parts(bytes(mutated)) == signed_parts(content)


def signed_parts(signature: bytes) -> tuple[bytes, bytes]:
    envelope = json.loads(signature)["dsseEnvelope"]
    payload, made = envelope["payload"], envelope["signatures"][0]["sig"]
    return base64.b64decode(payload), base64.b64decode(made)


@pytest.mark.parametrize("kind", ["rsa", "ed25519", "secp256k1"])
def test_keys_of_another_kind_are_refused(tmp_path: Path, tiny_bundle: Path, kind: str) -> None:
    pair = write_keys(tmp_path, "other", kind)
    with pytest.raises(UsageError, match=r"other\.pem: is no private key of an elliptic curve"):
        sign(tiny_bundle, pair.private, tmp_path / "x.sig")
    with pytest.raises(UsageError, match="The key alice is no public key of an elliptic curve"):
        judged(tiny_bundle, pair)
    assert not (tmp_path / "x.sig").exists()


def test_what_is_no_key_is_refused(tmp_path: Path, tiny_bundle: Path, keys: KeyPair) -> None:
    for path in (keys.public, tiny_bundle):
        with pytest.raises(UsageError, match="is no private key"):
            sign(tiny_bundle, path, tmp_path / "x.sig")
    for content in (keys.private.read_bytes(), b"", b"\0"):
        with pytest.raises(UsageError, match="is no public key"):
            verify(tiny_bundle, tmp_path / "x.sig", {"alice": content})
    with pytest.raises(UsageError, match=r"none\.pem: cannot be read"):
        sign(tiny_bundle, tmp_path / "none.pem", tmp_path / "x.sig")


def test_an_encrypted_key_is_refused_with_a_way_out(tmp_path: Path, tiny_bundle: Path) -> None:
    pair = write_keys(tmp_path, "alice", password=b"secret")
    with pytest.raises(UsageError, match=r"is encrypted.*openssl pkey -in"):
        sign(tiny_bundle, pair.private, tmp_path / "x.sig")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_what_is_no_regular_file_is_refused(tmp_path: Path, keys: KeyPair) -> None:
    os.mkfifo(tmp_path / "pipe.raxe")
    for name in ("pipe.raxe", "none.raxe", "."):
        with pytest.raises(UsageError, match="cannot be read"):
            sign(tmp_path / name, keys.private, tmp_path / "x.sig")
        with pytest.raises(UsageError, match="cannot be read"):
            judged(tmp_path / name, keys, tmp_path / "x.sig")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pipe.raxe"]


def test_a_signature_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, tiny_bundle: Path, keys: KeyPair
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be used"):
        sign(tiny_bundle, keys.private, tmp_path / "file" / "x.sig")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_without_room_for_temporary_files_nothing_is_verified(
    bundle: Path, keys: KeyPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(UsageError, match=r"none.*: cannot be used"):
        judged(bundle, keys)


def test_the_library_s_own_command_verifies_our_signatures(bundle: Path, keys: KeyPair) -> None:
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(bundle.parent)]
    command += ["--signature", str(signature_path(bundle)), "--public_key", str(keys.public)]
    command += ["--ignore_unsigned_files"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Verification succeeded" in done.stdout, done.stderr
