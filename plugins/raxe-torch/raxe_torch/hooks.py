"""The plugin's entry point; torch is imported when a detector is created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raxe_core import hookimpl

if TYPE_CHECKING:
    from raxe_core import Detector, Model, RuntimeOptions

RAXE_API = 1
RUNTIMES = ("torch",)


@hookimpl
def create_detector(model: Model, options: RuntimeOptions) -> Detector:
    """Load a safetensors model from its bundle."""
    from raxe_torch.model import load

    return load(model, options)
