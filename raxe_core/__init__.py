"""RAXE: the open registry for models that detect attacks on LLMs.

Names are imported on first use, so that ``import raxe_core`` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raxe_core._version import __version__

if TYPE_CHECKING:
    from raxe_core.bundle import Bundle
    from raxe_core.client import Raxe
    from raxe_core.config import Config, load_config
    from raxe_core.defaults import set_default
    from raxe_core.detector import DetectionResult, Detector, Prediction, Span
    from raxe_core.discovery import discover_folder, model_from_file, open_bundle
    from raxe_core.errors import (
        BundleError,
        ConfigError,
        MetadataError,
        ModelLoadError,
        RaxeError,
        RuntimeUnavailableError,
        ThreatBlockedError,
        UnknownModelError,
        UntrustedModelError,
        UsageError,
    )
    from raxe_core.explanation import Explanation
    from raxe_core.files import atomic_write, locked, raxe_home, replacing
    from raxe_core.hookspecs import hookimpl
    from raxe_core.manifest import Manifest
    from raxe_core.metadata import ModelMetadata
    from raxe_core.model import Model, RuntimeOptions
    from raxe_core.records import (
        Command,
        Criteria,
        Reporter,
        ScanEvent,
        Selection,
        SelectionRequest,
        ShadowVerdict,
        Strategy,
    )
    from raxe_core.registry import ModelRegistry
    from raxe_core.result import ScanResult
    from raxe_core.safe_log import safe_logger
    from raxe_core.safetensors_header import TensorInfo, read_safetensors_header
    from raxe_core.strict_json import parse_json
    from raxe_core.text_detector import TextDetector
    from raxe_core.yaml_file import read_yaml, with_value, write_yaml

_NAMES = {
    "bundle": ("Bundle",),
    "client": ("Raxe",),
    "config": ("Config", "load_config"),
    "defaults": ("set_default",),
    "detector": ("DetectionResult", "Detector", "Prediction", "Span"),
    "discovery": ("discover_folder", "model_from_file", "open_bundle"),
    "errors": (
        "BundleError",
        "ConfigError",
        "MetadataError",
        "ModelLoadError",
        "RaxeError",
        "RuntimeUnavailableError",
        "ThreatBlockedError",
        "UnknownModelError",
        "UntrustedModelError",
        "UsageError",
    ),
    "explanation": ("Explanation",),
    "files": ("atomic_write", "locked", "raxe_home", "replacing"),
    "hookspecs": ("hookimpl",),
    "manifest": ("Manifest",),
    "metadata": ("ModelMetadata",),
    "model": ("Model", "RuntimeOptions"),
    "records": (
        "Command",
        "Criteria",
        "Reporter",
        "ScanEvent",
        "Selection",
        "SelectionRequest",
        "ShadowVerdict",
        "Strategy",
    ),
    "registry": ("ModelRegistry",),
    "result": ("ScanResult",),
    "safe_log": ("safe_logger",),
    "safetensors_header": ("TensorInfo", "read_safetensors_header"),
    "strict_json": ("parse_json",),
    "text_detector": ("TextDetector",),
    "yaml_file": ("read_yaml", "with_value", "write_yaml"),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "Bundle",
    "BundleError",
    "Command",
    "Config",
    "ConfigError",
    "Criteria",
    "DetectionResult",
    "Detector",
    "Explanation",
    "Manifest",
    "MetadataError",
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
    "ScanEvent",
    "ScanResult",
    "Selection",
    "SelectionRequest",
    "ShadowVerdict",
    "Span",
    "Strategy",
    "TensorInfo",
    "TextDetector",
    "ThreatBlockedError",
    "UnknownModelError",
    "UntrustedModelError",
    "UsageError",
    "__version__",
    "atomic_write",
    "discover_folder",
    "hookimpl",
    "load_config",
    "locked",
    "model_from_file",
    "open_bundle",
    "parse_json",
    "raxe_home",
    "read_safetensors_header",
    "read_yaml",
    "replacing",
    "safe_logger",
    "set_default",
    "with_value",
    "write_yaml",
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
