"""Model: one entry of the registry."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from raxe_core.metadata import Accuracy, ModelMetadata, Performance, Requirements

__all__ = ["Model", "RuntimeOptions", "StoredMetadata", "summary_of"]


TEXTS = ("model_id", "name", "version", "variant", "status")
#: The figures that models are compared by; no two sections have one of the same name.
FIGURES = {
    "file_info": ("size_mb",),
    "performance": (
        "target_latency_ms",
        "p50_latency_ms",
        "p95_latency_ms",
        "p99_latency_ms",
        "throughput_per_sec",
        "memory_mb",
    ),
    "accuracy": (
        "binary_f1",
        "family_f1",
        "subfamily_f1",
        "false_positive_rate",
        "false_negative_rate",
    ),
}


class StoredMetadata(NamedTuple):
    """Metadata as an index stores it: the summary of :attr:`Model.summary`, and all as JSON."""

    summary: dict[str, Any]
    text: bytes


class Model:
    """One entry of the registry.

    ``source`` is the folder or distribution it comes from. A broken entry has a ``problem``, the
    reason in words; its metadata is then no more than what the file name tells.

    ``metadata`` may be given as JSON types that are known to fit the schema, or as an index stores
    them. They are structured, or even parsed, when they are asked for: listing a thousand models
    needs a few fields of each.
    """

    #: Figures of ``performance`` that this machine has measured; they win over claims.
    measured: Mapping[str, float] = MappingProxyType({})
    #: Whether an installed package brought the model, and not a drop-in folder.
    from_package = False
    #: The digest of the manifest that was validated or signed, where one was: the bundle opens
    #: with no other, and what is read of it has the digests that stand there.
    manifest_digest: str | None = None

    def __init__(
        self,
        metadata: ModelMetadata | Mapping[str, Any] | StoredMetadata,
        source: str,
        bundle_path: Path | str | None = None,
        problem: str | None = None,
    ) -> None:
        self._metadata: ModelMetadata | dict[str, Any] | bytes
        if isinstance(metadata, StoredMetadata):
            self._summary, self._metadata = metadata
        else:
            self._metadata = dict(metadata) if isinstance(metadata, Mapping) else metadata
            self._summary = summary_of(self._metadata)
        self._bundle_path = bundle_path
        self.source = source
        self.problem = problem
        #: The id, ``{version}_{variant}`` by convention: ``v1.0_onnx_int8``.
        self.model_id = self._text("model_id")
        #: ``active``, ``experimental``, ``deprecated``, or ``invalid`` for a broken entry.
        self.status = self._text("status", "active") if problem is None else "invalid"

    def __repr__(self) -> str:
        return f"Model({self.model_id!r}, source={self.source!r}, status={self.status!r})"

    @property
    def bundle_path(self) -> Path | None:
        """The ``.raxe`` file; None for a plugin's model without one."""
        if isinstance(self._bundle_path, str):
            self._bundle_path = Path(self._bundle_path)
        return self._bundle_path

    @property
    def bundle_name(self) -> str | None:
        """``bundle_path`` as text: a ``Path`` for each of a thousand models takes its time."""
        return None if self._bundle_path is None else str(self._bundle_path)

    @property
    def summary(self) -> dict[str, Any]:
        """What lists and selection read, as JSON types: texts and figures by the field's name."""
        return self._summary

    @property
    def metadata(self) -> ModelMetadata:
        """All that the model says of itself."""
        if isinstance(self._metadata, bytes | dict):
            from raxe_core.metadata import ModelMetadata, structure

            where = str(self.bundle_path)
            self._metadata = structure(self.metadata_json, ModelMetadata, where)
        return self._metadata

    @property
    def metadata_json(self) -> Mapping[str, Any]:
        """The metadata as JSON types."""
        if isinstance(self._metadata, bytes):
            self._metadata = json.loads(self._metadata)
        if isinstance(self._metadata, dict):
            return self._metadata
        from raxe_core.metadata import unstructure

        return unstructure(self._metadata)

    @property
    def is_valid(self) -> bool:
        """Whether the entry can be used, as far as its metadata and archive tell."""
        return self.problem is None

    @property
    def name(self) -> str:
        """The name for people."""
        return self._text("name")

    @property
    def version(self) -> str:
        """The model's version: ``1.0.0``."""
        return self._text("version")

    @property
    def variant(self) -> str:
        """The variant: ``onnx_int8``."""
        return self._text("variant")

    @property
    def runtime(self) -> str:
        """What executes the weights: ``onnx``, ``torch``, a third party's."""
        return str(self._summary["runtime"])

    @property
    def claimed_checksum(self) -> str | None:
        """The checksum of the bundle's file, as the metadata claims it."""
        checksum: str | None = self.metadata_json.get("file_info", {}).get("checksum")
        return checksum

    @property
    def performance(self) -> Performance:
        """Speed and memory as the metadata claims them."""
        from raxe_core.metadata import Performance

        return self._section("performance", Performance)  # type: ignore[no-any-return]

    @property
    def accuracy(self) -> Accuracy:
        """Quality as the metadata claims it."""
        from raxe_core.metadata import Accuracy

        return self._section("accuracy", Accuracy)  # type: ignore[no-any-return]

    @property
    def requirements(self) -> Requirements:
        """What the model needs to run."""
        from raxe_core.metadata import Requirements

        return self._section("requirements", Requirements)  # type: ignore[no-any-return]

    def figure(self, section: str, field: str) -> float | None:
        """Return one figure of ``performance`` or ``accuracy``, or None where there is none.

        What this machine measured wins over what the metadata claims.
        """
        if self.measured and section == "performance" and field in self.measured:
            return self.measured[field]
        value = self._summary.get(field)
        return None if value is None or field not in FIGURES[section] else float(value)

    def check_listed(self) -> None:
        """Check what a list shows; metadata that is asked for later is checked then.

        Raises:
            TypeError, ValueError: a plugin made this entry of something else.
        """
        if not isinstance(self.source, str) or not isinstance(self.problem, str | None):
            raise TypeError("returned a Model whose source or problem is no text")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", self.model_id):
            raise ValueError(f"returned a Model whose id is {self.model_id[:80]!r}")
        if self.status not in ("active", "experimental", "deprecated", "invalid"):
            raise ValueError(f"returned a Model whose status is {self.status[:80]!r}")
        for section, field in (("performance", "p95_latency_ms"), ("accuracy", "binary_f1")):
            self.figure(section, field)
        if not self.runtime:
            raise ValueError("returned a Model without a runtime")
        if isinstance(self._metadata, dict):
            json.dumps(self._metadata, allow_nan=False)

    def _text(self, field: str, default: str = "") -> str:
        return str(self._summary.get(field, default))

    def _section(self, field: str, cls: Any) -> Any:
        if isinstance(self._metadata, bytes | dict):
            return cls(**self.metadata_json.get(field, {}))
        return getattr(self._metadata, field)


def summary_of(metadata: ModelMetadata | dict[str, Any]) -> dict[str, Any]:
    """Return what lists and selection read of metadata, as :attr:`Model.summary`."""
    if not isinstance(metadata, dict):
        import attrs

        metadata = attrs.asdict(metadata)
    summary = {field: metadata[field] for field in TEXTS if field in metadata}
    summary["runtime"] = metadata.get("requirements", {}).get("runtime", "onnx")
    for section, fields in FIGURES.items():
        known = metadata.get(section, {}).items()
        summary.update({field: value for field, value in known if field in fields})
    return summary


class RuntimeOptions(NamedTuple):
    """How a runtime is to run a model.

    ``threads`` is the number of threads for one inference, 1 by default: several texts in several
    threads or processes give more throughput than several threads on one text. ``device`` is
    ``auto``, ``cpu`` or ``cuda``. ``precision`` is ``float32`` or ``bfloat16``, for runtimes that
    can choose; a model whose file fixes the precision runs in that.
    """

    threads: int = 1
    device: str = "auto"
    precision: str = "float32"
