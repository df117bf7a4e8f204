"""Configuration files that were torn, or that somebody else wrote."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from hostile.case import Case

LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
)


def written(data: bytes) -> Callable[[Path], object]:
    """A build that leaves this configuration."""
    return lambda home: (home / "config.yaml").write_bytes(data)


def linked(target: str) -> Callable[[Path], object]:
    """A build that leaves a link in its place."""
    return lambda home: (home / "config.yaml").symlink_to(target)


REFUSED: dict[str, bytes] = {
    "object": b'!!python/object/apply:os.system ["touch canary"]',
    "object in a value": b'aliases: !!python/object/apply:os.system ["touch canary"]',
    "module in a value": b"aliases: {a: !!python/name:os.system }",
    "laughs": LAUGHS.encode(),
    "list that holds itself": b"models_path: &a [*a]",
    "merge": b"l2_model: {<<: {selection: auto}, <<: {selection: explicit}}",
    "torn": b"l2_model:\n  selection: 'exp",
    "tab": b"l2_model:\n\tselection: auto",
    "binary": bytes(range(256)),
    "NUL": b"aliases: {a: 'b\x00'}",
    "not UTF-8": b"aliases: {a: caf\xe9}",
    "UTF-16": "aliases: {}".encode("utf-16"),
    "list": b"- l2_model",
    "text": b"yes",
    "two documents": b"aliases: {}\n---\naliases: {}",
    "duplicate key": b"aliases: {}\naliases: {}",
    "unknown key": b"l2_model: {selecton: auto}",
    "key with an escape": b'"\\e[31mred": 1',
    "key that is a list": b"? [a, b]\n: c",
    "key that is a mapping": b"? {a: b}\n: c",
    "key that is a number": b"1: 2",
    "NaN as a threshold": b"l2_model: {thresholds: {v9.0_tiny: .nan}}",
    "NaN as a score": b"policy: {block_score: .nan}",
    "endless time": b"l2_model: {load_timeout_s: .inf}",
    "time of 300 digits": b"l2_model: {load_timeout_s: 1" + b"0" * 300 + b"}",
    "time before now": b"l2_model: {load_timeout_s: -1}",
    "date as a model": b"l2_model: {model_id: 2001-99-99}",
    "section as a list": b"l2_model: [selection]",
    "alias of a list": b"aliases: {a: [b]}",
    "depth": b"a: " + b"[" * 5_000,
    "depth of flows": b"{a: " * 5_000,
    "100 KB": b"aliases:\n" + b"  a: b\n" * 15_000,
}
HANDLED: dict[str, bytes] = {
    "nothing": b"",
    "byte order mark": b"\xef\xbb\xbfaliases: {}",
    "unknown model": b"l2_model: {selection: explicit, model_id: v0.0_gone}",
    "unknown strategy": b"l2_model: {selection: eval}",
    "no as a model": b"l2_model: {selection: explicit, model_id: no}",
    "path with a NUL": b'models_path: ["a\\0b"]',
    "alias of itself": b"aliases: {a: a}\nl2_model: {selection: explicit, model_id: a}",
    "alias with an escape": b'aliases: {"\\e[31mred": v9.0_tiny}',
    "system as a folder": b"models_path: [/, /proc, /dev]",
    "unknown home": b"models_path: ['~nobody-of-this-name/models']",
    "path with an escape": b'models_path: ["/tmp/\\e[31m\\u202ered"]',
    "10,000 folders": b"models_path: [" + b"a," * 10_000 + b"]",
    "long value": b"aliases: {a: " + b"x" * 60_000 + b"}",
    "nulls": b"aliases:\nl2_model:\npolicy:\nmodels_path:\n",
}
CASES = [
    *(Case("config", name, written(data), "reject") for name, data in REFUSED.items()),
    *(Case("config", name, written(data), "error-or-handled") for name, data in HANDLED.items()),
    Case("config", "folder", lambda home: (home / "config.yaml").mkdir()),
    Case("config", "pipe", lambda home: os.mkfifo(home / "config.yaml")),
    Case("config", "endless device", linked("/dev/zero")),
    Case("config", "file of the system", linked("/etc/passwd")),
    Case("config", "link to nothing", linked("gone")),
    Case("config", "link to itself", linked("config.yaml")),
]
