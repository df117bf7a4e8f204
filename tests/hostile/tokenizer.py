"""Tokenizers that take for ever, ask for too much, or break the library that reads them."""

from __future__ import annotations

import json
from typing import Any

from hostile.case import Case, bundle, placed, tiny_files


def changed(**parts: Any) -> bytes:
    """The tiny model's tokenizer with other parts."""
    return json.dumps({**json.loads(tiny_files()["tokenizer.json"]), **parts}).encode()


def split_at(pattern: dict[str, str]) -> dict[str, Any]:
    """A pre-tokenizer that splits at a pattern."""
    return {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}


def words(vocabulary: dict[str, Any]) -> dict[str, Any]:
    """A model of whole words."""
    return {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"}


def padding(**parts: Any) -> dict[str, Any]:
    """Padding to a fixed length."""
    fixed = {"direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0}
    return {**fixed, "pad_token": "[UNK]", **parts}


REJECTED: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "list": b"[]",
    "not UTF-8": b"\xff\xfe{}",
    "depth": b"[" * 100_000,
    "no model": b'{"version": "1.0"}',
    "unknown kind": changed(model={"type": "Exec", "vocab": {}}),
    "no vocabulary": changed(model={"type": "WordLevel"}),
    "ids that are negative": changed(model=words({"[UNK]": -1})),
    "ids of 2**40": changed(model=words({"[UNK]": 1 << 40})),
    "ids without a row": changed(model=words({"[UNK]": 0, "hello": 4_000_000_000})),
    "regular expression that is broken": changed(pre_tokenizer=split_at({"Regex": "(((("})),
    "regular expression that explodes": changed(pre_tokenizer=split_at({"Regex": "(a|a|aa)+$"})),
}
EITHER: dict[str, bytes] = {
    "padding to 2**31": changed(padding=padding(strategy={"Fixed": 1 << 31})),
    "stride over the length": changed(
        truncation={"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 9}
    ),
    "truncation to nothing": changed(
        truncation={"direction": "Right", "max_length": 0, "strategy": "LongestFirst", "stride": 0}
    ),
    "text that grows a thousandfold": changed(
        normalizer={"type": "Replace", "pattern": {"String": "e"}, "content": "e" * 100_000}
    ),
    "prefix of a megabyte": changed(normalizer={"type": "Prepend", "prepend": "x " * 500_000}),
    "no special tokens": changed(post_processor=None),
    "escapes in the vocabulary": changed(model=words({"[UNK]": 0, "\x1b[31m": 1})),
    "duplicate ids": changed(model=words({"[UNK]": 0, "hello": 0})),
}
CASES = [
    *(
        Case("tokenizer", name, placed(lambda d=data: bundle(files={"tokenizer.json": d})), expect)  # type: ignore[misc]
        for expect, cases in (("reject", REJECTED), ("reject-or-safe", EITHER))
        for name, data in cases.items()
    ),
]
