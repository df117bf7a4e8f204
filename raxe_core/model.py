"""Model: one entry of the registry."""

from __future__ import annotations

from pathlib import Path

import attrs

from raxe_core.metadata import Accuracy, ModelMetadata, Performance, Requirements

__all__ = ["Model", "RuntimeOptions"]


@attrs.frozen
class Model:
    """One entry of the registry.

    ``bundle_path`` is its ``.raxe`` file (None for a plugin's model without one), ``source`` the
    folder or distribution it comes from. A broken entry has a ``problem``, the reason in words; its
    metadata is then no more than what the file name tells.
    """

    metadata: ModelMetadata
    source: str
    bundle_path: Path | None = None
    problem: str | None = None

    @property
    def is_valid(self) -> bool:
        """Whether the entry can be used, as far as its metadata and archive tell."""
        return self.problem is None

    @property
    def model_id(self) -> str:
        """The id, ``{version}_{variant}`` by convention: ``v1.0_onnx_int8``."""
        return self.metadata.model_id

    @property
    def name(self) -> str:
        """The name for people."""
        return self.metadata.name

    @property
    def version(self) -> str:
        """The model's version: ``1.0.0``."""
        return self.metadata.version

    @property
    def variant(self) -> str:
        """The variant: ``onnx_int8``."""
        return self.metadata.variant

    @property
    def performance(self) -> Performance:
        """Speed and memory as the metadata claims them."""
        return self.metadata.performance

    @property
    def accuracy(self) -> Accuracy:
        """Quality as the metadata claims it."""
        return self.metadata.accuracy

    @property
    def requirements(self) -> Requirements:
        """What the model needs to run."""
        return self.metadata.requirements

    @property
    def status(self) -> str:
        """``active``, ``experimental``, ``deprecated``, or ``invalid`` for a broken entry."""
        return self.metadata.status if self.is_valid else "invalid"


@attrs.frozen
class RuntimeOptions:
    """How a runtime is to run a model.

    ``threads`` is the number of threads for one inference, 1 by default: several texts in several
    threads or processes give more throughput than several threads on one text. ``device`` is
    ``auto``, ``cpu`` or ``cuda``.
    """

    threads: int = 1
    device: str = "auto"
