"""Put a bundle in place: verified first, then in one step."""

from __future__ import annotations

import shutil
from pathlib import Path

from raxe_core.bundle import Bundle, pack
from raxe_core.discovery import bundle_filename, model_from_file, open_bundle
from raxe_core.errors import BundleError, UsageError
from raxe_core.files import atomic_write, raxe_home, replacing
from raxe_core.model import Model

__all__ = ["add_model", "write_pack"]


def write_pack(folder: Path, destination: Path | None = None) -> Path:
    """Pack ``folder`` and return the bundle's path: ``destination``, or its own name beside it.

    Raises:
        InvalidModelError: as :func:`raxe_core.bundle.pack`.
        UsageError: the destination cannot be written.
    """
    manifest, data = pack(folder)
    name = bundle_filename(manifest.metadata.model_id)
    path = destination or folder.resolve().parent / name
    try:
        atomic_write(path, data)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}.") from None
    return path


def add_model(source: Path, replace: bool = False) -> Model:
    """Put a bundle, or a folder to be packed, into ``$RAXE_HOME/models`` and return its model.

    A sidecar ``metadata/{model_id}.json`` beside the bundle comes with it.

    Raises:
        InvalidModelError: the bundle or its metadata is broken; nothing is changed.
        UsageError: the model is there already and ``replace`` is false, or the folder cannot be
            written.
    """
    folder = raxe_home() / "models"
    try:
        if source.is_dir():
            manifest, data = pack(source)
            path = folder / bundle_filename(manifest.metadata.model_id)
            _refuse_to_overwrite(path, replace)
            atomic_write(path, data)
        else:
            path = _copy(source, folder, replace)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror or error}.") from None
    return model_from_file(path, source=str(folder))


def _copy(source: Path, folder: Path, replace: bool) -> Path:
    model = model_from_file(source, source=str(source.parent))
    if model.problem is not None:
        raise BundleError(model.problem)
    path = folder / bundle_filename(model.model_id)
    _refuse_to_overwrite(path, replace)
    with open_bundle(model) as bundle:  # this checks the checksum, too
        bundle.verify()
        digest = bundle.digest()
    with replacing(path) as temporary:
        shutil.copyfile(source, temporary)
        with Bundle(temporary) as copy:
            if copy.digest() != digest:
                raise BundleError(f"{source} changed while it was read. Try again.")
        sidecar = source.parent / "metadata" / f"{model.model_id}.json"
        if sidecar.exists():
            with replacing(folder / "metadata" / sidecar.name) as temporary_sidecar:
                shutil.copyfile(sidecar, temporary_sidecar)
        else:  # that of the model that is replaced
            (folder / "metadata" / sidecar.name).unlink(missing_ok=True)
    return path


def _refuse_to_overwrite(path: Path, replace: bool) -> None:
    if path.exists() and not replace:
        raise UsageError(f"{path} is there already. Use --replace to put the new one in its place.")
