"""Make the training modules importable, and skip where their requirements are not installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

for requirement in ("torch", "transformers", "tokenizers", "numpy"):
    pytest.importorskip(requirement)
