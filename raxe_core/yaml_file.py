"""The one reader and writer of YAML files; comments and order survive a change."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raxe_core.errors import ConfigError
from raxe_core.files import read_regular, replacing

__all__ = ["line_of", "parse_value", "read_yaml", "write_yaml", "writing_yaml"]

MAX_YAML_BYTES = 64 << 10
MAX_DEPTH = 32


def read_yaml(path: Path) -> Any:
    """Return the mapping in a YAML file, empty where there is no file or nothing in it.

    Aliases are refused (they can blow up a small file), and so are tags and duplicate keys.

    Raises:
        ConfigError: not readable, not such YAML, not a mapping.
    """
    from ruamel.yaml.comments import CommentedMap

    try:
        return _parse(path, read_regular(path, MAX_YAML_BYTES))
    except FileNotFoundError:
        return CommentedMap()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}.") from None


def write_yaml(path: Path, value: Any) -> None:
    """Write what :func:`read_yaml` returned, changed, back in one step.

    Raises:
        ConfigError: the folder cannot be written, or the file could not be read again; it is then
            as it was.
    """
    with writing_yaml(path, value):
        pass


@contextmanager
def writing_yaml(path: Path, value: Any) -> Iterator[None]:
    """Write as :func:`write_yaml`, at the end of a block that does not raise."""
    from ruamel.yaml import YAML

    buffer = io.BytesIO()
    try:
        YAML().dump(value, buffer)
    except UnicodeEncodeError:
        raise ConfigError(f"{path}: cannot hold text that is not Unicode.") from None
    data = buffer.getvalue()
    if len(data) > MAX_YAML_BYTES:
        raise ConfigError(f"{path}: would be larger than the {MAX_YAML_BYTES:,} bytes allowed.")
    _parse(path, data)
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(data)
            yield
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}.") from None


def parse_value(text: str) -> Any:
    """Read a value from the command line as a file is read: ``0.5``, ``[a, b]``, ``text``.

    Raises:
        ConfigError: the text is no such YAML.
    """
    try:
        return _load(text)
    except ValueError as error:
        raise ConfigError(f"{text[:80]!r}: {error}. Put quotes around plain text.") from None


def line_of(mapping: Any, key: str) -> int:
    """Return the line, from 1, on which ``key`` stands."""
    return int(mapping.lc.key(key)[0]) + 1


def _parse(path: Path, data: bytes) -> Any:
    from ruamel.yaml.comments import CommentedMap

    try:
        value = _load(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}. Save it as UTF-8.") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}. Mend the file, or remove it.") from None
    if value is None:
        return CommentedMap()
    if not isinstance(value, CommentedMap):
        raise ConfigError(f"{path}: holds a {type(value).__name__}, not keys with values.")
    return value


def _load(text: str) -> Any:
    """Return what YAML says; raises ValueError with the reason where it is not allowed."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.events import (
        AliasEvent,
        CollectionEndEvent,
        CollectionStartEvent,
        ScalarEvent,
    )

    depth = 0
    try:
        for event in YAML().parse(text):
            if isinstance(event, AliasEvent):
                raise ValueError("aliases (*name) are not allowed; write the value out")
            if isinstance(event, ScalarEvent) and event.value == "<<" and event.style is None:
                raise ValueError("merge keys (<<) are not allowed; write the values out")
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
            if depth > MAX_DEPTH:  # reading deeper takes the library minutes
                raise ValueError(f"nested more than {MAX_DEPTH} deep")
        return YAML().load(text)
    except (YAMLError, RecursionError) as error:
        raise ValueError(_reason(error)) from None
    except TypeError:  # the library stumbles over them
        raise ValueError("a key is itself a list or holds keys; keys must be text") from None


def _reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error).partition("\n")[0] or "nested too deeply"
    return f"line {mark.line + 1}: {what}" if mark is not None else what
