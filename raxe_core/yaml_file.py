"""The one reader and writer of YAML files; comments and order survive a change."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from raxe_core.errors import ConfigError
from raxe_core.files import atomic_write, read_regular

__all__ = ["line_of", "read_yaml", "write_yaml"]

MAX_YAML_BYTES = 64 << 10
MAX_DEPTH = 32


def read_yaml(path: Path) -> Any:
    """Return the mapping in a YAML file, empty where there is no file or nothing in it.

    Aliases are refused (they can blow up a small file), and so are tags and duplicate keys.

    Raises:
        ConfigError: not readable, not such YAML, not a mapping.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent

    try:
        text = read_regular(path, MAX_YAML_BYTES).decode("utf-8")
        depth = 0
        for event in YAML().parse(text):
            if isinstance(event, AliasEvent):
                raise ConfigError(f"{path}: aliases (*name) are not allowed. Write the value out.")
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
            if depth > MAX_DEPTH:  # reading deeper takes the library minutes
                raise ConfigError(f"{path}: nested more than {MAX_DEPTH} deep. Mend the file.")
        value = YAML().load(text)
    except FileNotFoundError:
        return CommentedMap()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}. Save it as UTF-8.") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {_reason(error)}. Mend the file, or remove it.") from None
    if value is None:
        return CommentedMap()
    if not isinstance(value, CommentedMap):
        raise ConfigError(f"{path}: holds a {type(value).__name__}, not keys with values.")
    return value


def write_yaml(path: Path, value: Any) -> None:
    """Write what :func:`read_yaml` returned, changed, back in one step.

    Raises:
        ConfigError: the folder cannot be written; the file is then as it was.
    """
    from ruamel.yaml import YAML

    buffer = io.BytesIO()
    YAML().dump(value, buffer)
    try:
        atomic_write(path, buffer.getvalue())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}.") from None


def line_of(mapping: Any, key: str) -> int:
    """Return the line, from 1, on which ``key`` stands."""
    return int(mapping.lc.key(key)[0]) + 1


def _reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error).partition("\n")[0] or "nested too deeply"
    return f"line {mark.line + 1}: {what}" if mark is not None else what
