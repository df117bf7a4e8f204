"""Configuration: what each setting is, and where its value comes from.

An argument wins over an environment variable, that over the file that ``--config`` or
``RAXE_CONFIG`` names, that over ``$RAXE_HOME/config.yaml`` (``~/.raxe/config.yaml``), that over
the default. Nothing is read from the working folder unasked.

::

    models_path: [/srv/models]        # drop-in folders, beside $RAXE_HOME/models
    aliases: {production: v1.0_onnx_int8}
    l2_model:
      selection: auto                 # auto | explicit | benchmark | a plugin's strategy
      model_id: v1.0_onnx_int8        # for explicit
      auto_criteria: balanced         # latency | accuracy | balanced | memory | a plugin's
      fallback_model_id: v1.0_pytorch
      ab_test: {enabled: true, ...}   # a section of its own for each strategy of a plugin
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from raxe_core.errors import ConfigError
from raxe_core.files import raxe_home
from raxe_core.settings import L2, SETTINGS, check_section, check_setting, find_setting
from raxe_core.yaml_file import line_of, read_yaml

__all__ = ["Config", "Value", "check_aliases", "config_files", "load_config"]


class Value(NamedTuple):
    """The value of a setting, and where it comes from; ``line`` where that is a file."""

    value: Any
    origin: str
    line: int | None = None

    @property
    def where(self) -> str:
        """The file and the line, or the origin alone."""
        return self.origin if self.line is None else f"{self.origin}, line {self.line}"


class Config(NamedTuple):
    """The settings of one process.

    ``values`` maps dotted keys to values with their origins; ``path`` is the file that changes are
    written to; ``files`` are all files that were or would be read. ``said`` has what each of them
    says, also where another place wins.
    """

    values: Mapping[str, Value]
    path: Path
    files: tuple[Path, ...]
    said: Mapping[Path, Mapping[str, Value]]

    def get(self, key: str) -> Any:
        """Return the value of a setting."""
        return self.values[key].value

    @property
    def l2_model(self) -> Mapping[str, Any]:
        """The ``l2_model`` section, with everything laid over it."""
        return {
            key.removeprefix(L2): found.value
            for key, found in self.values.items()
            if key.startswith(L2) and found.value is not None
        }

    @property
    def search_path(self) -> tuple[Path, ...]:
        """The drop-in folders: our own if it exists, then the environment's, then the file's.

        Those of a file are relative to it: it names the same folders from everywhere.

        Raises:
            ConfigError: one begins with ``~`` and a user that is not known.
        """
        own = raxe_home() / "models"
        listed = os.environ.get("RAXE_MODELS_PATH", "").split(os.pathsep)
        named, origin, _ = self.values["models_path"]
        beside = Path(origin).parent
        try:
            folders = [own] if own.is_dir() else []
            folders += [Path(folder).expanduser() for folder in listed if folder]
            folders += [beside / Path(folder).expanduser() for folder in named if folder]
        except RuntimeError:
            raise ConfigError(
                "A folder of RAXE_MODELS_PATH or models_path begins with ~ and a user that is not "
                "known. Write the whole path."
            ) from None
        return tuple(dict.fromkeys(folders))

    def for_model(self, model_id: str, origin: str) -> Config:
        """Return these settings with one model selected explicitly."""
        return self._selecting(origin, selection="explicit", model_id=model_id)

    def for_criteria(self, criteria: str, origin: str) -> Config:
        """Return these settings with the best model by ``criteria`` selected."""
        return self._selecting(origin, selection="auto", auto_criteria=criteria)

    def _selecting(self, origin: str, **changes: str) -> Config:
        """Lay changes over ``l2_model``, without the plugins' strategies they are to win over."""
        kept = {key: found for key, found in self.values.items() if find_setting(key) is not None}
        changed = {f"{L2}{key}": Value(value, origin) for key, value in changes.items()}
        return self._replace(values={**kept, **changed})


