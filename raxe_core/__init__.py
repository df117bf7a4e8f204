"""RAXE: the open registry for models that detect attacks on LLMs.

Names are imported on first use, so that ``import raxe_core`` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raxe_core._version import __version__

if TYPE_CHECKING:
    from raxe_core.bundle import Bundle
    from raxe_core.client import Raxe, ScanResult
    from raxe_core.detector import DetectionResult, Detector, Prediction, Span
    from raxe_core.discovery import discover_folder, open_bundle
    from raxe_core.errors import (
        BundleError,
        ModelLoadError,
        RaxeError,
        RuntimeUnavailableError,
    )
    from raxe_core.explanation import Explanation
    from raxe_core.hookspecs import hookimpl
    from raxe_core.manifest import Manifest
    from raxe_core.metadata import ModelMetadata
    from raxe_core.model import Model, RuntimeOptions
    from raxe_core.records import (
        Command,
        Criteria,
        Reporter,
        Selection,
        SelectionRequest,
        Strategy,
    )
    from raxe_core.registry import ModelRegistry
    from raxe_core.text_detector import TextDetector

_NAMES = {
    "bundle": ("Bundle",),
    "client": ("Raxe", "ScanResult"),
    "detector": ("DetectionResult", "Detector", "Prediction", "Span"),
    "discovery": ("discover_folder", "open_bundle"),
    "errors": ("BundleError", "ModelLoadError", "RaxeError", "RuntimeUnavailableError"),
    "explanation": ("Explanation",),
    "hookspecs": ("hookimpl",),
    "manifest": ("Manifest",),
    "metadata": ("ModelMetadata",),
    "model": ("Model", "RuntimeOptions"),
    "records": ("Command", "Criteria", "Reporter", "Selection", "SelectionRequest", "Strategy"),
    "registry": ("ModelRegistry",),
    "text_detector": ("TextDetector",),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "Bundle",
    "BundleError",
    "Command",
    "Criteria",
    "DetectionResult",
    "Detector",
    "Explanation",
    "Manifest",
    "Model",
    "ModelLoadError",
    "ModelMetadata",
    "ModelRegistry",
    "Prediction",
    "Raxe",
    "RaxeError",
    "Reporter",
    "RuntimeOptions",
    "RuntimeUnavailableError",
    "ScanResult",
    "Selection",
    "SelectionRequest",
    "Span",
    "Strategy",
    "TextDetector",
    "__version__",
    "discover_folder",
    "hookimpl",
    "open_bundle",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'raxe_core' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"raxe_core.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
