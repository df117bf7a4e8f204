"""Write ``l2_model.ab_test`` into config.yaml; comments and everything else stay."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raxe_core import locked, read_yaml, write_yaml

__all__ = ["write_section"]


def write_section(path: Path, section: Mapping[str, Any]) -> None:
    """Set the section to exactly these keys, in one step.

    Raises:
        ConfigError: the file cannot be read or written; it is then as it was.
    """
    with locked(path):
        content = read_yaml(path)
        if content.get("l2_model") is None:
            content["l2_model"] = {}
        model = content["l2_model"]
        current = model.get("ab_test")
        if not isinstance(current, Mapping):
            model["ab_test"] = dict(section)
        else:
            for name in [name for name in current if name not in section]:
                del current[name]  # type: ignore[attr-defined]
            for name, value in section.items():
                current[name] = value  # type: ignore[index]
        write_yaml(path, content)
