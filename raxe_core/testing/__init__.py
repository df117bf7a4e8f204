"""The conformance kit: what a plugin's author runs against their own plugin.

It needs pytest: ``pip install "raxe-core[testing]"``. One small class is the whole test file of a
runtime's contract::

    from raxe_core.testing import RuntimeContract


    class TestOnnx(RuntimeContract):
        plugin = "raxe-onnx"

        def make_model(self, folder):
            return model_from_file(write_tiny_bundle(folder), source="tests")

and of a model pack's::

    from raxe_core.testing import ModelPackContract


    class TestPack(ModelPackContract):
        plugin = "raxe-l2"

The plugin must be installed (``pip install -e .`` will do), because its entry point is a part of
the contract.
"""

from __future__ import annotations

from raxe_core.testing.pack import ModelPackContract
from raxe_core.testing.plugin import PluginContract
from raxe_core.testing.runtime import RuntimeContract

__all__ = ["ModelPackContract", "PluginContract", "RuntimeContract"]
