"""raxe-l2 keeps the contract of a model pack."""

from __future__ import annotations

from raxe_core.testing import ModelPackContract


class TestL2(ModelPackContract):
    plugin = "raxe-l2"
    minimum = 2
