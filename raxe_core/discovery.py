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

from raxe_core.errors import BundleError, InvalidModelError
from raxe_core.index import FileState, Index, scan_folder, to_json
from raxe_core.model import Model, StoredMetadata, summary_of

if TYPE_CHECKING:
    from raxe_core.bundle import Bundle

__all__ = ["bundle_filename", "discover_folder", "model_from_file", "open_bundle"]

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
                models.append(model_from_file(folder / name, source))
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
            models.append(_broken(model_id, source, reason))
    return models


def model_from_file(path: Path, source: str) -> Model:
    """Return the model of one bundle file; what is wrong with it is in its ``problem``."""
    metadata, problem = _read(str(path).removesuffix(path.name), path.name)
    return Model(metadata, source, path, problem)


def open_bundle(model: Model) -> Bundle:
    """Open the bundle of a model, after its checksum if the metadata claims one.

    Raises:
        BundleError: the model has no bundle, it breaks the format, or its checksum differs.
    """
    from raxe_core.bundle import Bundle
    from raxe_core.checksums import check_checksum

    if model.bundle_path is None:
        raise BundleError(f"Model {model.model_id} has no bundle file.")
    bundle = Bundle(model.bundle_path)
    if model.manifest_digest not in (None, bundle.manifest_digest()):
        bundle.close()
        raise BundleError(f"{model.bundle_path}: changed since it was validated. Try again.")
    if model.claimed_checksum is not None:
        try:
            check_checksum(bundle, model.claimed_checksum)
        except BaseException:
            bundle.close()
            raise
    return bundle


def _indexed(
    inside: str, name: str, source: str, index: Index, states: list[FileState | None]
) -> Model:
    """Return the model from the index, after reading its files if they are not those of there."""
    found = index.get(name, states)
    if found is None:
        metadata, problem = _read(inside, name)
        found = (problem, summary_of(metadata), to_json(metadata))
        index.put(name, states, found)
    problem, summary, text = found
    return Model(StoredMetadata(summary, text), source, inside + name, problem)


def _read(inside: str, name: str) -> tuple[dict[str, Any], str | None]:
    """Return what the files of a model say of it, and what is wrong with them.

    ``inside`` is the folder as text, with the separator: a ``Path`` for each file of a thousand
    models takes as long as reading it.
    """
    from raxe_core.description import read_description  # not at the top: an index needs no archives

    path = inside + name
    match = _FILE_NAME.fullmatch(name)
    model_id = match[1] if match else None
    try:
        metadata = read_description(path, f"{inside}metadata{os.sep}", model_id)
    except InvalidModelError as error:
        return _unknown(model_id or Path(name).stem), str(error)
    claimed = metadata.get("file_info", {}).get("filename")
    if claimed is None or claimed == name:
        return metadata, None
    reason = f"{path}: its metadata describes the file {claimed!r}. Mend file_info.filename."
    return metadata, reason


def _unreadable(folder: Path, source: str, error: Exception) -> Model:
    fault = getattr(error, "strerror", None) or error
    reason = f"{folder}: cannot be read: {fault}. Mend the path, or remove it."
    return _broken(folder.name or str(folder), source, reason)


def _broken(name: str, source: str, reason: str) -> Model:
    """Return an entry without a bundle that is listed as invalid."""
    return Model(_unknown(name), source, problem=reason)


def _unknown(name: str) -> dict[str, Any]:
    """Return the metadata of an entry of which no more is known than a name."""
    model_id = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:63]
    if not model_id[:1].isalnum():
        model_id = f"x{model_id}"
    version, _, variant = model_id.partition("_")
    number = re.fullmatch(r"v?(\d+(?:\.\d+){0,3})", version)
    return {
        "model_id": model_id,
        "name": model_id,
        "version": number[1] if number else "0",
        "variant": variant if variant[:1].isalnum() else "unknown",
    }
