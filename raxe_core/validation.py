"""Validate a model: seven checks, from the file to an inference, each with its reason."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import attrs

from raxe_core.archive import MAX_BYTES
from raxe_core.bundle import Bundle
from raxe_core.content import check_content
from raxe_core.errors import BundleError, MetadataError, RaxeError
from raxe_core.files import file_digest
from raxe_core.model import Model
from raxe_core.plugins import PluginHost
from raxe_core.trial import try_model
from raxe_core.trust import Trust
from raxe_core.validated import remember

__all__ = ["Check", "validate"]

NAMES = (
    "File exists",
    "Checksum matches",
    "Bundle structure valid",
    "Metadata schema valid",
    "Runtime dependencies available",
    "Can load detector",
    "Can run inference",
)
SIGNED = "Signature trusted"


@attrs.frozen
class Check:
    """One check: ``passed`` is None when an earlier failure kept it from being made."""

    name: str
    passed: bool | None
    detail: str = ""


def validate(model: Model, host: PluginHost, trust: Trust | None = None) -> list[Check]:
    """Make the seven checks, in order; from the first failure on the rest is skipped.

    A policy that requires a signature adds a check of that, before anything is loaded. The last
    three run in a limited process. A model that passes is remembered, as by its first use.
    """
    signed = (SIGNED,) if trust is not None and trust.required else ()
    names = (*NAMES[:2], *signed, *NAMES[2:])
    checks: list[Check] = []
    details = _details(copy.copy(model), host, trust)
    try:
        for name, detail in zip(names, details, strict=True):
            checks.append(Check(name, True, detail))
    except RaxeError as error:
        checks.append(Check(names[len(checks)], False, str(error)))
    return checks + [Check(name, None) for name in names[len(checks) :]]


def _details(model: Model, host: PluginHost, trust: Trust | None) -> Iterator[str]:
    """Make one check after the other; yield the detail of each that passes."""
    yield _file_exists(model)
    yield _checksum_matches(model)
    if trust is not None and trust.required:
        model = trust.admitted(model)
        yield str(trust.signature(model))
    yield _structure_valid(model)
    yield _metadata_valid(model)
    yield from try_model(model, host)
    remember(model, host)


def _file_exists(model: Model) -> str:
    if model.bundle_path is None or not model.bundle_path.is_file():
        raise BundleError(model.problem or f"{model.bundle_path or model.source}: no such file.")
    return model.bundle_path.name


def _checksum_matches(model: Model) -> str:
    assert model.bundle_path is not None
    try:
        found = file_digest(model.bundle_path, MAX_BYTES)
    except OSError as error:
        raise BundleError(f"{model.bundle_path}: {error.strerror or error}.") from None
    claimed = model.metadata.file_info.checksum
    if claimed is None:
        return f"{found} (the metadata claims none)"
    if claimed != found:
        raise BundleError(f"the file is {found}, the metadata says {claimed}. Get the file again.")
    return found


def _structure_valid(model: Model) -> str:
    """Whatever is loaded later has the content that is checked here."""
    assert model.bundle_path is not None
    try:
        with Bundle(model.bundle_path) as bundle:
            check_content(bundle)
            model.manifest_digest = bundle.manifest_digest()
            return f"{len(bundle.manifest.members)} members"
    except MetadataError:
        if model.problem is None:  # a sidecar mends what the manifest says, and it stays wrong
            raise
        return "archive only; the manifest is judged next"


def _metadata_valid(model: Model) -> str:
    if model.problem is not None:
        raise MetadataError(model.problem)
    return ""
