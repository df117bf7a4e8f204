"""Put a bundle in place: verified first, then in one step."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from raxe_core.bundle import Bundle, pack
from raxe_core.checksums import compare_checksum
from raxe_core.description import MAX_METADATA_BYTES
from raxe_core.discovery import bundle_filename, model_from_file, open_bundle
from raxe_core.errors import BundleError, UsageError
from raxe_core.files import atomic_write, locked, raxe_home, read_regular, replacing
from raxe_core.model import Model
from raxe_core.plugin_status import CORE
from raxe_core.plugins import PluginHost
from raxe_core.signing import MAX_SIGNATURE_BYTES, signature_path

__all__ = ["add_model", "write_pack"]


def write_pack(folder: Path, destination: Path | None = None) -> Path:
    """Pack ``folder`` and return the bundle's path: ``destination``, or its own name beside it.

    Raises:
        InvalidModelError: as :func:`raxe_core.bundle.pack`.
        UsageError: the destination cannot be written.
    """
    manifest, data = pack(folder)
    name = bundle_filename(manifest.metadata["model_id"])
    path = destination or folder.resolve().parent / name
    try:
        atomic_write(path, data)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}.") from None
    return path


def add_model(source: Path, replace: bool = False) -> Model:
    """Put a bundle, or a folder to be packed, into ``$RAXE_HOME/models`` and return its model.

    A sidecar ``metadata/{model_id}.json`` and a signature beside the bundle come with it, in a
    second step: until then a new model is described by its own manifest, and unsigned.

    Raises:
        InvalidModelError: the bundle or its metadata is broken; nothing is changed.
        UsageError: there is no such file, the model is there already and ``replace`` is false, an
            installed package owns its id, or a file cannot be read or written.
    """
    folder = raxe_home() / "models"
    try:
        if not source.exists():
            raise UsageError(f"{source}: there is no such file or folder. Mend the path.")
        add = _add_folder if source.is_dir() else _add_file
        path = add(source, folder, replace)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror or error}.") from None
    return model_from_file(path, source=str(folder))


def _add_folder(source: Path, folder: Path, replace: bool) -> Path:
    manifest, data = pack(source)
    with _placing(manifest.metadata["model_id"], folder, None, replace) as bundle:
        bundle.write_bytes(data)
    return folder / bundle_filename(manifest.metadata["model_id"])


def _add_file(source: Path, folder: Path, replace: bool) -> Path:
    model = model_from_file(source, source=str(source.parent))
    if model.problem is not None:
        raise BundleError(model.problem)
    with open_bundle(model) as opened:
        # Of this very file, whatever is remembered of its content.
        if model.claimed_checksum is not None:
            compare_checksum(opened, model.claimed_checksum)
        opened.verify()
        digest = opened.digest()
    with _placing(model.model_id, folder, source, replace) as bundle:
        shutil.copyfile(source, bundle)
        with Bundle(bundle) as copy:
            if copy.digest() != digest:
                raise BundleError(f"{source} changed while it was read. Try again.")
    return folder / bundle_filename(model.model_id)


@contextmanager
def _placing(model_id: str, folder: Path, source: Path | None, replace: bool) -> Iterator[Path]:
    """Give a file to fill with a bundle; at the end, put it and what is beside it in place.

    ``source`` is the bundle that it is a copy of, None for one that is new.
    """
    _check_id(model_id)
    path = folder / bundle_filename(model_id)
    places = _beside(path, model_id)
    given = zip(places, _beside(source, model_id), strict=True) if source is not None else ()
    copied = {place: _content(file) for place, file in given if file.exists()}
    with locked(folder):
        if path.exists() and not replace:
            raise UsageError(
                f"{path} is there already. Use --replace to put the new one in its place."
            )
        with ExitStack() as together:
            for place, content in copied.items():
                together.enter_context(replacing(place)).write_bytes(content)
            yield together.enter_context(replacing(path))  # the last to be entered is placed first
        for place in places:
            if place not in copied:  # that of the model that is replaced
                place.unlink(missing_ok=True)


def _check_id(model_id: str) -> None:
    """Refuse the id of a package's model: the package keeps it, and the bundle would be invalid."""
    for plugin, model in PluginHost().discover_models(()):
        if plugin != CORE and model.is_valid and model.model_id == model_id:
            raise UsageError(
                f"The id {model_id!r} belongs to a model of the installed package {plugin}. "
                "Give this model another id, or uninstall the package."
            )


def _content(file: Path) -> bytes:
    limit = max(MAX_METADATA_BYTES, MAX_SIGNATURE_BYTES)
    try:
        return read_regular(file, limit)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{file}: cannot be read: {reason}. Mend it, or remove it.") from None


def _beside(bundle: Path, model_id: str) -> tuple[Path, Path]:
    """Return where the sidecar and the signature of a bundle are."""
    return bundle.parent / "metadata" / f"{model_id}.json", signature_path(bundle)
