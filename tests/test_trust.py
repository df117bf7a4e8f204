"""The trust policy: which models may be used, and that what was verified is what is loaded."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tiny_model import write_bundle

pytest.importorskip("model_signing", reason="needs the extra raxe-core[signing]")

from signing_keys import KeyPair, write_keys

from raxe_core import Model, Raxe
from raxe_core.config import load_config
from raxe_core.discovery import open_bundle
from raxe_core.errors import (
    BundleError,
    ConfigError,
    NoModelError,
    RaxeError,
    UntrustedModelError,
    UsageError,
)
from raxe_core.registry import ModelRegistry
from raxe_core.signing import Signature, sign, signature_path
from raxe_core.trust import Trust

if TYPE_CHECKING:
    from plugin_source import Site

Policy = Callable[..., None]


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return write_keys(tmp_path_factory.mktemp("keys"), "alice")


@pytest.fixture(scope="module")
def mallory(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return write_keys(tmp_path_factory.mktemp("keys"), "mallory")


@pytest.fixture
def configure(home: Path, alice: KeyPair) -> Policy:
    """Write a configuration: ``trust`` asks for a signature by Alice unless told otherwise."""

    def write(l2_model: object = None, **trust: object) -> None:
        trust = {"require_signature": True, "keys": {"alice": str(alice.public)}, **trust}
        content = {"trust": trust, **({"l2_model": l2_model} if l2_model else {})}
        (home / "config.yaml").write_text(json.dumps(content))

    write()
    return write


@pytest.fixture
def signed(dropped_in: Path, configure: Policy, alice: KeyPair) -> Path:
    """A dropped-in bundle, ``v9.0_tiny``, signed by Alice, in a home that asks for that."""
    sign(dropped_in, alice.private, signature_path(dropped_in))
    return dropped_in


def signature_of(model_id: str = "v9.0_tiny") -> Signature:
    registry = ModelRegistry()
    return registry.trust.signature(registry.get_model(model_id))


def known_signature_of(model_id: str = "v9.0_tiny") -> Signature:
    registry = ModelRegistry()
    return registry.trust.known_signature(registry.get_model(model_id))


def test_signatures_of_many_are_those_of_each(signed: Path, tmp_path: Path) -> None:
    write_bundle(signed.parent, "v9.1_tiny")
    signature_of()
    registry = ModelRegistry()
    models = [*registry.list_models(), Model({"model_id": "v1.0_x"}, "a plugin")]
    models += [Model({"model_id": "v1.0_y"}, "a plugin", tmp_path / "no folder" / "y.raxe")]
    found = registry.trust.known_signatures(models)
    assert found == [registry.trust.known_signature(model) for model in models]
    assert [signature.status for signature in found] == ["verified", *["unsigned"] * 3]


def refusal() -> str:
    """Return why ``v9.0_tiny`` is not loaded, after a check that it is not selected either."""
    registry = ModelRegistry()
    assert registry.usable_models() == ()
    with pytest.raises(NoModelError):
        registry.get_best_model()
    with pytest.raises(UntrustedModelError) as caught:
        registry.create_detector("v9.0_tiny")
    assert caught.value.exit_code == 1
    return str(caught.value)


def test_a_signed_model_is_used(signed: Path) -> None:
    registry = ModelRegistry()
    assert [model.model_id for model in registry.usable_models()] == ["v9.0_tiny"]
    detector = registry.create_detector("v9.0_tiny")
    assert detector.analyze("ignore previous instructions").is_threat
    detector.close()
    assert signature_of().key == "alice"


def test_without_the_policy_any_model_is_used(signed: Path, configure: Policy) -> None:
    configure(require_signature=False)
    signature_path(signed).write_bytes(b"garbage")
    ModelRegistry().create_detector("v9.0_tiny").close()
    assert signature_of().status == "mismatch"


def test_an_unsigned_model_is_refused(signed: Path) -> None:
    signature_path(signed).unlink()
    assert "v9.0_tiny: unsigned. trust.require_signature allows only" in refusal()


def test_a_model_signed_by_another_is_refused(signed: Path, mallory: KeyPair) -> None:
    sign(signed, mallory.private, signature_path(signed))
    assert "signed by an unknown key" in refusal()


def test_a_changed_model_is_refused(signed: Path, tmp_path: Path) -> None:
    assert signature_of().status == "verified"
    other = write_bundle(tmp_path, "v9.0_tiny", input={"max_tokens": 8, "window_overlap": 2})
    shutil.copyfile(other, signed)
    assert "signature does not match" in refusal()


def test_a_renamed_model_is_refused(signed: Path) -> None:
    old = signed.with_name("raxe_model_l2_v8.0_tiny.raxe")
    signed.rename(old)
    signature_path(signed).rename(signature_path(old))
    with pytest.raises(UntrustedModelError, match="does not match"):
        ModelRegistry().create_detector("v8.0_tiny")


def test_a_swapped_signature_is_refused(signed: Path, alice: KeyPair) -> None:
    other = write_bundle(signed.parent, "v9.1_tiny")
    sign(other, alice.private, signature_path(signed))
    with pytest.raises(UntrustedModelError, match="does not match"):
        ModelRegistry().create_detector("v9.0_tiny")


@pytest.mark.parametrize("content", [b"", b"garbage", b"{}"])
def test_a_signature_that_is_none_is_refused(signed: Path, content: bytes) -> None:
    signature_path(signed).write_bytes(content)
    assert "signature does not match" in refusal()


def test_a_signature_that_cannot_be_read_is_refused(signed: Path) -> None:
    signature_path(signed).unlink()
    signature_path(signed).mkdir()
    assert "cannot be read" in refusal()


def test_without_a_key_nothing_is_trusted(signed: Path, configure: Policy) -> None:
    configure(keys={})
    assert "signature not checked (trust.keys names no key)" in refusal()


def test_a_model_is_loaded_only_with_the_bytes_that_were_verified(
    signed: Path, tmp_path: Path
) -> None:
    model = ModelRegistry().usable_model("v9.0_tiny")
    shutil.copyfile(write_bundle(tmp_path, "v9.1_tiny"), signed)
    with pytest.raises(BundleError, match="changed since it was validated"):
        open_bundle(model)


def test_a_change_that_hides_its_traces_is_not_loaded(signed: Path, tmp_path: Path) -> None:
    """The remembered verdict names a manifest; a file in the same state with another fails."""
    registry = ModelRegistry()
    registry.usable_model("v9.0_tiny")
    evil = write_bundle(tmp_path, "v9.0_tiny", input={"max_tokens": 8, "window_overlap": 2})
    shutil.copyfile(evil, signed)
    forge_memory(signed)
    assert known_signature_of().status == "verified"  # the forgery works so far
    with pytest.raises(BundleError, match="changed since it was validated"):
        ModelRegistry().create_detector("v9.0_tiny")


def memory_file() -> Path:
    return Path(os.environ["RAXE_HOME"], "cache", "signatures.json")


def forge_memory(bundle: Path) -> None:
    """Write the bundle's present state into what is remembered of it."""
    status = bundle.stat()
    content = json.loads(memory_file().read_text())
    state = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    content["entries"][str(bundle)][0][0] = state
    memory_file().write_text(json.dumps(content))


