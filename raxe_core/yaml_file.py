"""The one reader and writer of YAML files; comments and order survive a change."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raxe_core.errors import ConfigError
from raxe_core.files import read_regular, replacing

__all__ = ["line_of", "parse_value", "read_yaml", "with_value", "write_yaml", "writing_yaml"]

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
    try:
        data = _dump(value).encode("utf-8")
    except UnicodeEncodeError:
        raise ConfigError(f"{path}: cannot hold text that is not Unicode.") from None
    if len(data) > MAX_YAML_BYTES:
        raise ConfigError(f"{path}: would be larger than the {MAX_YAML_BYTES:,} bytes allowed.")
    _parse(path, data)
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(data)
            yield
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}.") from None


def with_value(path: Path, content: Any, keys: Sequence[str], value: Any) -> Any:
    """Return what :func:`read_yaml` returned with a nested key set or, for None, removed.

    The library keeps a comment with the key above it, and so loses or moves it where keys come and
    go: these are exchanged as lines. Every comment stays but one inside of what is replaced.

    Raises:
        ConfigError: the file could not be read again.
    """
    text = _dump(content) if content else ""
    outer = mapping = content = _mapping(text) if content else content
    depth = 0
    while depth < len(keys) - 1 and mapping.get(keys[depth]):
        outer, mapping = mapping, mapping[keys[depth]]
        depth += 1
    key, *inner = keys[depth:]
    if value is None and (inner or key not in mapping):
        return content
    for name in reversed(inner):
        value = {name: value}
    old = mapping.get(key)
    in_place = old is not None and not isinstance(old, dict | list) and value is not None
    as_lines = bool(mapping) and not mapping.fa.flow_style() and not in_place
    if as_lines:
        text = _with_lines(text, [*keys[:depth], key], mapping, value)
    if value is None:
        del mapping[key]
        if as_lines and depth and not mapping:
            outer[keys[depth - 1]] = None  # a section of nothing but comments
    else:
        mapping[key] = value
    failed = ConfigError(f"{path}: {'.'.join(keys)} cannot be changed. Change it in an editor.")
    try:
        changed = _mapping(text if as_lines else _dump(content))
    except ValueError:
        raise failed from None
    # The library writes a few rare characters as it cannot read them.
    if as_lines and dict(changed) != dict(content):
        raise failed
    return changed


def _with_lines(text: str, keys: Sequence[str], mapping: Any, value: Any) -> str:
    """Return the text with the lines of a key of ``mapping`` exchanged, added or removed."""
    from textwrap import indent

    *sections, key = keys
    lines = text.splitlines(keepends=True)  # YAML ends lines at these characters, too
    start, end = _lines_of(lines, sections, key if key in mapping else None)
    if key not in mapping:
        start = end
    new = "" if value is None else indent(_dump({key: value}), " " * mapping.lc.col)
    return "".join([*lines[:start], new, *lines[end:]])


def _lines_of(lines: Sequence[str], sections: Sequence[str], key: str | None) -> tuple[int, int]:
    """Return the first line of a key, and the one behind its value, before comments.

    None is the last key of these nested sections.
    """
    from ruamel.yaml import YAML

    node = YAML().compose("".join(lines))
    for section in sections:
        node = next(value for name, value in node.value if name.value == section)
    found = [pair for pair in node.value if pair[0].value == key] or node.value
    name, node = found[-1]
    start = name.start_mark.line
    while isinstance(node.value, list) and not node.flow_style:
        node = node.value[-1]
        node = node[1] if isinstance(node, tuple) else node
    mark = node.end_mark
    end = mark.line + any(line[: mark.column].strip() for line in lines[mark.line : mark.line + 1])
    if node.start_mark.index == mark.index:  # nothing, which may end where the next begins
        while end > start + 1 and lines[end - 1].lstrip()[:1] in ("", "#"):
            end -= 1
    return start, end


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
        value = _mapping(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}. Save it as UTF-8.") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}. Mend the file, or remove it.") from None
    if not isinstance(value, CommentedMap):
        held = "a list" if isinstance(value, list) else "a single value"
        raise ConfigError(f"{path}: holds {held}, not keys with values.")
    return value


def _mapping(text: str) -> Any:
    """Return what YAML says, an empty mapping for nothing; raises ValueError as :func:`_load`."""
    from ruamel.yaml.comments import CommentedMap

    value = _load(text)
    if value is not None:
        return value
    if any(not line.startswith("#") for line in text.split("\n") if line.strip()):
        return CommentedMap()
    value = _load(f"{text}\n_: 0\n")  # what only a mapping can hold: the comments
    del value["_"]
    return value


def _dump(value: Any) -> str:
    from ruamel.yaml import YAML

    buffer = io.StringIO()
    YAML().dump(value, buffer)
    return buffer.getvalue()


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
            if getattr(event, "tag", None) is not None:
                line = event.start_mark.line + 1
                raise ValueError(f"line {line}: tags (!name) are not allowed; remove it")
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
    except IndexError:  # and over +_
        raise ValueError("a number lacks its digits; put text in quotes") from None


def _reason(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error).partition("\n")[0] or "nested too deeply"
    return f"line {mark.line + 1}: {what}" if mark is not None else what
