"""raxe-torch keeps the contract of a runtime, in both layouts and both precisions."""

from __future__ import annotations

from pathlib import Path

from tiny_bert import write_model

from raxe_core import Model, RuntimeOptions
from raxe_core.testing import RuntimeContract


class TestTorch(RuntimeContract):
    plugin = "raxe-torch"
    options = RuntimeOptions(device="cpu")

    def make_model(self, folder: Path) -> Model:
        return write_model(folder)


class TestTorchBfloat16(TestTorch):
    tolerance = 0.02
    options = RuntimeOptions(device="cpu", precision="bfloat16")
