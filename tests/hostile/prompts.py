"""Files of prompts: odd texts that must be judged, and files that must be refused."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

from hostile.case import Case
from hostile.metadata import ESCAPES


def written(name: str, make: Callable[[], bytes]) -> Callable[[Path], object]:
    """A build that leaves a file of prompts."""
    return lambda home: (home / name).write_bytes(make())


def row(text: object, label: object = 1, **fields: object) -> bytes:
    """A row of a jsonl file."""
    return json.dumps({"text": text, "label": label, **fields}).encode() + b"\n"


def zeros(size: int) -> bytes:
    """A gzip file of zeros."""
    return gzip.compress(bytes(size), 9)


def linked(name: str, target: str) -> Callable[[Path], object]:
    """A build that leaves a link in the place of a file."""
    return lambda home: (home / name).symlink_to(target)


JUDGED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "escapes": ("p.jsonl", lambda: row(ESCAPES.replace("\ud800", ""), family=ESCAPES)),
    "escapes in a csv": ("p.csv", f'text,label,family\n"{ESCAPES}",1,"\x1b[2J"\n'.encode),
    "zero width": ("threats.txt", "i\u200bg\u200bn\u200bore\n".encode),
    "NUL": ("threats.txt", lambda: b"a\x00b\n"),
    "bidi": ("threats.txt", "\u202eerongi\u202c\n".encode),
    "combining": ("threats.txt", ("a" + "\u0301" * 10_000).encode),
    "one character": ("threats.txt", lambda: b"x" * 200_000),
    "text that expands": ("threats.txt", ("\ufdfa" * 20_000).encode),
    "formula": ("p.csv", lambda: b"text,label\n=cmd|' /c calc'!A0,1\n"),
    "field of a megabyte": ("p.csv", lambda: b'text,label\n"' + b"a" * 1_000_000 + b'",1\n'),
    "100,000 fields": ("p.jsonl", lambda: row("x", **{f"f{n}": n for n in range(100_000)})),
    "1,000 families": ("p.jsonl", lambda: b"".join(row("x", family=str(n)) for n in range(300))),
    "no last newline": ("benign.txt", lambda: b"hello"),
    "old line ends": ("benign.txt", lambda: b"hello\rhello\r\nhello"),
}
REFUSED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "nothing": ("threats.txt", lambda: b""),
    "blank lines": ("threats.txt", lambda: b"\n" * 1_000),
    "not UTF-8": ("threats.txt", lambda: b"caf\xe9\n"),
    "UTF-16": ("threats.txt", lambda: "hello".encode("utf-16")),
    "empty text": ("p.jsonl", lambda: row("")),
    "lone surrogate": ("p.jsonl", lambda: row("\ud800")),
    "torn row": ("p.jsonl", lambda: b'{"text": "a", "lab'),
    "duplicate key": ("p.jsonl", lambda: b'{"text": "a", "text": "b", "label": 1}'),
    "NaN": ("p.jsonl", lambda: b'{"text": "a", "label": NaN}'),
    "depth": ("p.jsonl", lambda: b"[" * 100_000),
    "list": ("p.jsonl", lambda: b'["a", 1]'),
    "label as an object": ("p.jsonl", lambda: row("a", {"threat": True})),
    "text as a number": ("p.jsonl", lambda: row(5)),
    "open quote": ("p.csv", lambda: b'text,label\n"a,1\n' + b"b,0\n" * 1_000),
    "no header": ("p.csv", lambda: b"a,1\n"),
    "1,000,000 columns": ("p.csv", lambda: b"a," * 1_000_000 + b"\n1\n"),
    "NUL in a csv": ("p.csv", lambda: b"text,label\nmaybe\x00,perhaps\n"),
    "gzip bomb": ("threats.txt.gz", lambda: zeros(200 << 20)),
    "gzip bomb of lines": ("threats.txt.gz", lambda: gzip.compress(b"\n" * (20 << 20), 9)),
    "gzip in gzip": ("threats.txt.gz", lambda: gzip.compress(gzip.compress(b"a"))),
    "torn gzip": ("threats.txt.gz", lambda: gzip.compress(b"hello\n" * 1_000)[:-9]),
    "no gzip": ("threats.txt.gz", lambda: b"hello"),
    "unknown kind": ("prompts.pkl", lambda: b"hello"),
    "10 MB in a line": ("threats.txt", lambda: b"word " * 2_000_000),
    "million tokens": ("threats.txt", lambda: b"! " * 1_000_000),
}
CASES = [
    *(Case("prompts", n, written(*content), "accept") for n, content in JUDGED.items()),
    *(Case("prompts", n, written(*content), "reject") for n, content in REFUSED.items()),
    Case("prompts", "folder", lambda home: (home / "threats.txt").mkdir()),
    Case("prompts", "pipe", lambda home: os.mkfifo(home / "threats.txt")),
    Case("prompts", "endless device", linked("threats.txt", "/dev/zero")),
    Case("prompts", "link to itself", linked("threats.txt", "threats.txt")),
]
