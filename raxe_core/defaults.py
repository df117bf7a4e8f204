"""The default model and the aliases: changed in ``config.yaml``, with a history to roll back."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from raxe_core.config import check_setting
from raxe_core.errors import ConfigError, UsageError
from raxe_core.files import locked, raxe_home, read_regular
from raxe_core.settings import key_parts
from raxe_core.yaml_file import read_yaml, write_yaml

__all__ = ["Change", "change_setting", "read_history", "rollback", "set_alias", "set_default"]

MAX_HISTORY_BYTES = 64 << 20


class Change(NamedTuple):
    """One change: ``name`` is ``default`` or an alias; ``before`` and ``after`` are model ids."""

    time: float
    config: str
    name: str
    before: str | None
    after: str | None
    why: str
    undoes: bool = False


def set_default(model_id: str, config_path: Path, why: str) -> None:
    """Make ``model_id`` the explicit choice in a configuration file, and remember the change.

    Raises:
        ConfigError: the file cannot be read or written; it is then as it was.
    """
    _change("default", model_id, config_path, why)


def set_alias(alias: str, model_id: str, config_path: Path, why: str) -> None:
    """Let ``alias`` stand for ``model_id``; raises as :func:`set_default`."""
    _change(alias, model_id, config_path, why)


def rollback(config_path: Path, name: str = "default") -> Change:
    """Undo the latest change of the default (or of an alias) that is not undone yet.

    Raises:
        UsageError: there is nothing to undo.
        ConfigError: as :func:`set_default`.
    """
    done: list[Change] = []
    for change in read_history():
        if (change.config, change.name) == (str(config_path), name):
            done = done[:-1] if change.undoes else [*done, change]
    if not done:
        raise UsageError(f"No change of {name} in {config_path} to roll back.")
    last = done[-1]
    why = f"rollback of {last.after}"
    return _change(name, last.before, config_path, why, undoes=True)


def read_history() -> list[Change]:
    """Return all changes, oldest first. A line that a crash left half-written is passed over."""
    try:
        data = read_regular(_history_path(), MAX_HISTORY_BYTES)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{_history_path()}: cannot be read: {error.strerror}.") from None
    changes = []
    for line in data.splitlines():
        try:
            changes.append(Change(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return changes


def change_setting(key: str, value: Any, config_path: Path) -> None:
    """Write one setting to a configuration file; None removes it.

    Raises:
        ConfigError: no such key, a wrong value, or the file cannot be read or written.
    """
    check_setting(key, value, str(config_path))
    with locked(config_path):
        content = read_yaml(config_path)
        _put(content, key, value)
        write_yaml(config_path, content)


def _change(
    name: str, model_id: str | None, config_path: Path, why: str, *, undoes: bool = False
) -> Change:
    with locked(config_path):
        content = read_yaml(config_path)
        if name == "default":
            before = (content.get("l2_model") or {}).get("model_id")
            _put(content, "l2_model.selection", None if model_id is None else "explicit")
            _put(content, "l2_model.model_id", model_id)
        else:
            before = (content.get("aliases") or {}).get(name)
            _put(content, f"aliases.{name}", model_id)
        write_yaml(config_path, content)
        change = Change(time.time(), str(config_path), name, before, model_id, why, undoes)
        _append(change)
    return change


def _put(content: Any, key: str, value: Any) -> None:
    """Set or, for None, remove a dotted key in a YAML mapping."""
    *sections, last = key_parts(key)
    for section in sections:
        if content.get(section) is None:
            content[section] = {}
        content = content[section]
    if value is None:
        content.pop(last, None)
    else:
        content[last] = value


def _append(change: Change) -> None:
    """Add a line with one write, which a crash leaves whole or recognisably torn."""
    path = _history_path()
    line = json.dumps(change._asdict()).encode("utf-8")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, b"\n" + line + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _history_path() -> Path:
    return raxe_home() / "history.jsonl"