def load_config(path: Path | None = None) -> Config:
    """Read the configuration; ``path`` is the file that ``--config`` names.

    Raises:
        ConfigError: names file, line and key, or the environment variable.
    """
    files = config_files(path)
    values = {setting.key: Value(setting.default, "default") for setting in SETTINGS}
    # Without a file, the YAML library is not even imported.
    said = {file: dict(_checked_file(file)) for file in files if _is_there(file)}
    for told in said.values():
        values |= told
    check_aliases(values["aliases"], values["l2_model.thresholds"])
    config = Config(values, files[-1], files, said)
    if criteria := os.environ.get("RAXE_L2_MODEL_CRITERIA"):
        config = config.for_criteria(criteria, "RAXE_L2_MODEL_CRITERIA")
    if model_id := os.environ.get("RAXE_L2_MODEL"):
        config = config.for_model(model_id, "RAXE_L2_MODEL")
    return config


def config_files(path: Path | None = None) -> tuple[Path, ...]:
    """Return the files that are read; changes are written to the last, which wins.

    Raises:
        ConfigError: there is no file where ``path`` or ``RAXE_CONFIG`` says.
    """
    default = raxe_home() / "config.yaml"
    named = path or _path_from_environment("RAXE_CONFIG")
    if named is None:
        return (default,)
    if not _is_there(named):
        raise ConfigError(f"{named}: there is no such configuration file. Mend the path.")
    return (default, named)


def check_aliases(aliases: Value, thresholds: Value) -> None:
    """Check that an alias stands for a model, and that a threshold is that of a model.

    Raises:
        ConfigError: an alias stands for an alias, or a threshold is that of an alias, which may
            stand for another model tomorrow; names file and line.
    """
    for name, model_id in aliases.value.items():
        if model_id in aliases.value:
            where = _where(aliases, name)
            raise ConfigError(
                f"{where}: the alias {name!r} stands for {model_id!r}, which is an alias itself. "
                "Write the id of a model."
            )
    for name in thresholds.value:
        if name in aliases.value:
            where = _where(thresholds, name)
            raise ConfigError(
                f"{where}: l2_model.thresholds holds the alias {name!r}, and a threshold belongs "
                f"to one model. Write its id: {aliases.value[name]!r}."
            )


def _where(found: Value, name: str) -> str:
    return f"{found.origin}, line {line_of(found.value, name)}"


def _checked_file(path: Path) -> Iterator[tuple[str, Value]]:
    """Yield the dotted keys of a file with their values; null counts as unset."""
    content = read_yaml(path)
    sections = {setting.key.partition(".")[0] for setting in SETTINGS if "." in setting.key}
    for name, value in content.items():
        found = Value(value, str(path), line_of(content, name))
        if name not in sections:
            if value is not None:
                check_setting(str(name), value, found.where)
                yield str(name), found
        elif isinstance(value, Mapping):
            yield from _checked_section(str(name), value, path)
        elif value is not None:
            raise ConfigError(f"{found.where}: {name} must hold keys with values.")


def _checked_section(section: str, content: Any, path: Path) -> Iterator[tuple[str, Value]]:
    for name, value in content.items():
        key = f"{section}.{name}"
        found = Value(value, str(path), line_of(content, name))
        if isinstance(value, Mapping) and f"{section}." == L2 and find_setting(key) is None:
            check_section(str(name), value, found.where, functools.partial(_where, found))
            yield key, found
        else:
            check_setting(key, value, found.where)
            if value is not None:
                yield key, found


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise ConfigError(f"{path}: is a link to a file that is not there.") from None
        return False
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: cannot be read: {reason}. Mend the path.") from None
    return True


def _path_from_environment(variable: str) -> Path | None:
    value = os.environ.get(variable)
    if value and "\0" in value:
        raise ConfigError(f"{variable} holds a NUL character. Set it to a path.")
    return Path(value) if value else None
