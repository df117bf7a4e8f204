from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from plugin_source import Site
from tiny_model import write_bundle, write_source

from raxe_core import ModelRegistry
from raxe_core.errors import BundleError, InvalidModelError, UsageError
from raxe_core.install import add_model, write_pack


def test_added_bundle_brings_its_sidecar(home: Path, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "from")
    (path.parent / "metadata").mkdir()
    (path.parent / "metadata" / "v9.0_tiny.json").write_text('{"name": "By sidecar"}')
    model = add_model(path)
    assert (model.name, model.bundle_path) == ("By sidecar", home / "models" / path.name)
    assert ModelRegistry().get_model("v9.0_tiny").name == "By sidecar"


def test_file_of_any_name_gets_that_of_the_convention(home: Path, tmp_path: Path) -> None:
    odd = write_bundle(tmp_path / "from").rename(tmp_path / "download.raxe")
    assert add_model(odd).bundle_path == home / "models" / "raxe_model_l2_v9.0_tiny.raxe"


def test_folder_is_packed_on_the_way(home: Path, tmp_path: Path) -> None:
    model = add_model(write_source(tmp_path / "source", "v9.3_folder"))
    packed = write_pack(tmp_path / "source")
    assert model.bundle_path is not None
    assert model.bundle_path.read_bytes() == packed.read_bytes()


@pytest.mark.parametrize("damage", ["flipped", "cut", "sidecar", "checksum"])
def test_broken_bundle_is_refused_and_nothing_is_changed(
    home: Path, tmp_path: Path, damage: str
) -> None:
    path = write_bundle(tmp_path / "from")
    data = path.read_bytes()
    sidecar = path.parent / "metadata" / "v9.0_tiny.json"
    sidecar.parent.mkdir()
    if damage == "flipped":
        middle = data.index(b"ReduceSum")
        path.write_bytes(data[:middle] + b"r" + data[middle + 1 :])
    elif damage == "cut":
        path.write_bytes(data[:-1])
    elif damage == "sidecar":
        sidecar.write_text('{"version": 9}')
    else:
        sidecar.write_text(json.dumps({"file_info": {"checksum": "sha256:" + "0" * 64}}))
    with pytest.raises(InvalidModelError, match=str(tmp_path)):
        add_model(path)
    assert list((home / "models").rglob("*")) == []


def test_file_that_is_not_there_is_no_broken_bundle(home: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file or folder") as error:
        add_model(tmp_path / "none.raxe")
    assert error.value.exit_code == 2
    assert list((home / "models").rglob("*")) == []


def test_model_that_is_there_is_only_replaced_on_request(home: Path, tmp_path: Path) -> None:
    first = write_bundle(tmp_path / "one")
    second = write_bundle(tmp_path / "two", input={"max_tokens": 32, "window_overlap": 8})
    target = home / "models" / first.name
    add_model(first)
    with pytest.raises(UsageError, match=f"{target} is there already. Use --replace"):
        add_model(second)
    assert target.read_bytes() == first.read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        add_model(tmp_path / "two" / ".source_v9.0_tiny")
    add_model(second, replace=True)
    assert target.read_bytes() == second.read_bytes()


def test_home_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("")
    monkeypatch.setenv("RAXE_HOME", str(tmp_path / "home"))
    with pytest.raises(UsageError, match="models: cannot be locked"):
        add_model(write_bundle(tmp_path / "from"))


def test_folder_that_is_no_model_is_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json: cannot be read"):
        add_model(tmp_path)


PACK = """
from raxe_core import Model, ModelMetadata, hookimpl
RAXE_API = 1
@hookimpl
def discover_models():
    yield Model(ModelMetadata("v9.0_tiny", "A pack's", "9.0", "tiny", status="active"), "pack")
"""


@pytest.mark.parametrize("replace", [False, True])
def test_id_of_an_installed_package_is_refused(
    home: Path, tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch, replace: bool
) -> None:
    path = write_bundle(tmp_path / "from")
    site.install("tiny-pack", PACK)
    monkeypatch.setenv("RAXE_PLUGINS", "tiny-pack")
    with pytest.raises(UsageError, match=r"'v9\.0_tiny' belongs to .* package tiny-pack"):
        add_model(path, replace=replace)
    with pytest.raises(UsageError, match="package tiny-pack"):
        add_model(path.parent / ".source_v9.0_tiny", replace=replace)
    assert list((home / "models").rglob("*")) == []


def test_signature_that_is_a_device_or_too_large_is_refused(home: Path, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "from")
    signature = path.with_name(f"{path.name}.sig")
    signature.symlink_to("/dev/zero")
    with pytest.raises(UsageError, match=r"raxe\.sig: cannot be read: not a regular file"):
        add_model(path)
    signature.unlink()
    os.mkfifo(signature)
    with pytest.raises(UsageError, match=r"raxe\.sig: cannot be read: not a regular file"):
        add_model(path)
    signature.unlink()
    signature.write_bytes(bytes(65_537))
    with pytest.raises(UsageError, match=r"raxe\.sig: cannot be read: 65,537 bytes are more"):
        add_model(path)
    assert list((home / "models").rglob("*")) == []
