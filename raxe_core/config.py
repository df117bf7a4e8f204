"""Configuration: where each setting comes from, and what it is.

An argument wins over an environment variable, that over the file that ``RAXE_CONFIG`` names, that
over ``$RAXE_HOME/config.yaml`` (``~/.raxe/config.yaml``). Nothing is read from the working folder.

::

    models_path: [/srv/models]        # drop-in folders, beside $RAXE_HOME/models
    l2_model:
      selection: auto                 # auto | explicit | a plugin's strategy
      model_id: v1.0_onnx_int8        # for explicit
      auto_criteria: balanced         # latency | accuracy | balanced | memory | a plugin's
      fallback_model_id: v1.0_pytorch
      ab_test: {...}                  # read by the plugin that offers this strategy
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from raxe_core.errors import ConfigError, did_you_mean
from raxe_core.files import raxe_home
from raxe_core.yaml_file import line_of, read_yaml, write_yaml

__all__ = ["Config", "load_config", "set_default_model"]

_TOP_KEYS = ("l2_model", "models_path")
_L2_KEYS = ("selection", "model_id", "auto_criteria", "fallback_model_id")


class Config(NamedTuple):
    """The settings of one process.

    ``l2_model`` is the section as the file has it, with the environment laid over it; sections in
    it that are mappings belong to strategies of plugins. ``origin`` names where the model or the
    criteria was set.
    """

    l2_model: Mapping[str, Any]
    search_path: tuple[Path, ...]
    path: Path
    origin: str

    def for_model(self, model_id: str, origin: str) -> Config:
        """Return these settings with one model selected explicitly."""
        section = {**self.l2_model, "selection": "explicit", "model_id": model_id}
        return self._replace(l2_model=section, origin=origin)


def load_config(path: Path | None = None) -> Config:
    """Read the configuration; ``path`` is used instead of ``RAXE_CONFIG`` and the default file.

    Raises:
        ConfigError: names file, line and key, or the environment variable.
    """
    named = path or _path_from_environment("RAXE_CONFIG")
    file = named or raxe_home() / "config.yaml"
    if named is not None and not file.exists():
        raise ConfigError(f"{file}: the configuration file is not there. Mend RAXE_CONFIG.")
    # Without a file, the YAML library is not even imported.
    content = _checked(read_yaml(file), file) if file.exists() else {}
    section = dict(content.get("l2_model") or {})
    origin = str(file) if section else "default"
    if criteria := os.environ.get("RAXE_L2_MODEL_CRITERIA"):
        section |= {"selection": "auto", "auto_criteria": criteria}
        origin = "RAXE_L2_MODEL_CRITERIA"
    config = Config(section, _search_path(content.get("models_path") or ()), file, origin)
    if model_id := os.environ.get("RAXE_L2_MODEL"):
        return config.for_model(model_id, "RAXE_L2_MODEL")
    return config


def set_default_model(model_id: str, path: Path) -> None:
    """Make ``model_id`` the explicit choice in the file, keeping its comments.

    Raises:
        ConfigError: the file cannot be read or written; it is then as it was.
    """
    content = _checked(read_yaml(path), path)
    section = content.setdefault("l2_model", {})
    section["selection"] = "explicit"
    section["model_id"] = model_id
    write_yaml(path, content)


def _search_path(configured: Any) -> tuple[Path, ...]:
    """Return the drop-in folders: our own if it exists, the environment's, the configuration's."""
    own = raxe_home() / "models"
    listed = os.environ.get("RAXE_MODELS_PATH", "").split(os.pathsep)
    named = [Path(folder) for folder in [*listed, *configured] if folder]
    folders = ([own] if own.is_dir() else []) + [folder.expanduser() for folder in named]
    return tuple(dict.fromkeys(folders))


def _path_from_environment(variable: str) -> Path | None:
    value = os.environ.get(variable)
    if value and "\0" in value:
        raise ConfigError(f"{variable} holds a NUL character. Set it to a path.")
    return Path(value) if value else None


def _checked(content: Any, path: Path) -> Any:
    """Refuse unknown keys and wrong types, naming the line."""
    for key in content:
        if key not in _TOP_KEYS:
            raise _unknown(content, key, path, _TOP_KEYS)
    folders = content.get("models_path")
    if folders is not None and not _is_list_of_text(folders):
        line = line_of(content, "models_path")
        raise ConfigError(f"{path}, line {line}: models_path must be a list of folders.")
    section = content.get("l2_model")
    if section is None:
        return content
    if not isinstance(section, Mapping):
        line = line_of(content, "l2_model")
        raise ConfigError(f"{path}, line {line}: l2_model must hold keys with values.")
    for key, value in section.items():
        if isinstance(value, Mapping):
            continue  # the section of a strategy
        if key not in _L2_KEYS:
            raise _unknown(section, key, path, _L2_KEYS)
        if value is not None and not isinstance(value, str):
            line = line_of(section, key)
            raise ConfigError(f"{path}, line {line}: l2_model.{key} must be a string.")
    return content


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _unknown(mapping: Any, key: Any, path: Path, known: tuple[str, ...]) -> ConfigError:
    return ConfigError(
        f"{path}, line {line_of(mapping, key)}: unknown key {key!r}."
        f"{did_you_mean(str(key), known)} Known: {', '.join(known)}."
    )
