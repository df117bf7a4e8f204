"""The manifest of a bundle: what goes into the model, what comes out, and which files it has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from raxe_core.archive import MEMBER_NAME
from raxe_core.errors import MetadataError
from raxe_core.metadata import ModelMetadata, structure, unstructure

__all__ = ["FORMAT_VERSION", "InputSpec", "Manifest", "Member", "OutputHead", "Outputs"]

FORMAT_VERSION = 1
ACTIVATIONS = ("softmax", "sigmoid")


def _require(condition: bool, field: str, reason: str) -> None:
    if not condition:
        raise ValueError(f"{field} {reason}")


@attrs.frozen
class Member:
    """One file of the bundle: size in bytes, SHA-256 as 64 hex digits."""

    name: str
    sha256: str
    size: int

    def __attrs_post_init__(self) -> None:
        _require(bool(MEMBER_NAME.fullmatch(self.name)), "name", "is not a plain file name")
        _require(bool(re.fullmatch(r"[0-9a-f]{64}", self.sha256)), "sha256", "is not 64 hex digits")
        _require(self.size >= 0, "size", "is negative")


@attrs.frozen
class InputSpec:
    """How a text becomes model input.

    ``max_tokens`` is the window's length with its special tokens; a longer text is read in
    windows that share ``window_overlap`` tokens.
    """

    max_tokens: int = 256
    window_overlap: int = 64

    def __attrs_post_init__(self) -> None:
        _require(8 <= self.max_tokens <= 131_072, "max_tokens", "is not from 8 to 131,072")
        fits = 0 <= self.window_overlap <= self.max_tokens // 2
        _require(fits, "window_overlap", "is not from 0 to half of max_tokens")


@attrs.frozen
class OutputHead:
    """One classification head: logits of shape ``[batch, len(labels)]`` in the output ``tensor``.

    Probabilities are ``activation(logits / temperature)``. ``threat_labels`` and ``threshold``
    belong to the binary head: a text is a threat when the probabilities of its threat labels
    (softmax: their sum, sigmoid: the largest) reach the threshold.
    """

    tensor: str
    labels: tuple[str, ...]
    activation: str = "softmax"
    temperature: float = 1.0
    threat_labels: tuple[str, ...] = ()
    threshold: float = 0.5

    def __attrs_post_init__(self) -> None:
        _require(len(self.labels) > 0, "labels", "is empty")
        _require(len(set(self.labels)) == len(self.labels), "labels", "names a label twice")
        _require(self.activation in ACTIVATIONS, "activation", f"is not one of {ACTIVATIONS}")
        _require(self.temperature > 0, "temperature", "is not above 0")
        _require(0 <= self.threshold <= 1, "threshold", "is not from 0 to 1")
        stray = set(self.threat_labels) - set(self.labels)
        _require(not stray, "threat_labels", f"names {sorted(stray)}, which labels does not have")


@attrs.frozen
class EmbeddingOutput:
    """The output ``tensor`` with a vector of shape ``[batch, dimensions]``."""

    tensor: str


@attrs.frozen
class Outputs:
    """The heads. Only ``binary`` is required; subfamily labels are written ``FAMILY/name``."""

    binary: OutputHead
    family: OutputHead | None = None
    subfamily: OutputHead | None = None
    embedding: EmbeddingOutput | None = None

    def __attrs_post_init__(self) -> None:
        _require(len(self.binary.threat_labels) > 0, "binary.threat_labels", "is empty")


@attrs.frozen
class Manifest:
    """``manifest.json``: the bundle's table of contents and contract."""

    format_version: int
    metadata: ModelMetadata
    outputs: Outputs
    input: InputSpec = InputSpec()
    members: tuple[Member, ...] = ()

    def member(self, name: str) -> Member | None:
        """Return the member of this name, or None."""
        return next((member for member in self.members if member.name == name), None)


def structure_manifest(value: Any, where: str) -> Manifest:
    """Turn parsed JSON into a manifest.

    Raises:
        MetadataError: wrong format version, or not what the format asks for.
    """
    if isinstance(value, Mapping):
        version = value.get("format_version")
        if version != FORMAT_VERSION:
            raise MetadataError(
                f"{where}: $.format_version is {version!r}, this raxe reads {FORMAT_VERSION}. "
                "Pack the model again, or update raxe."
            )
        if not isinstance(value.get("members", []), list):
            raise MetadataError(f"{where}: $.members: expected a list. Pack the model again.")
    return structure(value, Manifest, where)


def manifest_json(manifest: Manifest) -> dict[str, Any]:
    """Return the manifest as JSON types, ready to be written."""
    return unstructure(manifest)
