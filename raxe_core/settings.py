"""The settings: every key of ``config.yaml``, with its type and meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from raxe_core.errors import ConfigError, did_you_mean

__all__ = [
    "L2",
    "MODEL_NAMES",
    "SETTINGS",
    "Setting",
    "check_section",
    "check_setting",
    "find_setting",
    "is_plain",
    "key_parts",
]

L2 = "l2_model."
MODEL_NAMES = ("l2_model.model_id", "l2_model.fallback_model_id")
"""The settings that hold the name of a model."""
# As near as a slip of the keys: a strategy may be named selector, which is not selection.
_SLIP = 0.85


class Setting(NamedTuple):
    """One key: how its value must look, in words and as a check, and what it is for."""

    key: str
    form: str
    check: Callable[[Any], bool]
    meaning: str
    default: Any = None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _is_seconds(value: Any) -> bool:
    return _is_number(value) and 0 < value <= 86_400


def _is_name(value: Any) -> bool:
    return _is_text(value) and value.isprintable() and bool(value)


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_names(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_name, [*value.keys(), *value.values()]))


def _is_shares(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_share, value.values()))


def _is_switch(value: Any) -> bool:
    return isinstance(value, bool)


def _is_on_failure(value: Any) -> bool:
    return value in ("fallback", "raise", "block")


SETTINGS = (
    Setting("models_path", "a list of folders", _is_texts, "drop-in folders", []),
    Setting("aliases", "names with model ids", _is_names, "other names of models", {}),
    Setting(
        "l2_model.selection",
        "a strategy's name",
        _is_text,
        "how the model is selected: auto, explicit, benchmark, or a plugin's strategy",
        "auto",
    ),
    Setting("l2_model.model_id", "a model id or alias", _is_text, "the model, for explicit"),
    Setting(
        "l2_model.auto_criteria",
        "a criteria's name",
        _is_text,
        "what best means: latency, accuracy, balanced, memory, or a plugin's",
        "balanced",
    ),
    Setting(
        "l2_model.constraints",
        'a list such as ["p95_latency_ms<10"]',
        _is_texts,
        "what a model must meet to be selected by criteria",
        [],
    ),
    Setting(
        "l2_model.fallback_model_id",
        "a model id or alias",
        _is_text,
        "the model to use when the selected one cannot be loaded",
    ),
    Setting(
        "l2_model.on_failure",
        "fallback, raise or block",
        _is_on_failure,
        "what a scan does when no selected model can be used",
        "fallback",
    ),
    Setting(
        "l2_model.load_timeout_s",
        "a number of seconds, at most 86400",
        _is_seconds,
        "how long loading a model may take before it counts as failed",
        60,
    ),
    Setting(
        "l2_model.thresholds",
        "model ids with numbers from 0 to 1",
        _is_shares,
        "decision thresholds that replace the models' own",
        {},
    ),
    Setting(
        "policy.block_score",
        "a number from 0 to 1",
        _is_share,
        "threats that score at least this are blocked, others are flagged",
        0.9,
    ),
    Setting(
        "trust.require_signature",
        "true or false",
        _is_switch,
        "use a model of a drop-in folder only if a key of trust.keys signed it",
        False,
    ),
    Setting("trust.keys", "names with files", _is_names, "public keys that may sign models", {}),
)


def find_setting(key: str) -> Setting | None:
    """Return the setting of a key; ``aliases.production`` belongs to ``aliases``."""
    for setting in SETTINGS:
        inside = isinstance(setting.default, dict) and key.startswith(f"{setting.key}.")
        if inside or key == setting.key:
            return setting
    return None


def key_parts(key: str) -> list[str]:
    """Split a key into the nested keys of the file; model ids and aliases may hold dots."""
    setting = find_setting(key)
    if setting is None or key == setting.key:
        return key.split(".")
    return [*setting.key.split("."), key.removeprefix(f"{setting.key}.")]


def check_setting(key: str, value: Any, where: str) -> None:
    """Check one value; None, which unsets it, fits every setting.

    Raises:
        ConfigError: there is no such key, or the value does not fit it.
    """
    setting = find_setting(key)
    if setting is not None:
        whole = value if key == setting.key else {key.removeprefix(f"{setting.key}."): value}
        if value is not None and not setting.check(whole):
            raise ConfigError(f"{where}: {key} must be {setting.form}.")
        return
    if not key.startswith(L2) or key.count(".") == 1:
        raise _unknown(key, where)
    _, name, *inner = key.split(".")
    for part in reversed(inner):
        value = {part: value}
    check_section(name, value, where, lambda _: where)


def check_section(
    name: str, content: Mapping[str, Any], where: str, where_in: Callable[[str], str]
) -> None:
    """Check ``l2_model.NAME``, the section of a strategy, which checks what its keys mean.

    ``where_in`` tells where a key of the section stands.

    Raises:
        ConfigError: the name is a slip of one of our keys, the section holds what is no JSON, or
            its switch is none.
    """
    key = f"{L2}{name}"
    if not is_plain(content):
        raise ConfigError(
            f"{where}: {key} must be named, and hold text, numbers, true, false or lists of them."
        )
    told = any(value is not None for value in content.values())  # what is wrong can be removed
    ours = [setting.key.removeprefix(L2) for setting in SETTINGS if setting.key.startswith(L2)]
    if told and _is_slip(name, ours):
        raise _unknown(key, where)
    for inner, value in content.items():
        if value is not None and "enabled" not in content and _is_slip(inner, ["enabled"]):
            raise ConfigError(
                f"{where_in(inner)}: unknown key '{key}.{inner}'. Did you mean '{key}.enabled'?"
            )
    enabled = content.get("enabled")
    if enabled is not None and not isinstance(enabled, bool):  # YAML reads yes and on as text
        raise ConfigError(
            f"{where_in('enabled')}: {key}.enabled must be true or false, without quotes."
        )


def _is_slip(word: str, known: list[str]) -> bool:
    import difflib  # not at the top: few files have the section of a strategy

    return bool(difflib.get_close_matches(word, known, cutoff=_SLIP))


def _unknown(key: str, where: str) -> ConfigError:
    known = [setting.key for setting in SETTINGS]
    sections = {setting.key.partition(".")[0] for setting in SETTINGS}
    hint = did_you_mean(key, [*known, *sorted(sections)])
    return ConfigError(f"{where}: unknown key {key!r}.{hint} Known: {', '.join(known)}.")


def is_plain(value: Any) -> bool:
    """Tell whether a value of YAML is one of JSON, too: no date, no bytes, no NaN."""
    if isinstance(value, Mapping):
        return all(map(_is_name, value)) and all(map(is_plain, value.values()))
    if isinstance(value, list):
        return all(map(is_plain, value))
    return value is None or isinstance(value, str | bool) or _is_number(value)
