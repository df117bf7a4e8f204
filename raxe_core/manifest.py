"""The manifest of a bundle: what goes into the model, what comes out, and which files it has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from raxe_core.archive import MEMBER_NAME
from raxe_core.errors import MetadataError
from raxe_core.strict_record import Read, number, optional, read_record, text, texts, whole

__all__ = [
    "FORMAT_VERSION",
    "InputSpec",
    "Manifest",
    "Member",
    "OutputHead",
    "Outputs",
    "manifest_json",
    "read_manifest",
    "structure_manifest",
]

FORMAT_VERSION = 1
ACTIVATIONS = ("softmax", "sigmoid")


class Member(NamedTuple):
    """One file of the bundle: size in bytes, SHA-256 as 64 hex digits."""

    name: str
    sha256: str
    size: int


class InputSpec(NamedTuple):
    """How a text becomes model input.

    ``max_tokens`` is the window's length with its special tokens; a longer text is read in
    windows that share ``window_overlap`` tokens.
    """

    max_tokens: int = 256
    window_overlap: int = 64


class OutputHead(NamedTuple):
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


class EmbeddingOutput(NamedTuple):
    """The output ``tensor`` with a vector of shape ``[batch, dimensions]``."""

    tensor: str


class Outputs(NamedTuple):
    """The heads. Only ``binary`` is required; subfamily labels are written ``FAMILY/name``."""

    binary: OutputHead
    family: OutputHead | None = None
    subfamily: OutputHead | None = None
    embedding: EmbeddingOutput | None = None


class Manifest(NamedTuple):
    """``manifest.json``: the bundle's table of contents and contract.

    ``metadata`` is as JSON types; :class:`~raxe_core.ModelMetadata` is its schema.
    """

    format_version: int
    metadata: Mapping[str, Any]
    outputs: Outputs
    input: InputSpec = InputSpec()
    members: tuple[Member, ...] = ()

    def member(self, name: str) -> Member | None:
        """Return the member of this name, or None."""
        return next((member for member in self.members if member.name == name), None)


def read_manifest(value: Any, where: str) -> Manifest:
    """Turn parsed JSON into a manifest, all of it but the metadata checked.

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
    try:
        return read_record(Manifest, _MANIFEST, value, "$")
    except ValueError as error:
        raise MetadataError(f"{where}: {error}. Mend the value, or remove it.") from None


def structure_manifest(value: Any, where: str) -> Manifest:
    """Turn parsed JSON into a manifest; its metadata is checked, and what is unset left out.

    Raises:
        MetadataError: as :func:`read_manifest`, or the metadata does not fit its schema.
    """
    from raxe_core.metadata import ModelMetadata, structure, unstructure

    manifest = read_manifest(value, where)
    metadata = structure(manifest.metadata, ModelMetadata, where, "$.metadata")
    return manifest._replace(metadata=unstructure(metadata))


def manifest_json(manifest: Manifest) -> dict[str, Any]:
    """Return the manifest as JSON types, ready to be written; what is unset is left out."""
    heads = {
        name: head._asdict()
        for name, head in manifest.outputs._asdict().items()
        if head is not None
    }
    return {
        "format_version": manifest.format_version,
        "metadata": dict(manifest.metadata),
        "outputs": heads,
        "input": manifest.input._asdict(),
        "members": [member._asdict() for member in manifest.members],
    }


def _require(condition: bool, path: str, field: str, reason: str) -> None:
    if not condition:
        raise ValueError(f"{path}: {field} {reason}")


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{path}: expected an object, found {type(value).__name__}")
    return value


def _member(value: Any, path: str) -> Member:
    member = read_record(Member, {"name": text, "sha256": text, "size": whole}, value, path)
    _require(bool(MEMBER_NAME.fullmatch(member.name)), path, "name", "is not a plain file name")
    is_digest = bool(re.fullmatch(r"[0-9a-f]{64}", member.sha256))
    _require(is_digest, path, "sha256", "is not 64 hex digits")
    _require(member.size >= 0, path, "size", "is negative")
    return member


def _members(value: Any, path: str) -> tuple[Member, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{path}: expected a list, found {type(value).__name__}")
    return tuple(_member(item, f"{path}[{number}]") for number, item in enumerate(value))


def _input(value: Any, path: str) -> InputSpec:
    spec = read_record(InputSpec, {"max_tokens": whole, "window_overlap": whole}, value, path)
    fits = 8 <= spec.max_tokens <= 131_072
    _require(fits, path, "max_tokens", "is not from 8 to 131,072")
    fits = 0 <= spec.window_overlap <= spec.max_tokens // 2
    _require(fits, path, "window_overlap", "is not from 0 to half of max_tokens")
    return spec


def _head(value: Any, path: str) -> OutputHead:
    head = read_record(OutputHead, _HEAD, value, path)
    _require(len(head.labels) > 0, path, "labels", "is empty")
    _require(len(set(head.labels)) == len(head.labels), path, "labels", "names a label twice")
    known = head.activation in ACTIVATIONS
    _require(known, path, "activation", f"is not one of {ACTIVATIONS}")
    _require(head.temperature > 0, path, "temperature", "is not above 0")
    _require(0 <= head.threshold <= 1, path, "threshold", "is not from 0 to 1")
    stray = sorted(set(head.threat_labels) - set(head.labels))
    _require(not stray, path, "threat_labels", f"names {stray}, which labels does not have")
    return head


def _embedding(value: Any, path: str) -> EmbeddingOutput:
    return read_record(EmbeddingOutput, {"tensor": text}, value, path)


def _outputs(value: Any, path: str) -> Outputs:
    outputs = read_record(Outputs, _OUTPUTS, value, path)
    _require(len(outputs.binary.threat_labels) > 0, path, "binary.threat_labels", "is empty")
    families = () if outputs.family is None else outputs.family.labels
    _require("threat" not in families, path, "family.labels", "has 'threat', the name of the score")
    return outputs


_HEAD: dict[str, Read] = {
    "tensor": text,
    "labels": texts,
    "activation": text,
    "temperature": number,
    "threat_labels": texts,
    "threshold": number,
}
_OUTPUTS: dict[str, Read] = {
    "binary": _head,
    "family": optional(_head),
    "subfamily": optional(_head),
    "embedding": optional(_embedding),
}
_MANIFEST: dict[str, Read] = {
    "format_version": whole,
    "metadata": _object,
    "outputs": _outputs,
    "input": _input,
    "members": _members,
}
