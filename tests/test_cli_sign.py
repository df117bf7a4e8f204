"""``raxe models sign`` and ``verify``, and what the other commands say of signatures."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tiny_model import write_bundle

from raxe_core.signing import signature_path

if TYPE_CHECKING:
    from signing_keys import KeyPair

    from conftest import RunRaxe

COLUMN = "│ Signature"


@pytest.fixture
def alice(tmp_path: Path) -> KeyPair:
    """Keys; without the extra, what needs them is skipped."""
    pytest.importorskip("model_signing", reason="needs the extra raxe-core[signing]")
    from signing_keys import write_keys

    return write_keys(tmp_path, "alice")


@pytest.fixture
def signed(dropped_in: Path, raxe: RunRaxe, alice: KeyPair) -> Path:
    """``v9.0_tiny``, signed by Alice."""
    result = raxe("models", "sign", "v9.0_tiny", "--private-key", str(alice.private))
    assert result.exit_code == 0, result.output
    return dropped_in


def trust(raxe: RunRaxe, key: Path) -> None:
    """Require a signature by the key of Alice."""
    assert raxe("config", "set", "trust.keys.alice", str(key)).exit_code == 0
    assert raxe("config", "set", "trust.require_signature", "true").exit_code == 0


def test_sign_and_verify_a_file(
    tmp_path: Path, tiny_bundle: Path, raxe: RunRaxe, alice: KeyPair
) -> None:
    path, signature = tmp_path / tiny_bundle.name, tmp_path / "my.sig"
    shutil.copyfile(tiny_bundle, path)
    where = ("--signature", str(signature))
    made = raxe("models", "sign", str(path), "--private-key", str(alice.private), *where)
    assert made.exit_code == 0
    assert f"✅ Signed: {path}" in made.stdout
    found = raxe("models", "verify", str(path), "--public-key", str(alice.public), *where)
    assert found.exit_code == 0
    assert f"Signed by: {alice.public}" in found.stdout
    assert set(made.stdout.splitlines()) & set(found.stdout.splitlines())  # the digest
    assert not signature_path(path).exists()


def test_verify_for_programs(signed: Path, raxe: RunRaxe, alice: KeyPair) -> None:
    arguments = ("models", "verify", "v9.0_tiny", "--public-key", str(alice.public), "--json")
    report = json.loads(raxe(*arguments).stdout)
    assert (report["path"], report["verified"]) == (str(signed), True)
    assert report["signature"]["status"] == "verified"
    signature_path(signed).unlink()
    result = raxe(*arguments)
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert (report["verified"], report["signature"]["status"]) == (False, "unsigned")


def test_verify_with_the_keys_of_the_configuration(
    signed: Path, raxe: RunRaxe, alice: KeyPair
) -> None:
    result = raxe("models", "verify", "v9.0_tiny")
    assert result.exit_code == 2
    assert "Give --public-key, or set trust.keys" in result.stderr
    raxe("config", "set", "trust.keys.alice", str(alice.public))
    result = raxe("models", "verify", "v9.0_tiny")
    assert (result.exit_code, "Signed by: alice" in result.stdout) == (0, True)
    assert "signed by alice" in raxe("models", "list").stdout  # this is remembered


def test_verify_refuses_a_changed_bundle(signed: Path, raxe: RunRaxe, alice: KeyPair) -> None:
    signed.write_bytes(signed.read_bytes() + b"\0")
    result = raxe("models", "verify", str(signed), "--public-key", str(alice.public))
    assert result.exit_code == 1
    assert "❌ Not verified" in result.stdout
    assert "Reason: signature does not match" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["verify", "v9.0_tiny", "--public-key", "none.pem"], "none.pem: cannot be read"),
        (
            ["verify", "v9.0_tiny", "--public-key", "{key}", "--signature", "no"],
            "no such signature",
        ),
        (["verify", "v0.0_none", "--public-key", "{key}"], "No model 'v0.0_none'"),
        (["verify", "none.raxe", "--public-key", "{key}"], "No model 'none.raxe'"),
        (["sign", "v9.0_tiny"], "Missing option '--private-key'"),
        (["sign", "v9.0_tiny", "--private-key", "{key}"], "is no private key"),
        (["sign", "v0.0_none", "--private-key", "{key}"], "No model 'v0.0_none'"),
    ],
)
def test_wrong_usage(
    signed: Path, raxe: RunRaxe, alice: KeyPair, arguments: list[str], reason: str
) -> None:
    before = signature_path(signed).read_bytes()
    result = raxe("models", *(text.format(key=alice.public) for text in arguments))
    assert result.exit_code == 2
    assert reason in result.stderr
    assert signature_path(signed).read_bytes() == before


def test_a_broken_bundle_is_not_signed(home: Path, raxe: RunRaxe, alice: KeyPair) -> None:
    path = home / "models" / "raxe_model_l2_v9.0_broken.raxe"
    path.write_bytes(b"PK")
    result = raxe("models", "sign", str(path), "--private-key", str(alice.private))
    assert result.exit_code == 1
    assert not signature_path(path).exists()


def test_without_the_library_the_pip_line_is_told(
    dropped_in: Path, raxe: RunRaxe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("model_signing", "model_signing.signing", "model_signing.verifying"):
        monkeypatch.setitem(sys.modules, name, None)
    (tmp_path / "key.pem").touch()
    key = str(tmp_path / "key.pem")
    for arguments in (["sign", "--private-key", key], ["verify", "--public-key", key]):
        result = raxe("models", arguments[0], "v9.0_tiny", *arguments[1:])
        assert result.exit_code == 2
        assert 'pip install "raxe-core[signing]"' in result.stderr


def test_nothing_is_shown_where_there_is_nothing_to_show(dropped_in: Path, raxe: RunRaxe) -> None:
    assert COLUMN not in raxe("models", "list").stdout
    assert "Signature" not in raxe("models", "info", "v9.0_tiny").stdout


def test_the_list_shows_what_is_remembered(signed: Path, raxe: RunRaxe, alice: KeyPair) -> None:
    shown = raxe("models", "list").stdout
    assert COLUMN in shown
    assert "signature not checked" in shown
    trust(raxe, alice.public)
    assert "signature not checked" in raxe("models", "list").stdout
    assert "Signature: signed by alice" in raxe("models", "info", "v9.0_tiny").stdout
    assert "signed by alice" in raxe("models", "list").stdout


def test_list_and_info_for_programs(signed: Path, raxe: RunRaxe, alice: KeyPair) -> None:
    trust(raxe, alice.public)
    write_bundle(signed.parent, "v9.1_tiny")
    told = json.loads(raxe("models", "info", "v9.0_tiny", "--json").stdout)["signature"]
    assert (told["status"], told["key"]) == ("verified", "alice")
    listed = json.loads(raxe("models", "list", "--json").stdout)
    found: dict[str, Any] = {model["model_id"]: model["signature"] for model in listed}
    assert found["v9.0_tiny"] == told
    assert found["v9.1_tiny"]["status"] == "unsigned"


def test_only_a_model_that_may_be_used_is_recommended(
    signed: Path, raxe: RunRaxe, alice: KeyPair
) -> None:
    star = "Tiny tiny ⭐"
    assert star in raxe("models", "list").stdout
    trust(raxe, alice.public)
    assert star not in raxe("models", "list").stdout  # not verified yet
    raxe("models", "verify", "v9.0_tiny")
    assert star in raxe("models", "list").stdout


def test_info_says_why_a_signature_cannot_be_checked(
    signed: Path, raxe: RunRaxe, alice: KeyPair
) -> None:
    trust(raxe, alice.public)
    alice.public.unlink()
    shown = raxe("models", "info", "v9.0_tiny")
    assert shown.exit_code == 0
    assert "Signature: signature not checked (trust.keys.alice: " in shown.stdout
    assert raxe("models", "list").exit_code == 0


def test_commands_refuse_an_untrusted_model(signed: Path, raxe: RunRaxe, alice: KeyPair) -> None:
    trust(raxe, alice.public)
    assert raxe("scan", "hello", "--model", "v9.0_tiny").exit_code == 0
    signature_path(signed).unlink()
    for arguments in (
        ["models", "test", "v9.0_tiny"],
        ["models", "which"],
        ["scan", "hello", "--model", "v9.0_tiny"],
        ["scan", "hello"],
    ):
        assert raxe(*arguments).exit_code in (1, 2), arguments


def test_which_explains_that_a_model_is_not_trusted(
    signed: Path, raxe: RunRaxe, alice: KeyPair
) -> None:
    trust(raxe, alice.public)
    write_bundle(signed.parent, "v9.1_tiny")
    refused = raxe("models", "set-default", "v9.1_tiny")
    assert (refused.exit_code, "Model v9.1_tiny: unsigned" in refused.stderr) == (1, True)
    report = json.loads(raxe("models", "which", "--json").stdout)
    assert report["model_id"] == "v9.0_tiny"
    verdicts = {item["model_id"]: item["verdict"] for item in report["candidates"]}
    assert verdicts["v9.1_tiny"].startswith("untrusted model: Model v9.1_tiny: unsigned")


def test_validate_checks_the_signature_where_one_is_required(
    signed: Path, raxe: RunRaxe, alice: KeyPair
) -> None:
    assert "Signature" not in raxe("models", "validate", "v9.0_tiny").stdout
    trust(raxe, alice.public)
    passed = raxe("models", "validate", "v9.0_tiny")
    assert passed.exit_code == 0
    assert "✅ Signature trusted: signed by alice" in passed.stdout
    signature_path(signed).unlink()
    for target in ("v9.0_tiny", str(signed)):
        report = json.loads((result := raxe("models", "validate", target, "--json")).stdout)
        assert (result.exit_code, report["valid"]) == (1, False)
        verdicts = {check["name"]: check["passed"] for check in report["checks"]}
        assert verdicts["Signature trusted"] is False
        assert verdicts["Can load detector"] is None


def test_add_brings_the_signature_along(
    home: Path, tmp_path: Path, raxe: RunRaxe, alice: KeyPair
) -> None:
    trust(raxe, alice.public)
    bundle = write_bundle(tmp_path)
    raxe("models", "sign", str(bundle), "--private-key", str(alice.private))
    assert raxe("models", "add", str(bundle)).exit_code == 0
    assert raxe("models", "verify", "v9.0_tiny").exit_code == 0
    signature_path(bundle).unlink()
    assert raxe("models", "add", str(bundle), "--replace").exit_code == 0
    assert not signature_path(home / "models" / bundle.name).exists()


def test_a_key_s_name_cannot_move_the_terminal(signed: Path, raxe: RunRaxe, home: Path) -> None:
    keys = {"red\x1b[31m": str(home / "none.pem")}
    (home / "config.yaml").write_text(json.dumps({"trust": {"keys": keys}}))
    result = raxe("models", "info", "v9.0_tiny")
    assert "\x1b" not in result.output
