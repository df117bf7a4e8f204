"""Bundles in folders, with sidecar and without; a broken or unusual one never hides the others."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import attrs
import pytest
from tiny_model import write_bundle

from raxe_core import Bundle, Model, ModelRegistry, facts
from raxe_core.discovery import discover_folder, model_from_file, open_bundle
from raxe_core.errors import BundleError
from raxe_core.metadata import Accuracy, FileInfo, Performance
from raxe_core.model import FIGURES


def ids(models: list[Model]) -> list[str]:
    """The ids of the valid models."""
    return [model.model_id for model in models if model.is_valid]


def write_sidecar(folder: Path, model_id: str, **fields: object) -> Path:
    path = folder / "metadata" / f"{model_id}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(fields))
    return path


def test_bundle_without_a_sidecar_is_described_by_its_manifest(tiny_bundle: Path) -> None:
    model = model_from_file(tiny_bundle, "here")
    assert (model.model_id, model.name, model.status) == ("v9.0_tiny", "Tiny tiny", "active")
    assert (model.source, model.bundle_path) == ("here", tiny_bundle)


def test_sidecar_wins_field_by_field(tmp_path: Path) -> None:
    path = write_bundle(tmp_path)
    write_sidecar(tmp_path, "v9.0_tiny", name="New", requirements={"requires_gpu": True})
    model = model_from_file(path, "x")
    assert (model.name, model.version) == ("New", "9.0.0")
    assert (model.requirements.runtime, model.requirements.requires_gpu) == ("onnx", True)


def test_file_of_another_name_has_the_id_of_its_manifest(tmp_path: Path, tiny_bundle: Path) -> None:
    shutil.copy(tiny_bundle, tmp_path / "download (1).raxe")
    write_sidecar(tmp_path, "v9.0_tiny", name="From its sidecar")
    (model,) = discover_folder(tmp_path, "x")
    assert (model.model_id, model.name) == ("v9.0_tiny", "From its sidecar")


def test_other_files_are_not_models(tmp_path: Path, tiny_bundle: Path) -> None:
    for name in (".hidden.raxe", "x.raxe.tmp", "notes.txt", "x.RAXE~"):
        shutil.copy(tiny_bundle, tmp_path / name)
    assert discover_folder(tmp_path, "x") == []


def test_names_in_any_script_are_found(tmp_path: Path, tiny_bundle: Path) -> None:
    folder = tmp_path / "modèles [naïve] 模型"
    folder.mkdir()
    shutil.copy(tiny_bundle, folder / "modèle.raxe")
    assert ids(discover_folder(folder, "x")) == ["v9.0_tiny"]


@pytest.mark.skipif(os.name == "nt", reason="this system has no such names")
def test_name_that_is_not_unicode_is_a_model_too(tmp_path: Path, tiny_bundle: Path) -> None:
    shutil.copy(tiny_bundle, tmp_path / os.fsdecode(b"\xff.raxe"))
    shutil.copy(tiny_bundle, tmp_path)
    (tmp_path / os.fsdecode(b"\xfe.raxe")).write_bytes(b"broken")
    assert ids(discover_folder(tmp_path, "x")) == ["v9.0_tiny"] * 2


def test_claimed_file_name_must_be_the_real_one(tmp_path: Path) -> None:
    path = write_bundle(tmp_path)
    write_sidecar(tmp_path, "v9.0_tiny", file_info={"filename": "other.raxe"})
    assert "describes the file 'other.raxe'" in str(model_from_file(path, "x").problem)


def test_claimed_checksum_is_checked_before_the_bundle_is_opened(tmp_path: Path) -> None:
    path = write_bundle(tmp_path)
    with open_bundle(model_from_file(path, "x")) as bundle:
        digest = bundle.digest()
    write_sidecar(tmp_path, "v9.0_tiny", file_info={"checksum": digest})
    open_bundle(model_from_file(path, "x")).close()
    write_sidecar(tmp_path, "v9.0_tiny", file_info={"checksum": "sha256:" + "0" * 64})
    with pytest.raises(BundleError, match=f"its checksum is {digest}, the metadata says sha256:00"):
        open_bundle(model_from_file(path, "x"))


def test_a_checksum_that_was_met_is_not_hashed_again_but_the_members_are(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_bundle(tmp_path)
    with Bundle(path) as bundle:
        claim = {"checksum": bundle.digest()}
    write_sidecar(tmp_path, "v9.0_tiny", file_info=claim)
    monkeypatch.setattr(facts, "_in_process", set())
    hashed: list[Bundle] = []
    digest = Bundle.digest

    def counted(bundle: Bundle) -> str:
        hashed.append(bundle)
        return digest(bundle)

    monkeypatch.setattr(Bundle, "digest", counted)
    for _ in range(2):
        open_bundle(model_from_file(path, "x")).close()
        facts._in_process.clear()  # another process
    assert len(hashed) == 1

    data = bytearray(path.read_bytes())  # of the same manifest, with the same claim
    data[data.index(b"ReduceSum")] ^= 0x20
    path.write_bytes(data)
    with (
        open_bundle(model_from_file(path, "x")) as bundle,
        pytest.raises(BundleError, match=r"CRC|SHA-256"),
    ):
        bundle.read("model.onnx")

    (home / "cache" / "checksums").rename(home / "gone")  # a cache that is safe to delete
    with pytest.raises(BundleError, match="its checksum is"):
        open_bundle(model_from_file(path, "x"))


@pytest.mark.parametrize("damage", [b"", b"[]", b"\0\xff", b'{"version": "0.1.0"}', b"flipped"])
def test_damaged_index_is_made_anew(home: Path, tiny_bundle: Path, damage: bytes) -> None:
    shutil.copy(tiny_bundle, home / "models")
    assert ids(discover_folder(home / "models", "x")) == ["v9.0_tiny"]
    (index,) = (home / "cache").iterdir()
    sound = index.read_bytes()
    if damage == b"flipped":
        damage = sound.replace(b'"Tiny tiny"', b'"Tiny t1ny"')
        assert damage != sound
    index.write_bytes(damage)
    assert ids(discover_folder(home / "models", "x")) == ["v9.0_tiny"]
    assert index.read_bytes() == sound


def test_index_gives_all_that_the_files_gave(home: Path) -> None:
    write_bundle(home / "models")
    (home / "models" / "raxe_model_l2_v1.0_broken.raxe").write_bytes(b"none")
    fields = {"performance": {"p95_latency_ms": 2.5}, "accuracy": {"binary_f1": 0.5}}
    write_sidecar(home / "models", "v9.0_tiny", description="Long.", status="deprecated", **fields)
    read, indexed = (discover_folder(home / "models", "x") for _ in range(2))
    for first, second in zip(read, indexed, strict=True):
        assert first.bundle_path == second.bundle_path
        assert first.problem == second.problem
        assert first.summary == second.summary
        assert first.metadata == second.metadata
        assert first.metadata_json == second.metadata_json
    tiny = indexed[1]
    assert (tiny.status, tiny.runtime, tiny.metadata.description) == ("deprecated", "onnx", "Long.")
    assert tiny.figure("performance", "p95_latency_ms") == tiny.performance.p95_latency_ms == 2.5
    assert tiny.figure("accuracy", "p95_latency_ms") is None


def test_figures_are_the_numbers_of_the_metadata() -> None:
    classes = {"file_info": FileInfo, "performance": Performance, "accuracy": Accuracy}
    for section, cls in classes.items():
        numbers = {field.name for field in attrs.fields(cls) if "float" in str(field.type)}
        assert numbers == set(FIGURES[section])
    names = [name for section in FIGURES.values() for name in section]
    assert len(set(names)) == len(names)


def test_home_that_cannot_be_written_changes_nothing(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RAXE_HOME", str(tmp_path / "file"))
    for _ in range(2):
        assert ids(discover_folder(tiny_bundle.parent, "x")) == ["v9.0_tiny"]


def test_every_folder_is_searched_and_the_first_of_an_id_wins(
    home: Path, tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [home / "models", *(tmp_path / name for name in ("env1", "env2", "configured"))]
    for number, folder in enumerate(folders):
        folder.mkdir(exist_ok=True)
        shutil.copy(tiny_bundle, folder / f"raxe_model_l2_v1.{number}_x.raxe")
        shutil.copy(tiny_bundle, folder)
    monkeypatch.setenv("RAXE_MODELS_PATH", os.pathsep.join(map(str, folders[1:3])))
    (home / "config.yaml").write_text(f"models_path: [{folders[3]}]\n")
    registry = ModelRegistry()
    listed = registry.list_models()
    assert ids(listed) == ["v1.0_x", "v1.1_x", "v1.2_x", "v1.3_x", "v9.0_tiny"]
    assert registry.get_model("v9.0_tiny").source == str(home / "models")
    doubles = {str(model.bundle_path): str(model.problem) for model in listed if model.problem}
    assert set(doubles) == {str(folder / tiny_bundle.name) for folder in folders[1:]}
    for reason in doubles.values():
        assert f"belongs to {home / 'models' / tiny_bundle.name}" in reason


def test_folder_name_with_nul_is_one_broken_entry(home: Path, tiny_bundle: Path) -> None:
    shutil.copy(tiny_bundle, home / "models")
    (home / "config.yaml").write_text('models_path: ["a\\0b"]\n')
    listed = ModelRegistry().list_models()
    assert ids(listed) == ["v9.0_tiny"]
    assert len(listed) == 2


def test_two_missing_folders_of_one_name_are_both_listed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / name / "models" for name in ("a", "b", "c")]
    monkeypatch.setenv("RAXE_MODELS_PATH", os.pathsep.join(map(str, folders)))
    reasons = " ".join(str(model.problem) for model in ModelRegistry().list_models())
    for folder in folders:
        assert str(folder) in reasons