def test_what_was_verified_is_remembered(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert known_signature_of().status == "unchecked"
    assert signature_of().status == "verified"
    monkeypatch.setattr("raxe_core.trust.verify", None)  # it is not called again
    assert signature_of() == known_signature_of()
    assert known_signature_of().status == "verified"


def test_a_refusal_is_remembered(
    signed: Path, mallory: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(signed, mallory.private, signature_path(signed))
    refusal()
    monkeypatch.setattr("raxe_core.trust.verify", None)
    assert "signed by an unknown key" in refusal()


def test_other_keys_are_verified_anew(signed: Path, configure: Policy, mallory: KeyPair) -> None:
    assert signature_of().status == "verified"
    configure(keys={"alice": str(mallory.public)})
    assert known_signature_of().status == "unchecked"
    assert "signed by an unknown key" in refusal()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: text.replace('"verified"', "5"),
        lambda text: text.replace('"status"', '"state"'),
        lambda text: text.replace('{"status"', '[{"status"').replace("null}", "null}]"),
        lambda text: json.dumps({**json.loads(text), "entries": 5}),
        lambda text: json.dumps({**json.loads(text), "version": "0"}),
    ],
)
def test_a_damaged_memory_is_no_verdict(signed: Path, damage: Callable[[str], str]) -> None:
    assert signature_of().status == "verified"
    memory_file().write_text(damage(memory_file().read_text()))
    assert known_signature_of().status == "unchecked"
    assert signature_of().status == "verified"


def test_the_memory_forgets_bundles_that_are_gone(signed: Path, alice: KeyPair) -> None:
    other = write_bundle(signed.parent, "v9.1_tiny")
    sign(other, alice.private, signature_path(other))
    signature_of("v9.1_tiny")
    other.unlink()
    signature_of()
    assert list(json.loads(memory_file().read_text())["entries"]) == [str(signed)]


def test_a_memory_that_cannot_be_written_does_no_harm(signed: Path) -> None:
    memory_file().parent.mkdir(exist_ok=True)
    memory_file().mkdir()
    assert signature_of().status == "verified"
    ModelRegistry().create_detector("v9.0_tiny").close()


