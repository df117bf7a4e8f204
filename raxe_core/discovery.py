"""Models in a folder: bundles, their sidecar metadata, and a reason for each that is broken.

::

    <folder>/raxe_model_l2_{version}_{variant}.raxe
    <folder>/metadata/{model_id}.json            model_id = {version}_{variant}

A bundle without a sidecar is described by its own manifest; where both speak, the sidecar wins,
field by field. Nothing here imports a runtime or opens weights.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raxe_core.errors import BundleError, InvalidModelError, MetadataError
from raxe_core.files import read_regular
from raxe_core.index import FileState, Index, scan_folder, to_json
from raxe_core.model import Model, StoredMetadata

if TYPE_CHECKING:
    from raxe_core.bundle import Bundle

__all__ = ["bundle_filename", "discover_folder", "model_from_file", "open_bundle"]

MAX_METADATA_BYTES = 64 << 10
_FILE_NAME = re.compile(r"raxe_model_l2_(?P<model_id>[A-Za-z0-9][A-Za-z0-9._-]{0,63})\.raxe")


def bundle_filename(model_id: str) -> str:
    """Return the file name that a bundle has in a drop-in folder."""
    return f"raxe_model_l2_{model_id}.raxe"


def discover_folder(folder: Path, source: str) -> list[Model]:
    """Return the models of a drop-in folder, broken ones included, sorted by file name.

    ``source`` names the provider. A folder that does not exist or cannot be read is returned as
    one broken entry.
    """
    models: list[Model] = []
    described_in = folder / "metadata"
    absent: FileState | None = None
    try:
        bundles = scan_folder(folder, ".raxe")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        return [_unreadable(folder, source, error)]
    try:
        sidecars = scan_folder(described_in, ".json")
    except FileNotFoundError:
        sidecars = {}
    except OSError as error:
        sidecars, absent = {}, []  # not the state of a sidecar that is known not to be there
        models.append(_unreadable(described_in, source, error))
    inside = os.path.join(folder, "")  # noqa: PTH118  # a Path has no slash at its end
    with Index(folder) as index:
        for name, state in bundles.items():
            match = _FILE_NAME.fullmatch(name)
            if match is None:  # only the bundle tells which sidecar is its own: never indexed
                models.append(_model_of(inside, name, source))
                continue
            states = [state, sidecars.get(f"{match[1]}.json", absent)]
            models.append(_indexed(inside, name, source, index, states))
    described = {model.model_id for model in models}
    for name in sidecars:
        model_id = name.removesuffix(".json")
        if model_id not in described:
            reason = (
                f"{described_in / name}: there is no bundle {bundle_filename(model_id)} beside it."
            )
            models.append(_broken(model_id, source, None, reason))
    return models


def model_from_file(path: Path, source: str) -> Model:
    """Return the model of one bundle file; what is wrong with it is in its ``problem``."""
    return _model_of(str(path).removesuffix(path.name), path.name, source)


def open_bundle(model: Model) -> Bundle:
    """Open the bundle of a model, after its checksum if the metadata claims one.

    Raises:
        BundleError: the model has no bundle, it breaks the format, or its checksum differs.
    """
    from raxe_core.bundle import Bundle

    if model.bundle_path is None:
        raise BundleError(f"Model {model.model_id} has no bundle file.")
    bundle = Bundle(model.bundle_path)
    if model.manifest_digest not in (None, bundle.manifest_digest()):
        bundle.close()
        raise BundleError(f"{model.bundle_path}: changed since it was validated. Try again.")
    claimed = model.metadata.file_info.checksum
    if claimed is not None and (found := bundle.digest()) != claimed:
        bundle.close()
        raise BundleError(
            f"{model.bundle_path}: its checksum is {found}, the metadata says {claimed}. "
            "Get the file again, or mend file_info.checksum."
        )
    return bundle


def _indexed(
    inside: str, name: str, source: str, index: Index, states: list[FileState | None]
) -> Model:
    """Return the model from the index, after reading its files if they are not those of there."""
    found = index.get(name, states)
    if found is None:
        model = _model_of(inside, name, source)
        found = (model.problem, model.summary, to_json(model.metadata_json))
        index.put(name, states, found)
    problem, summary, text = found
    return Model(StoredMetadata(summary, text), source, inside + name, problem)


def _model_of(inside: str, name: str, source: str) -> Model:
    """Return the model of a file; ``inside`` is its folder as text, with the separator."""
    path = inside + name
    match = _FILE_NAME.fullmatch(name)
    model_id = match[1] if match else None
    try:
        metadata = _read_metadata(path, f"{inside}metadata{os.sep}", model_id)
    except InvalidModelError as error:
        return _broken(model_id or Path(name).stem, source, path, str(error))
    claimed = metadata.get("file_info", {}).get("filename")
    if claimed is not None and claimed != name:
        reason = f"{path}: its metadata describes the file {claimed!r}. Mend file_info.filename."
        return Model(metadata, source, path, reason)
    return Model(metadata, source, path)


def _read_metadata(path: str, described_in: str, model_id: str | None) -> dict[str, Any]:
    """Return the checked metadata of a bundle with its sidecar laid over it, as JSON types."""
    from raxe_core.bundle import Bundle

    with Bundle(Path(path)) as bundle:
        # A file cannot know its own name and checksum; only a sidecar can.
        embedded = {k: v for k, v in bundle.metadata_json.items() if k != "file_info"}
    where = f"{path}:manifest.json"
    if model_id is None:
        model_id = str(_checked(embedded, where)["model_id"])
    sidecar = f"{described_in}{model_id}.json"
    described = _read_sidecar(sidecar)
    if described is None:
        return _checked({**embedded, "model_id": model_id}, where)
    merged = _overlay(embedded, described)
    if merged.get("model_id") != model_id:
        raise MetadataError(
            f"{sidecar}: $.model_id: is {merged.get('model_id')!r}, the file names say "
            f"{model_id!r}. Mend the one that is wrong."
        )
    return _checked(merged, sidecar)


def _read_sidecar(path: str) -> dict[str, Any] | None:
    """Return what a sidecar holds, or None where there is none."""
    from raxe_core.strict_json import parse_json

    try:
        value = parse_json(read_regular(path, MAX_METADATA_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise MetadataError(f"{path}: cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        raise MetadataError(f"{path}: {error}. Mend the file, or remove it.") from None
    if not isinstance(value, dict):
        raise MetadataError(f"{path}: $: expected an object. Mend the file, or remove it.")
    return value


def _checked(metadata: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the metadata if it fits its schema; the converter says what is wrong with it."""
    from raxe_core.metadata_schema import fits_schema

    if not fits_schema(metadata):
        from raxe_core.metadata import ModelMetadata, structure

        structure(metadata, ModelMetadata, where)
    return metadata


def _overlay(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Lay one metadata object over another; its sections are laid over each other in turn."""
    merged = {**below, **above}
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            merged[key] = {**below[key], **value}
    return merged


def _unreadable(folder: Path, source: str, error: Exception) -> Model:
    fault = getattr(error, "strerror", None) or error
    reason = f"{folder}: cannot be read: {fault}. Mend the path, or remove it."
    return _broken(folder.name or str(folder), source, None, reason)


def _broken(name: str, source: str, path: str | None, reason: str) -> Model:
    """Return an entry that is listed as invalid, under an id made from ``name``."""
    model_id = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:63]
    if not model_id[:1].isalnum():
        model_id = f"x{model_id}"
    version, _, variant = model_id.partition("_")
    number = re.fullmatch(r"v?(\d+(?:\.\d+){0,3})", version)
    metadata = {
        "model_id": model_id,
        "name": model_id,
        "version": number[1] if number else "0",
        "variant": variant if variant[:1].isalnum() else "unknown",
    }
    return Model(metadata, source, path, reason)
