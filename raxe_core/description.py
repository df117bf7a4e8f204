"""What the files of a model say of it: the manifest in its bundle, and the sidecar over that."""

from __future__ import annotations

from typing import Any

from raxe_core.bundle import Bundle
from raxe_core.errors import MetadataError
from raxe_core.files import read_regular
from raxe_core.metadata_schema import fits_schema
from raxe_core.strict_json import parse_json

__all__ = ["read_description"]

MAX_METADATA_BYTES = 64 << 10


def read_description(path: str, described_in: str, model_id: str | None) -> dict[str, Any]:
    """Return the metadata of a bundle with its sidecar laid over it, checked, as JSON types.

    ``described_in`` is the folder of the sidecars as text, with the separator. Without a
    ``model_id``, which a file of the usual name has, it is that of the manifest.

    Raises:
        BundleError: the bundle cannot be read, or breaks the format.
        MetadataError: what it or its sidecar says does not fit the schema.
    """
    with Bundle(path) as bundle:
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
