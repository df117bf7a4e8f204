"""Write ``l2_model.ab_test`` into config.yaml; comments and everything else stay."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raxe_core import locked, read_yaml, with_value, write_yaml

__all__ = ["write_section"]


def write_section(path: Path, section: Mapping[str, Any]) -> None:
    """Set the section to exactly these keys, in one step.

    Raises:
        ConfigError: the file cannot be read or written; it is then as it was.
    """
    with locked(path):
        content = read_yaml(path)
        model = content.get("l2_model") or {}
        current = model.get("ab_test")
        if isinstance(current, Mapping):
            for name in dict.fromkeys([*current, *section]):
                keys = ("l2_model", "ab_test", name)
                content = with_value(path, content, keys, section.get(name))
        else:
            content = with_value(path, content, ("l2_model", "ab_test"), dict(section))
        write_yaml(path, content)
