"""raxe-onnx keeps the contract of a runtime."""

from __future__ import annotations

from pathlib import Path

from tiny_model import write_bundle

from raxe_core import Model
from raxe_core.discovery import model_from_file
from raxe_core.testing import RuntimeContract


class TestOnnx(RuntimeContract):
    plugin = "raxe-onnx"

    def make_model(self, folder: Path) -> Model:
        return model_from_file(write_bundle(folder), source="tests")
