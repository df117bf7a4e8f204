"""The plugin's entry point; onnxruntime is imported when a detector is created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raxe_core import hookimpl

if TYPE_CHECKING:
    from raxe_core import Detector, Model, RuntimeOptions

RAXE_API = 1
RUNTIMES = ("onnx",)


@hookimpl
def create_detector(model: Model, options: RuntimeOptions) -> Detector:
    """Load an ONNX model from its bundle."""
    from raxe_onnx.session import load

    return load(model, options)
