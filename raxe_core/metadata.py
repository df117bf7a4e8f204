"""What a model says of itself: the metadata schema, and the one converter that reads it.

The schema is published as JSON Schema in ``raxe_core/schemas/model_metadata.schema.json``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs

from raxe_core.errors import MetadataError, did_you_mean

__all__ = [
    "FAMILIES",
    "STATUSES",
    "Accuracy",
    "Capabilities",
    "FileInfo",
    "ModelMetadata",
    "Performance",
    "Requirements",
    "TrainingInfo",
    "structure",
    "unstructure",
]

FAMILIES = ("PI", "JB", "CMD", "PII", "ENC", "RAG")
STATUSES = ("active", "experimental", "deprecated")

_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}")
_MAX_TEXT = 4_000
_T = TypeVar("_T")


class _FieldError(ValueError):
    """A value outside its range; ``field`` completes the JSON path."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


def _number(high: float = 1e12) -> Any:
    """An optional number from 0 to ``high``; one that nobody measures would fill a table."""

    def check(_: Any, attribute: attrs.Attribute[Any], value: float | None) -> None:
        if value is not None and not 0 <= value <= high:
            raise _FieldError(attribute.name, f"{value!r} must be from 0 to {high:g}")

    return attrs.field(default=None, validator=check)


def _text(pattern: re.Pattern[str] | None = None, **options: Any) -> Any:
    """A string, at most 4,000 characters, that matches ``pattern`` as a whole."""

    def check(_: Any, attribute: attrs.Attribute[Any], value: str | None) -> None:
        if value is None:
            return
        if len(value) > _MAX_TEXT:
            raise _FieldError(attribute.name, f"longer than {_MAX_TEXT:,} characters")
        if pattern is not None and not pattern.fullmatch(value):
            raise _FieldError(attribute.name, f"{value[:80]!r} does not match {pattern.pattern}")

    return attrs.field(validator=check, **options)


def _one_of(known: tuple[str, ...], **options: Any) -> Any:
    def check(_: Any, attribute: attrs.Attribute[Any], value: str) -> None:
        if value not in known:
            raise _FieldError(attribute.name, f"{value[:80]!r} must be one of {', '.join(known)}")

    return attrs.field(validator=check, **options)


@attrs.frozen
class FileInfo:
    """The bundle file: name, size in MB (10^6 bytes), ``sha256:`` and 64 hex digits."""

    filename: str | None = _text(re.compile(r"[^/\\\x00]+"), default=None)
    size_mb: float | None = _number()
    checksum: str | None = _text(_CHECKSUM, default=None)


@attrs.frozen
class Capabilities:
    """What the model can tell of a text."""

    classification_types: tuple[str, ...] = ()
    supported_families: tuple[str, ...] = ()
    supports_explanations: bool = False
    supports_embeddings: bool = False


@attrs.frozen
class Performance:
    """Speed and memory: milliseconds per text, texts per second, MB (10^6 bytes)."""

    target_latency_ms: float | None = _number()
    p50_latency_ms: float | None = _number()
    p95_latency_ms: float | None = _number()
    p99_latency_ms: float | None = _number()
    throughput_per_sec: float | None = _number()
    memory_mb: float | None = _number()


@attrs.frozen
class Accuracy:
    """Quality, each figure a fraction from 0 to 1."""

    binary_f1: float | None = _number(high=1.0)
    family_f1: float | None = _number(high=1.0)
    subfamily_f1: float | None = _number(high=1.0)
    false_positive_rate: float | None = _number(high=1.0)
    false_negative_rate: float | None = _number(high=1.0)


@attrs.frozen
class Requirements:
    """What the model needs to run. ``runtime`` names the plugin's runtime, ``onnx`` by default."""

    runtime: str = _text(re.compile(r"[a-z0-9][a-z0-9._-]{0,63}"), default="onnx")
    min_onnxruntime_version: str | None = _text(re.compile(r"[0-9]+(\.[0-9]+){0,3}"), default=None)
    requires_gpu: bool = False
    requires_quantization_support: bool = False


@attrs.frozen
class TrainingInfo:
    """When (``YYYY-MM-DD``) and on how many texts the model was trained."""

    trained_on: str | None = _text(re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), default=None)
    training_samples: int | None = _number()
    validation_samples: int | None = _number()
    test_samples: int | None = _number()


