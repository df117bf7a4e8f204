"""Model: one entry of the registry."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from raxe_core.metadata import Accuracy, ModelMetadata, Performance, Requirements

__all__ = ["Model", "RuntimeOptions"]


class Model:
    """One entry of the registry.

    ``bundle_path`` is its ``.raxe`` file (None for a plugin's model without one), ``source`` the
    folder or distribution it comes from. A broken entry has a ``problem``, the reason in words; its
    metadata is then no more than what the file name tells.

    ``metadata`` may be given as JSON types that are known to fit the schema. They are structured
    when they are asked for: listing a thousand models needs a few fields of each.
    """

    def __init__(
        self,
        metadata: ModelMetadata | Mapping[str, Any],
        source: str,
        bundle_path: Path | None = None,
        problem: str | None = None,
    ) -> None:
        self._metadata = dict(metadata) if isinstance(metadata, Mapping) else metadata
        self.source = source
        self.bundle_path = bundle_path
        self.problem = problem
        #: Figures of ``performance`` that this machine has measured; they win over claims.
        self.measured: Mapping[str, float] = {}
        #: Whether an installed package brought the model, and not a drop-in folder.
        self.from_package = False
        #: The digest of the manifest that was validated or signed, where one was: the bundle opens
        #: with no other, and what is read of it has the digests that stand there.
        self.manifest_digest: str | None = None
        #: The id, ``{version}_{variant}`` by convention: ``v1.0_onnx_int8``.
        self.model_id = self._text("model_id")

    def __repr__(self) -> str:
        return f"Model({self.model_id!r}, source={self.source!r}, status={self.status!r})"

    @property
    def metadata(self) -> ModelMetadata:
        """All that the model says of itself."""
        if not isinstance(self._metadata, dict):
            return self._metadata
        from raxe_core.metadata import ModelMetadata, structure

        self._metadata = structure(self._metadata, ModelMetadata, str(self.bundle_path))
        return self._metadata

    @property
    def metadata_json(self) -> Mapping[str, Any]:
        """The metadata as JSON types."""
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
    def status(self) -> str:
        """``active``, ``experimental``, ``deprecated``, or ``invalid`` for a broken entry."""
        return self._text("status", "active") if self.is_valid else "invalid"

    @property
    def runtime(self) -> str:
        """What executes the weights: ``onnx``, ``torch``, a third party's."""
        if isinstance(self._metadata, dict):
            return str(self._metadata.get("requirements", {}).get("runtime", "onnx"))
        return self._metadata.requirements.runtime

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
        if section == "performance" and field in self.measured:
            return self.measured[field]
        if isinstance(self._metadata, dict):
            value = self._metadata.get(section, {}).get(field)
        else:
            value = getattr(getattr(self._metadata, section), field)
        return None if value is None else float(value)

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
        if isinstance(self._metadata, dict):
            return str(self._metadata.get(field, default))
        return str(getattr(self._metadata, field))

    def _section(self, field: str, cls: Any) -> Any:
        if isinstance(self._metadata, dict):
            return cls(**self._metadata.get(field, {}))
        return getattr(self._metadata, field)


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
