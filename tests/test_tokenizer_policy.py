"""What a tokenizer.json may hold."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import _tokenizer
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from raxe_core.tokenizer_policy import _REGEXPS, check_tokenizer

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
VOCABULARY = {"a": 0, "b": 1}


def check(tokenizer: Tokenizer | dict[str, Any]) -> None:
    text = json.dumps(tokenizer) if isinstance(tokenizer, dict) else tokenizer.to_str()
    check_tokenizer(text.encode(), 16)


def changed(**changes: Any) -> dict[str, Any]:
    """The tiny tokenizer with these keys replaced."""
    return {**json.loads(_tokenizer().to_str()), **changes}


def with_model(**changes: Any) -> dict[str, Any]:
    return changed(model={**changed()["model"], **changes})


def bert() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(VOCABULARY, unk_token="a"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("a", 0), ("b", 1))
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def roberta() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(VOCABULARY, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(("a", 0), ("b", 1))
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<mask>"])
    return tokenizer


def deberta() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram([("a", -1.0), ("b", -2.0)], 0))
    replace = normalizers.Replace(Regex(" {2,}"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), replace])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace()])
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def qwen() -> Tokenizer:
    tokenizer = roberta()
    split = pre_tokenizers.Split(Regex(GPT2), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel()])
    tokenizer.enable_truncation(8, stride=2)
    tokenizer.enable_padding(length=16)
    return tokenizer


@pytest.mark.parametrize("make", [_tokenizer, bert, roberta, deberta, qwen])
def test_tokenizers_of_known_models_are_accepted(make: Callable[[], Tokenizer]) -> None:
    check(make())


@pytest.mark.parametrize("regexp", sorted(_REGEXPS))
def test_every_allowed_regexp_compiles(regexp: str) -> None:
    split = {"type": "Split", "pattern": {"Regex": regexp}, "behavior": "Isolated", "invert": False}
    tokenizer = changed(pre_tokenizer=split)
    check(tokenizer)
    Tokenizer.from_str(json.dumps(tokenizer)).encode("hello  world\n" * 50)


def replace(pattern: Any) -> dict[str, Any]:
    return changed(normalizer={"type": "Replace", "pattern": pattern, "content": ""})


def deep(levels: int) -> dict[str, Any]:
    component: dict[str, Any] = {"type": "NFC"}
    for _ in range(levels):
        component = {"type": "Sequence", "normalizers": [component]}
    return changed(normalizer=component)


def padded(**settings: Any) -> dict[str, Any]:
    return changed(padding=settings)


@pytest.mark.parametrize(
    ("tokenizer", "reason"),
    [
        (replace({"Regex": "(a+)+$"}), "is not one of a well-known tokenizer"),
        (replace({"Regex": "("}), "is not one of a well-known tokenizer"),
        (replace({"String": ""}), "is not one of a well-known tokenizer"),
        (replace({"Regex": []}), "is not one of a well-known tokenizer"),
        (replace(None), "is neither a String nor a Regex"),
        (changed(pre_tokenizer={"type": "Custom"}), "pre_tokenizer 'Custom' is not one of"),
        (changed(decoder=[]), "decoder is no object"),
        (deep(6), "not a list of at most 64 components"),
        (changed(post_processor={"type": "TemplateProcessing", "single": [{}] * 99}), "adds more"),
        (with_model(type="Other"), "model 'Other' is not one of"),
        (with_model(vocab=[]), "vocab of model WordLevel is of the wrong type"),
        (with_model(vocab={"a": 1 << 40}), "id is not a number up to"),
        (with_model(vocab={"a": True}), "id is not a number up to"),
        (with_model(dropout=0.1), "a matter of chance"),
        (with_model(max_input_chars_per_word=1 << 40), "max_input_chars_per_word"),
        (changed(model=None), "model is no object"),
        (changed(added_tokens={}), "added_tokens is no list"),
        (changed(added_tokens=[{"content": "x"}]), "id is not a number up to"),
        (changed(truncation={"max_length": 4, "stride": 9}), "stride of truncation is not smaller"),
        (changed(truncation={"max_length": -1}), "stride of truncation is not smaller"),
        (padded(strategy={"Fixed": 1 << 31}), "padding is to more than the 16 tokens"),
        (padded(pad_to_multiple_of=1 << 31), "padding is to more than the 16 tokens"),
    ],
)
def test_what_is_refused(tokenizer: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("(", r"\(")):
        check(tokenizer)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside ``value``."""
    found = [path]
    items: Any = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, child in items:
        found += paths(child, (*path, key))
    return found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 40), 1 << 40) | st.floats() | st.text(),
    lambda child: st.lists(child, max_size=2) | st.dictionaries(st.text(), child, max_size=2),
)


@given(st.data())
@settings(max_examples=300)
def test_any_value_anywhere_is_accepted_or_refused_with_a_reason(data: st.DataObject) -> None:
    tokenizer = json.loads(qwen().to_str())
    *path, key = data.draw(st.sampled_from(paths(tokenizer)[1:]))
    target = tokenizer
    for step in path:
        target = target[step]
    target[key] = data.draw(JSON)
    with contextlib.suppress(ValueError):
        check(tokenizer)


def test_too_large_a_vocabulary() -> None:
    vocabulary = {str(number): 0 for number in range((1 << 20) + 1)}
    with pytest.raises(ValueError, match="more than 1,048,576 tokens"):
        check(with_model(vocab=vocabulary))
