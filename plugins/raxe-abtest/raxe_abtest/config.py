"""The experiment: what stands in ``l2_model.ab_test``, checked.

::

    l2_model:
      ab_test:
        enabled: true
        variant_a: v1.0_pytorch        # the control
        variant_b: v1.0_onnx_int8
        traffic_split: 0.5             # the share of users that variant_b gets
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from raxe_abtest.errors import SettingsError

__all__ = ["METRICS", "Experiment", "Namespace", "Variant", "arms_of", "experiment_from"]

PARTS = 1_000_000  # weights are whole numbers of millionths
METRICS = ("accuracy", "recall", "false_positive_rate", "error_rate", "latency", "p95_latency")
LOWER_IS_BETTER = frozenset({"false_positive_rate", "error_rate", "latency", "p95_latency"})
RELATIVE = frozenset({"latency", "p95_latency"})  # their margins are shares of the control's value
DEFAULT_GUARDRAILS = {"p95_latency": 0.2, "error_rate": 0.01}
HASHES = (
    "raxe1", "growthbook_v1", "growthbook_v2", "unleash", "flagd_v2", "launchdarkly", "eppo",
)  # fmt: skip
STORE_KEYS = ("store", "durability", "secret")
ARM_KEYS = ("variants", "variant_a", "variant_b", "traffic_split")
_KEY = re.compile(r"[A-Za-z0-9._~+@:-]{1,200}")


@attrs.frozen
class Variant:
    """One arm: its letter, its model and its weight in millionths."""

    name: str
    model_id: str
    weight: int


@attrs.frozen
class Namespace:
    """Experiments of one namespace with disjoint ranges share no user."""

    name: str
    start: float
    end: float


@attrs.frozen(kw_only=True)
class Experiment:
    """What is tried, on whom, and what decides. The first variant is the control."""

    key: str
    variants: tuple[Variant, ...]
    coverage: float = 1.0
    hash: str = "raxe1"
    salt: str = ""
    namespace: Namespace | None = None
    primary_metric: str = "accuracy"
    alpha: float = 0.05
    min_effect: float = 0.0
    rope: float = 0.01
    guardrails: Mapping[str, float] = attrs.field(factory=lambda: dict(DEFAULT_GUARDRAILS))
    planned_users: int = 5_000
    max_users: int | None = None
    burn_in: int = 30
    shadow: bool = False
    sticky: bool = False
    label_delay_hours: float = 24.0
    auto_rollback: bool = True

    @property
    def weights(self) -> tuple[int, ...]:
        """The weights in millionths, in the order of the variants."""
        return tuple(variant.weight for variant in self.variants)

    @property
    def shares(self) -> tuple[float, ...]:
        """The weights as shares of one."""
        total = sum(self.weights)
        return tuple(weight / total for weight in self.weights)

    @property
    def seed(self) -> str:
        """What other tools hash an id with: their salt, or the key where none is set."""
        return self.salt or self.key

    @property
    def control(self) -> Variant:
        """The variant that answers where the experiment does not."""
        return self.variants[0]

    def as_dict(self) -> dict[str, Any]:
        """Return the experiment as JSON types; :func:`experiment_from` reads them."""
        return {
            **attrs.asdict(self, filter=lambda field, _: field.name != "variants"),
            "variants": [{"model_id": v.model_id, "weight": v.weight} for v in self.variants],
        }


def experiment_from(settings: Mapping[str, Any]) -> Experiment:
    """Read an experiment from the section ``l2_model.ab_test``.

    Raises:
        SettingsError: names the key, and what it may hold.
    """
    values = {key: value for key, value in settings.items() if value is not None}
    known = {*_CHECKS, *STORE_KEYS, *ARM_KEYS, "enabled", "namespace"}
    if "user_hash_key" in values:
        raise SettingsError(
            "l2_model.ab_test.user_hash_key: no such setting; scans go by user_id. "
            "It is an argument of ABModelSelector."
        )
    for key in values:
        if key not in known:
            raise SettingsError(f"l2_model.ab_test.{key}: no such setting.{_near(key, known)}")
    variants = _variants(values)
    checked = {name: check(name, values[name]) for name, check in _CHECKS.items() if name in values}
    if "key" not in checked:
        # The order tells the control; the key must not change with the split.
        checked["key"] = "~".join(variant.model_id for variant in variants)
    if "namespace" in values:
        checked["namespace"] = _namespace(values["namespace"])
    return Experiment(variants=variants, **checked)


def arms_of(
    variant_a: object, variant_b: object, split: object, traffic_split: object,
    variants: Mapping[str, float] | None,
) -> dict[str, Any]:  # fmt: skip
    """Return the arms as keys of the section; ``split`` and ``traffic_split`` are the same one.

    Raises:
        SettingsError: the arms are given in two ways.
    """
    if split is None:
        split = traffic_split
    elif traffic_split not in (None, split):
        raise SettingsError(f"split is {split}, traffic_split {traffic_split}. Keep one of them.")
    if variants is None:
        return {"variant_a": variant_a, "variant_b": variant_b, "traffic_split": split}
    if (variant_a, variant_b, split) != (None, None, None):
        raise SettingsError("Give variants, or variant_a, variant_b and split, not both.")
    return {"variants": [{"model_id": m, "weight": w} for m, w in variants.items()]}


def _variants(values: Mapping[str, Any]) -> tuple[Variant, ...]:
    listed = values.get("variants")
    if listed is None:
        split = _fraction("traffic_split", values.get("traffic_split", 0.5))
        models = [values.get("variant_a"), values.get("variant_b")]
        listed = [
            {"model_id": model, "weight": weight}
            for model, weight in zip(models, (1 - split, split), strict=True)
        ]
    elif "variant_a" in values or "variant_b" in values or "traffic_split" in values:
        raise SettingsError(
            "l2_model.ab_test has variants and also variant_a, variant_b or traffic_split. "
            "Keep one of the two."
        )
    if not isinstance(listed, Sequence) or isinstance(listed, str) or not 2 <= len(listed) <= 20:
        raise SettingsError("l2_model.ab_test.variants must list 2 to 20 variants.")
    entries = [_variant(number, entry) for number, entry in enumerate(listed)]
    total = sum(weight for _, weight in entries)
    if total <= 0:
        raise SettingsError("l2_model.ab_test: the weights of the variants add up to 0.")
    models = [model for model, _ in entries]
    if len(set(models)) != len(models):
        raise SettingsError(f"l2_model.ab_test: two variants are the same model: {models}.")
    return tuple(
        Variant(chr(ord("A") + number), model, round(weight / total * PARTS))
        for number, (model, weight) in enumerate(entries)
    )


def _variant(number: int, entry: Any) -> tuple[str, float]:
    letter = chr(ord("a") + number)
    if not isinstance(entry, Mapping) or set(entry) - {"model_id", "weight"}:
        raise SettingsError(f"l2_model.ab_test: variant {letter} must have model_id and weight.")
    model, weight = entry.get("model_id"), entry.get("weight", 1)
    if not isinstance(model, str) or not _KEY.fullmatch(model):
        raise SettingsError(f"l2_model.ab_test.variant_{letter} must be a model id, not {model!r}.")
    if not _is_number(weight) or not 0 <= weight <= 1e9:
        raise SettingsError(f"l2_model.ab_test: the weight of {model} must be 0 or more.")
    return model, float(weight)


def _namespace(value: Any) -> Namespace:
    try:
        name, (start, end) = value["name"], value["range"]
        if isinstance(name, str) and name and 0 <= start < end <= 1:
            return Namespace(name, float(start), float(end))
    except (TypeError, ValueError, KeyError):
        pass
    try:  # as as_dict writes it
        return Namespace(value["name"], float(value["start"]), float(value["end"]))
    except (TypeError, ValueError, KeyError):
        raise SettingsError(
            "l2_model.ab_test.namespace must be {name: NAME, range: [START, END]} within 0 to 1."
        ) from None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _fraction(name: str, value: Any) -> float:
    if not _is_number(value) or not 0 <= value <= 1:
        raise SettingsError(f"l2_model.ab_test.{name} must be from 0 to 1, not {value!r}.")
    return float(value)


def _number(low: float, high: float) -> Callable[[str, Any], float]:
    def check(name: str, value: Any) -> float:
        if not _is_number(value) or not low <= value <= high:
            raise SettingsError(
                f"l2_model.ab_test.{name} must be from {low:g} to {high:g}, not {value!r}."
            )
        return value  # type: ignore[no-any-return]

    return check


def _whole(low: int) -> Callable[[str, Any], int]:
    def check(name: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            raise SettingsError(f"l2_model.ab_test.{name} must be a whole number from {low}.")
        return value

    return check


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(f"l2_model.ab_test.{name} must be true or false, not {value!r}.")
    return value


def _one_of(*known: str) -> Callable[[str, Any], str]:
    def check(name: str, value: Any) -> str:
        if value not in known:
            raise SettingsError(
                f"l2_model.ab_test.{name} must be one of {', '.join(known)}, not {value!r}."
            )
        return str(value)

    return check


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or (name == "key" and not _KEY.fullmatch(value)):
        raise SettingsError(f"l2_model.ab_test.{name}: {value!r} is not a usable text.")
    return value


def _guardrails(_: str, value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise SettingsError("l2_model.ab_test.guardrails must map metrics to margins.")
    for metric, margin in value.items():
        if metric not in METRICS or not _is_number(margin) or margin < 0:
            raise SettingsError(
                f"l2_model.ab_test.guardrails: {metric!r}: {margin!r} is not a metric with a "
                f"margin. Metrics: {', '.join(METRICS)}."
            )
    return {str(metric): float(margin) for metric, margin in value.items()}


def _near(word: str, known: set[str]) -> str:
    import difflib

    near = difflib.get_close_matches(word, sorted(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "key": _text,
    "coverage": _fraction,
    "hash": _one_of(*HASHES),
    "salt": _text,
    "primary_metric": _one_of(*METRICS),
    "alpha": _number(1e-6, 0.5),
    "min_effect": _number(0, 1e9),
    "rope": _number(0, 1e9),
    "guardrails": _guardrails,
    "planned_users": _whole(10),
    "max_users": _whole(10),
    "burn_in": _whole(2),
    "shadow": _truth,
    "sticky": _truth,
    "label_delay_hours": _number(0, 1e6),
    "auto_rollback": _truth,
}
