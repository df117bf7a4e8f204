"""Prompt: one labelled text, and the check of a row that is to become one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from raxe_core.errors import DatasetError

__all__ = ["FIELDS", "Prompt", "prompt_from"]

FIELDS = ("text", "label", "family", "subfamily", "lang")
_THREAT_WORDS = frozenset({"1", "1.0", "true", "threat", "attack", "malicious", "injection"})
_BENIGN_WORDS = frozenset({"0", "0.0", "false", "benign", "safe"})


@attrs.frozen
class Prompt:
    """One labelled text; ``family`` and ``subfamily`` are None where the file does not say."""

    text: str
    is_threat: bool
    family: str | None = None
    subfamily: str | None = None
    lang: str | None = None


def prompt_from(row: Mapping[str, Any], columns: Mapping[str, str], where: str) -> Prompt:
    """Turn a row into a prompt; ``columns`` maps fields to the names they have in the row.

    Raises:
        DatasetError: there is no text or no label; the message begins with ``where``.
    """
    text_column = columns.get("text", "text")
    text = row.get(text_column)
    if not text and "text" not in columns:
        text = row.get("prompt")
    if not isinstance(text, str) or not text.strip():
        names = f"'{text_column}'" if "text" in columns else "'text' or 'prompt'"
        raise DatasetError(f"{where}: has no text. Name the column {names}.")
    label = row.get(columns.get("label", "label"))
    word = str("" if label is None else label).strip().lower()
    is_threat = word in _THREAT_WORDS
    if not is_threat and word not in _BENIGN_WORDS:
        raise DatasetError(
            f"{where}: the label is {_shown(label)}, it must be threat or benign "
            "(1 or 0). A txt file takes --label, or a name that begins with threats or benign."
        )
    family, subfamily, lang = (
        _optional(row.get(columns.get(field, field))) for field in ("family", "subfamily", "lang")
    )
    return Prompt(text, is_threat, family if is_threat else None, subfamily, lang)


def _shown(label: Any) -> str:
    return "missing" if label is None else repr(str(label)[:40])


def _optional(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
