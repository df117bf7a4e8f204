"""What a ``tokenizer.json`` may hold, checked before the library that runs it sees it.

The library trusts its file: it compiles any regular expression in it, makes room for whatever sizes
stand there, and ends the process over some contradictions. So only components that are known to be
harmless are let through, and only regular expressions of well-known tokenizers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from raxe_core.strict_json import parse_json

__all__ = ["MAX_TOKENIZER_BYTES", "check_tokenizer"]

MAX_TOKENIZER_BYTES = 32 << 20
MAX_TOKENS = 1 << 20
MAX_DEPTH = 4
MAX_PARTS = 64
MAX_WORD = 1_000

# section -> its components, and where the components of a sequence stand.
_COMPONENTS = {
    "normalizer": (
        """BertNormalizer ByteLevel Lowercase NFC NFD NFKC NFKD Nmt Precompiled Prepend Replace
        Sequence Strip StripAccents""",
        "normalizers",
    ),
    "pre_tokenizer": (
        """BertPreTokenizer ByteLevel CharDelimiterSplit Digits Metaspace Punctuation Sequence Split
        UnicodeScripts Whitespace WhitespaceSplit""",
        "pretokenizers",
    ),
    "post_processor": (
        "BertProcessing ByteLevel RobertaProcessing Sequence TemplateProcessing",
        "processors",
    ),
    "decoder": (
        "BPEDecoder ByteFallback ByteLevel Fuse Metaspace Replace Sequence Strip WordPiece",
        "decoders",
    ),
}
_MODELS = ("BPE", "Unigram", "WordLevel", "WordPiece")
_LLAMA = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_REGEXPS = (
    # GPT-2, RoBERTa
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    _LLAMA % "{1,3}",  # GPT-4, Llama 3
    _LLAMA % "",  # Qwen 2
    # CLIP
    r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    # white space in converted SentencePiece models
    " {2,}",
    r"\s+",
    r"[\n\r\t]",
)


def check_tokenizer(data: bytes, max_tokens: int) -> None:
    """Check a ``tokenizer.json`` for windows of ``max_tokens`` tokens.

    Raises:
        ValueError: with a one-line reason.
    """
    content = _object(parse_json(data, limit=MAX_TOKENIZER_BYTES), "the file")
    for section in _COMPONENTS:
        _check_component(section, content.get(section), 0)
    _check_model(_object(content.get("model"), "model"))
    added = content.get("added_tokens", [])
    if not isinstance(added, list):
        raise ValueError("added_tokens is no list")
    _check_ids(_object(token, "a token of added_tokens").get("id") for token in added)
    _check_windows(content, max_tokens)


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} is no object")
    return value


def _check_component(section: str, value: Any, depth: int) -> None:
    if value is None:
        return
    component = _object(value, section)
    allowed, nested = _COMPONENTS[section]
    kind = component.get("type")
    if kind not in allowed.split():
        raise ValueError(f"{section} {str(kind)[:40]!r} is not one of {', '.join(allowed.split())}")
    if kind in ("Replace", "Split"):
        _check_pattern(section, component.get("pattern"))
    if kind == "Sequence":
        parts = component.get(nested)
        if not isinstance(parts, list) or len(parts) > MAX_PARTS or depth >= MAX_DEPTH:
            raise ValueError(f"{section} is not a list of at most {MAX_PARTS} components")
        for part in parts:
            _check_component(section, part, depth + 1)
    if kind == "TemplateProcessing":
        for name in ("single", "pair"):
            template = component.get(name)
            if not isinstance(template, list) or len(template) > MAX_PARTS:
                raise ValueError(f"{section} adds more than {MAX_PARTS} parts to a text")


def _check_pattern(section: str, pattern: Any) -> None:
    if not isinstance(pattern, Mapping) or len(pattern) != 1:
        raise ValueError(f"the pattern of {section} is neither a String nor a Regex")
    ((kind, text),) = pattern.items()
    if kind == "String" and isinstance(text, str) and text:
        return
    if kind != "Regex" or text not in _REGEXPS:
        raise ValueError(
            f"the regular expression {str(text)[:80]!r} of {section} is not one of a well-known "
            "tokenizer"
        )


def _check_model(model: Mapping[str, Any]) -> None:
    kind = model.get("type", "BPE")  # files of old versions do not name it
    if kind not in _MODELS:
        raise ValueError(f"model {str(kind)[:40]!r} is not one of {', '.join(_MODELS)}")
    vocabulary = model.get("vocab")
    if not isinstance(vocabulary, list if kind == "Unigram" else dict):
        raise ValueError(f"the vocab of model {kind} is of the wrong type")
    if len(vocabulary) > MAX_TOKENS:
        raise ValueError(f"more than {MAX_TOKENS:,} tokens")
    if isinstance(vocabulary, dict):
        _check_ids(vocabulary.values())
    merges = model.get("merges", [])
    if not isinstance(merges, list) or len(merges) > MAX_TOKENS:
        raise ValueError(f"merges is not a list of at most {MAX_TOKENS:,}")
    if model.get("dropout"):
        raise ValueError("dropout makes the tokens of a text a matter of chance")
    if not _is_size(model.get("max_input_chars_per_word", 0), MAX_WORD):
        raise ValueError(f"max_input_chars_per_word is not a number up to {MAX_WORD:,}")


def _check_ids(ids: Iterable[Any]) -> None:
    if not all(_is_size(number, MAX_TOKENS) for number in ids):
        raise ValueError(f"a token's id is not a number up to {MAX_TOKENS:,}")


def _check_windows(content: Mapping[str, Any], max_tokens: int) -> None:
    """Check the settings that raxe replaces; the library acts on them while it reads the file."""
    if content.get("truncation") is not None:
        truncation = _object(content["truncation"], "truncation")
        length: Any = truncation.get("max_length")
        stride = truncation.get("stride", 0)
        if not _is_size(length, MAX_TOKENS) or not _is_size(stride, max(length - 1, 0)):
            raise ValueError("the stride of truncation is not smaller than its max_length")
    if content.get("padding") is not None:
        padding = _object(content["padding"], "padding")
        strategy = padding.get("strategy", "BatchLongest")
        fixed = strategy.get("Fixed") if isinstance(strategy, Mapping) else 0
        multiple = padding.get("pad_to_multiple_of") or 0
        if not _is_size(fixed, max_tokens) or not _is_size(multiple, max_tokens):
            raise ValueError(f"padding is to more than the {max_tokens} tokens of a window")


def _is_size(value: Any, limit: int) -> bool:
    return type(value) is int and 0 <= value <= limit