@attrs.frozen
class ModelMetadata:
    """One model's metadata. The first four fields are required.

    Raises:
        ValueError: a value is outside its range.
    """

    model_id: str = _text(_MODEL_ID)
    name: str = _text(re.compile(r"(?s).+"))
    version: str = _text(re.compile(r"[0-9]+(\.[0-9]+){0,3}([-+.a-z0-9]{0,40})"))
    variant: str = _text(re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"))
    description: str = _text(default="")
    file_info: FileInfo = FileInfo()
    capabilities: Capabilities = Capabilities()
    performance: Performance = Performance()
    accuracy: Accuracy = Accuracy()
    requirements: Requirements = Requirements()
    training_info: TrainingInfo = TrainingInfo()
    tags: tuple[str, ...] = ()
    status: str = _one_of(STATUSES, default="active")
    recommended_for: tuple[str, ...] = ()
    not_recommended_for: tuple[str, ...] = ()


def structure(value: Any, cls: type[_T], where: str, path: str = "$") -> _T:
    """Turn parsed JSON into ``cls``, strictly: no unknown keys, no coercion between types.

    ``where`` is the file and ``path`` the place in it that the value comes from, for messages.

    Raises:
        MetadataError: with file, JSON path and reason of each fault (at most five are listed).
    """
    import cattrs

    try:
        return _converter().structure(value, cls)  # type: ignore[no-any-return]
    except Exception as error:  # cattrs raises groups and whatever a hook raised
        lines = cattrs.transform_error(error, path=path, format_exception=_describe)
        faults = [_fault(line) for line in lines]
        more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
        listed = "; ".join(faults[:5])
        raise MetadataError(f"{where}: {listed}{more}. Mend the value, or remove it.") from None


def unstructure(value: Any) -> dict[str, Any]:
    """Turn an attrs object into JSON types in the schema's order, leaving out what is unset."""
    return _without_unset(_converter().unstructure(value))


def _without_unset(value: dict[str, Any]) -> dict[str, Any]:
    pruned = {
        key: _without_unset(item) if isinstance(item, dict) else item for key, item in value.items()
    }
    return {key: item for key, item in pruned.items() if item not in (None, {}, [], "")}


def _describe(error: BaseException, _: Any) -> str:
    """Word one fault for :func:`structure`; the field of a range error is split off later."""
    import cattrs

    if isinstance(error, KeyError):
        return "required field missing"
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        known = [field.name for field in attrs.fields(error.cl)]
        extra = sorted(error.extra_fields)
        return f"unknown field {', '.join(extra)}.{did_you_mean(extra[0], known)}"
    if isinstance(error, _FieldError):
        return f"{error.reason} @{error.field}"
    return str(error)


def _fault(line: str) -> str:
    """Turn ``reason @field @ $.path``, as cattrs joins it, into ``$.path.field: reason``."""
    reason, _, path = line.rpartition(" @ ")
    reason, at, field = reason.rpartition(" @") if " @" in reason else (reason, "", "")
    return f"{path}{'.' + field if at else ''}: {reason}"


@functools.cache
def _converter() -> Any:
    """Return the one converter, made on first use: importing cattrs costs a tenth of a start."""
    import cattrs
    from cattrs.gen import make_dict_structure_fn

    converter = cattrs.Converter(forbid_extra_keys=True)
    for kind in (str, bool, int, float):
        converter.register_structure_hook(kind, _strict(kind))
    converter.register_structure_hook_func(lambda cls: cls == tuple[str, ...], _structure_texts)

    def object_hook(cls: type) -> Callable[[Any, Any], Any]:
        build: Any = make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True)

        def hook(value: Any, kind: Any) -> Any:
            if not isinstance(value, Mapping):
                raise TypeError(f"expected an object, found {type(value).__name__}")
            return build(value, kind)

        return hook

    converter.register_structure_hook_factory(attrs.has, object_hook)
    return converter


def _strict(kind: type) -> Callable[[Any, Any], Any]:
    """A hook that takes exactly this JSON type; whole numbers are fine where floats are asked."""
    words = {str: "a string", bool: "true or false", int: "a whole number", float: "a number"}
    accepted = (int, float) if kind is float else kind

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
            raise TypeError(f"expected {words[kind]}, found {type(value).__name__}")
        return value

    return hook


def _structure_texts(value: Any, _: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError("expected a list of strings")
    if len(value) > 256 or any(len(item) > 200 for item in value):
        raise ValueError("expected at most 256 strings of at most 200 characters")
    return tuple(value)
