"""The default model and the aliases: changed in ``config.yaml``, with a history to roll back."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from raxe_core.config import Value, check_aliases
from raxe_core.errors import ConfigError, UsageError
from raxe_core.files import atomic_write, locked, raxe_home, read_regular
from raxe_core.settings import check_setting, key_parts
from raxe_core.yaml_file import line_of, read_yaml, with_value, write_yaml, writing_yaml

__all__ = ["Change", "change_setting", "read_history", "rollback", "set_alias", "set_default"]

MAX_HISTORY_BYTES = 64 << 20
MAX_TIME = 1e11  # the year 5138


class Change(NamedTuple):
    """One change: ``name`` is ``default`` or an alias; ``before`` and ``after`` are model ids.

    ``config`` is the whole path of the file, without links; older entries have it as it was given.
    ``selection`` is what ``l2_model.selection`` was before a change of the default.
    """

    time: float
    config: str
    name: str
    before: str | None
    after: str | None
    why: str
    undoes: bool = False
    selection: str | None = None


def set_default(model_id: str, config_path: Path, why: str) -> None:
    """Make ``model_id`` the explicit choice in a configuration file, and remember the change.

    Raises:
        ConfigError: the file cannot be read or written; it is then as it was.
    """
    _change("default", model_id, config_path, why)


def set_alias(alias: str, model_id: str, config_path: Path, why: str) -> None:
    """Let ``alias`` stand for ``model_id``; raises as :func:`set_default`, and for a bad name."""
    if alias == "default":
        raise UsageError("An alias cannot be named default. See: raxe models set-default")
    check_setting(f"aliases.{alias}", model_id, "raxe models alias")
    _change(alias, model_id, config_path, why)


def rollback(config_path: Path, name: str = "default") -> Change:
    """Undo the latest change of the default (or of an alias) that is not undone yet.

    Raises:
        UsageError: there is nothing to undo.
        ConfigError: as :func:`set_default`.
    """
    done: list[Change] = []
    file = os.path.realpath(config_path)
    for change in read_history():
        if change.name == name and _whole(change.config) == file:
            done = done[:-1] if change.undoes else [*done, change]
    if not done:
        raise UsageError(f"No change of {name} in {config_path} to roll back.")
    last = done[-1]
    why = f"rollback of {last.after}"
    return _change(name, last.before, config_path, why, undoes=last)


def read_history() -> list[Change]:
    """Return all changes, oldest first. A damaged line is passed over.

    Raises:
        ConfigError: the history cannot be read.
    """
    changes = map(_change_of, _history().splitlines())
    return [change for change in changes if change is not None]


def change_setting(key: str, value: Any, config_path: Path) -> None:
    """Write one setting to a configuration file; None removes it.

    Raises:
        ConfigError: no such key, a wrong value, or the file cannot be read or written.
    """
    check_setting(key, value, str(config_path))
    with locked(config_path):
        content = read_yaml(config_path)
        content, _ = _put(content, key, value, config_path)
        write_yaml(config_path, content)


def _change(
    name: str, model_id: str | None, config_path: Path, why: str, *, undoes: Change | None = None
) -> Change:
    selection = None
    with locked(config_path):
        content = read_yaml(config_path)
        if name == "default":
            now = "explicit" if undoes is None else undoes.selection
            content, selection = _put(content, "l2_model.selection", now, config_path)
            content, before = _put(content, "l2_model.model_id", model_id, config_path)
        else:
            content, before = _put(content, f"aliases.{name}", model_id, config_path)
        before = None if before is None else str(before)
        selection = None if selection is None else str(selection)
        undone = undoes is not None
        file = os.path.realpath(config_path)  # a relative path names others from other folders
        change = Change(time.time(), file, name, before, model_id, why, undone, selection)
        # A crash after the history and before the file: undoing that change then changes nothing.
        with writing_yaml(config_path, content):
            _append(change)
    return change


def _put(content: Any, key: str, value: Any, path: Path) -> tuple[Any, Any]:
    """Set or, for None, remove a dotted key in a YAML mapping; return it and what was there."""
    keys = key_parts(key)
    before = content
    for depth, name in enumerate(keys):
        outer, before = before, before.get(name)
        if before is None:
            break
        if depth < len(keys) - 1 and not isinstance(before, dict):
            where = f"{path}, line {line_of(outer, name)}"
            raise ConfigError(f"{where}: {name} must hold keys with values. Mend the file.")
    content = with_value(path, content, keys, value)
    if value is not None:  # what is wrong can always be removed
        named = (_names(content, key_parts(key)) for key in ("aliases", "l2_model.thresholds"))
        check_aliases(*(Value(names, str(path)) for names in named))
    return content, before


def _names(content: Any, keys: Sequence[str]) -> Mapping[str, Any]:
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content if isinstance(content, Mapping) else {}


def _whole(path: str) -> str | None:
    """Return the whole path of an entry that has it as it was given; None for no path."""
    try:
        return os.path.realpath(path)
    except ValueError:
        return None


def _append(change: Change) -> None:
    path = _history_path()
    line = json.dumps(change._asdict()).encode("utf-8")
    with locked(path):  # configuration files have locks of their own, and share the history
        try:
            atomic_write(path, _history().rstrip() + b"\n" + line + b"\n", mode=0o600)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror or error}.") from None


def _history() -> bytes:
    path = _history_path()
    try:
        return read_regular(path, MAX_HISTORY_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}.") from None


def _change_of(line: bytes) -> Change | None:
    try:
        change = Change(**json.loads(line))
        sound = 0 <= change.time < MAX_TIME
    except (ValueError, TypeError, RecursionError):
        return None
    texts = (change.config, change.name, change.why)
    named = (change.before, change.after, change.selection)
    sound = sound and all(isinstance(text, str | None) for text in named)
    return change if sound and all(isinstance(text, str) for text in texts) else None


def _history_path() -> Path:
    return raxe_home() / "history.jsonl"