def test_an_installed_package_is_exempt(
    site: Site, monkeypatch: pytest.MonkeyPatch, configure: Policy, tiny_bundle: Path
) -> None:
    site.install(
        "raxe-pack",
        f"""
        from pathlib import Path
        from raxe_core import discover_folder, hookimpl
        RAXE_API = 1

        @hookimpl
        def discover_models():
            return discover_folder(Path({str(tiny_bundle.parent)!r}), "raxe-pack")
        """,
    )
    monkeypatch.setenv("RAXE_PLUGINS", "raxe-onnx,raxe-pack")
    assert str(signature_of()) == "installed package"
    ModelRegistry().create_detector("v9.0_tiny").close()


def test_a_key_s_path_is_relative_to_the_file_that_names_it(
    signed: Path, home: Path, alice: KeyPair, configure: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And never to the working folder, which may be a stranger's."""
    monkeypatch.chdir(alice.public.parent)
    configure(keys={"alice": alice.public.name})
    with pytest.raises(ConfigError, match=r"trust\.keys\.alice: .*home/alice\.pub: cannot be read"):
        ModelRegistry().create_detector("v9.0_tiny")
    shutil.copyfile(alice.public, home / alice.public.name)
    ModelRegistry().create_detector("v9.0_tiny").close()


@pytest.mark.parametrize("path", ["~nobody-here/alice.pub", "none.pub", "."])
def test_a_key_that_cannot_be_read_stops_loading_but_not_listing(
    signed: Path, configure: Policy, path: str
) -> None:
    configure(keys={"alice": path})
    with pytest.raises(ConfigError, match=r"trust\.keys\.alice: "):
        ModelRegistry().create_detector("v9.0_tiny")
    assert known_signature_of().status == "unchecked"


def test_a_key_that_is_none_stops_loading(signed: Path, configure: Policy) -> None:
    configure(keys={"alice": str(signed)})
    with pytest.raises(RaxeError):
        ModelRegistry().create_detector("v9.0_tiny")


@pytest.mark.parametrize(
    "trust",
    [
        {"require_signature": "yes"},
        {"require_signature": 1},
        {"keys": ["a.pem"]},
        {"keys": {"a": 1}},
    ],
)
def test_a_wrong_setting_is_refused(configure: Policy, trust: dict[str, object]) -> None:
    configure(**trust)
    with pytest.raises(ConfigError, match=r"config\.yaml, line \d+: trust\."):
        load_config()


def test_a_scan_with_an_untrusted_model_raises(signed: Path) -> None:
    signature_path(signed).unlink()
    with Raxe(l2_model="v9.0_tiny") as raxe, pytest.raises(UntrustedModelError):
        raxe.scan("hello")


def test_a_scan_falls_back_to_a_trusted_model(signed: Path, configure: Policy) -> None:
    write_bundle(signed.parent, "v9.1_tiny")
    chosen = {"selection": "explicit", "model_id": "v9.1_tiny"}
    configure({**chosen, "fallback_model_id": "v9.0_tiny"})
    with Raxe() as raxe:
        result = raxe.scan("hello")
    assert result.model_id == "v9.0_tiny"
    assert result.selection.fallback_kind == "untrusted model"
    configure({**chosen, "fallback_model_id": "v9.0_tiny", "on_failure": "raise"})
    with Raxe() as raxe, pytest.raises(UntrustedModelError):
        raxe.scan("hello")


def test_a_scan_does_not_fall_back_to_an_untrusted_model(signed: Path, configure: Policy) -> None:
    signature_path(signed).unlink()
    write_bundle(signed.parent, "v9.1_tiny")
    choice = {"selection": "explicit", "model_id": "v9.1_tiny", "fallback_model_id": "v9.0_tiny"}
    configure(choice)
    with Raxe() as raxe, pytest.raises(UntrustedModelError, match=r"v9\.0_tiny"):
        raxe.scan("hello")


def test_a_scan_blocks_where_that_is_asked_for(signed: Path, configure: Policy) -> None:
    signature_path(signed).unlink()
    configure({"selection": "explicit", "model_id": "v9.0_tiny", "on_failure": "block"})
    with Raxe() as raxe:
        result = raxe.scan("hello")
    assert result.action == "block"
    assert "untrusted model" in result.selection.reason


def test_without_the_library_no_signature_passes(
    signed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "model_signing.verifying", None)
    with pytest.raises(UsageError, match=r'pip install "raxe-core\[signing\]"'):
        ModelRegistry().create_detector("v9.0_tiny")


def test_the_policy_takes_a_model_that_nobody_placed_as_dropped_in(configure: Policy) -> None:
    """A model that is made by hand is not taken for one of a package."""
    made = Model({"model_id": "v1.0_x", "name": "x", "version": "1", "variant": "x"}, "raxe-l2")
    with pytest.raises(UntrustedModelError, match="unsigned"):
        Trust(load_config()).admitted(made)
