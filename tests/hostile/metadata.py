"""Metadata and manifests that lie, that readers disagree about, or that attack the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hostile.case import BAD, Case, archive, bundle, place, placed, sidecar, tiny_files

ESCAPES = "\x1b[31mred\x1b]8;;http://x\x07\x9b2J\r\x08\u202e\u2066\u200b\U000e0041\x7f"
NESTED = "[" * 900 + "]" * 900


def text(value: Any) -> bytes:
    """JSON that Python writes, NaN and lone surrogates included."""
    return json.dumps(value).encode()


def with_sidecar(**fields: Any) -> Any:
    """A build with a sidecar of these fields."""
    return sidecar(text(fields))


def with_metadata(**fields: Any) -> Any:
    """A build with a bundle whose own metadata has these fields."""
    return placed(lambda: bundle({"metadata": {**base()["metadata"], **fields}}))


def with_manifest(**fields: Any) -> Any:
    """A build with a bundle whose manifest has these fields."""
    return placed(lambda: bundle(fields))


def with_head(**fields: Any) -> Any:
    """A build with a bundle whose binary head has these fields."""
    outputs = base()["outputs"]
    return with_manifest(outputs={"binary": {**outputs["binary"], **fields}})


def base() -> Any:
    """The tiny model's manifest."""
    return json.loads(tiny_files()["manifest.json"])


def two_bundles_of_one_id(home: Path) -> None:
    place(home, bundle())
    (home / "models" / "another.raxe").write_bytes(bundle())


def sidecar_without_bundle(home: Path) -> None:
    (home / "models" / "metadata").mkdir()
    (home / "models" / "metadata" / f"{BAD}.json").write_text("{}")


DOCUMENTS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "line 1"),
    "no JSON": (b"{", "line 1"),
    "list": (b"[]", "expected an object"),
    "number": (b"7", "expected an object"),
    "null": (b"null", "expected an object"),
    "two documents": (b"{} {}", "Extra data"),
    "comment": (b"// hi\n{}", "line 1"),
    "trailing comma": (b'{"status": "active",}', "line 1"),
    "duplicate key": (b'{"status": "active", "status": "deprecated"}', "stands twice"),
    "byte order mark": (b"\xef\xbb\xbf{}", "byte order mark"),
    "UTF-16": ("{}".encode("utf-16"), "UTF-8"),
    "UTF-32": ("{}".encode("utf-32-le"), "line 1|UTF-8"),
    "Latin-1": ('{"name": "é"}'.encode("latin-1"), "UTF-8"),
    "NUL": (b'{"name": "a\x00b"}', "control character"),
    "lone surrogate": (b'{"name": "\\ud800"}', "surrogate"),
    "NaN": (b'{"accuracy": {"binary_f1": NaN}}', "NaN"),
    "Infinity": (b'{"performance": {"p95_latency_ms": Infinity}}', "Infinity"),
    "overflow": (b'{"performance": {"p95_latency_ms": 1e400}}', "too large"),
    "integer of 5,000 digits": (b'{"accuracy": {"binary_f1": ' + b"9" * 5_000 + b"}}", "too large"),
    "depth of 900": (b'{"accuracy": ' + NESTED.encode() + b"}", "nested too deeply"),
    "depth of 30,000": (b"[" * 30_000, "nested too deeply"),
    "10 MB": (b'{"name": "' + b"a" * 10_000_000 + b'"}', "more than the"),
    "3,000 keys": (text({str(n): n for n in range(3_000)}), "unknown field"),
}
FIELDS: dict[str, dict[str, Any]] = {
    "id of another": {"model_id": "v1.0_other"},
    "id with a path": {"model_id": "../../etc/passwd"},
    "id with an escape": {"model_id": ESCAPES},
    "id that is a number": {"model_id": 7},
    "unknown field": {"exec": "os.system('touch canary')"},
    "field with an escape": {ESCAPES: 1},
    "field with a newline": {"a\nWarning: forged": 1},
    "name that is a list": {"name": ["x"]},
    "name that is empty": {"name": ""},
    "name of 5,000 letters": {"name": "x" * 5_000},
    "version in words": {"version": "latest; rm -rf /"},
    "unknown status": {"status": "trusted"},
    "status in capitals": {"status": "ACTIVE"},
    "latency as text": {"performance": {"p95_latency_ms": "fast"}},
    "latency as a truth": {"performance": {"p95_latency_ms": True}},
    "latency below nothing": {"performance": {"p95_latency_ms": -1}},
    "latency of 300 digits": {"performance": {"p95_latency_ms": 1e300}},
    "accuracy above one": {"accuracy": {"binary_f1": 1.5}},
    "accuracy as an object": {"accuracy": {"binary_f1": {}}},
    "section as a list": {"performance": []},
    "section as null": {"requirements": None},
    "runtime as a path": {"requirements": {"runtime": "../../evil"}},
    "runtime as a module": {"requirements": {"runtime": "os:system"}},
    "file name as a path": {"file_info": {"filename": "../x.raxe"}},
    "file name of another": {"file_info": {"filename": "other.raxe"}},
    "checksum of another": {"file_info": {"checksum": "sha256:" + "0" * 64}},
    "checksum in words": {"file_info": {"checksum": "md5:1"}},
    "tags as text": {"tags": "abc"},
    "10,000 tags": {"tags": ["x"] * 3_000},
    "date in words": {"training_info": {"trained_on": "yesterday"}},
    "samples as a fraction": {"training_info": {"training_samples": 1.5}},
}
MANIFESTS: dict[str, dict[str, Any]] = {
    "future format": {"format_version": 2},
    "format as text": {"format_version": "1"},
    "format as depth": {"format_version": [[[[]]]]},
    "unknown field": {"loader": "os.system"},
    "members as an object": {"members": {}},
    "member outside": {"members": [{"name": "../a.json", "sha256": "0" * 64, "size": 1}]},
    "member not there": {"members": [{"name": "a.json", "sha256": "0" * 64, "size": 1}]},
    "member of -1 bytes": {"members": [{"name": "a.json", "sha256": "0" * 64, "size": -1}]},
    "no member": {"members": []},
    "no output": {"outputs": {}},
    "windows of no token": {"input": {"max_tokens": 0}},
    "windows of a billion": {"input": {"max_tokens": 1_000_000_000}},
    "overlap of everything": {"input": {"max_tokens": 16, "window_overlap": 16}},
    "metadata as a list": {"metadata": []},
}
HEADS: dict[str, dict[str, Any]] = {
    "no threat label": {"threat_labels": []},
    "threat label of its own": {"threat_labels": ["other"]},
    "label twice": {"labels": ["threat", "threat"]},
    "10,000 labels": {"labels": [str(n) for n in range(10_000)]},
    "temperature of zero": {"temperature": 0},
    "threshold above all": {"threshold": 2},
    "unknown activation": {"activation": "eval"},
    "three labels for two numbers": {"labels": ["benign", "threat", "third"]},
    "tensor that is not there": {"tensor": "nothing"},
}
LEGAL: dict[str, dict[str, Any]] = {
    "brackets": {"name": "[bold]X[/bold] [link=http://x]y[/link] {z} %s"},
    "non-ASCII": {"name": "Modèle 模型 نموذج 🛡️", "description": "Größe"},
    "escapes in a name": {"name": ESCAPES, "description": ESCAPES},
    "newlines in a name": {"name": "a\nWarning: v9.0_tiny is invalid\nb"},
    "markup of a page": {"name": "<script>alert(1)</script>", "tags": ["<img src=x>"]},
    "formula": {"name": "=cmd|'/c calc'!A0"},
    "template": {"name": "{{7*7}} ${jndi:ldap://x} $(touch canary) `touch canary`"},
    "zero everywhere": {"performance": {"p95_latency_ms": 0}, "accuracy": {"binary_f1": 0}},
    "longest texts": {"name": "n" * 4_000, "description": "d" * 4_000},
    "no more than must be": {},
}
CASES = [
    *(
        Case("metadata", f"{n} (sidecar)", sidecar(d), "reject", r)
        for n, (d, r) in DOCUMENTS.items()
    ),
    *(
        Case("manifest", n, placed(lambda d=d: archive(("manifest.json", d))))  # type: ignore[misc]
        for n, (d, _) in DOCUMENTS.items()
    ),
    *(Case("metadata", f"{name} (sidecar)", with_sidecar(**f)) for name, f in FIELDS.items()),
    *(
        Case("metadata", f"{name} (manifest)", with_metadata(**f))
        for name, f in FIELDS.items()
        if not name.startswith(("id of", "file name", "checksum"))
    ),
    *(Case("manifest", name, with_manifest(**fields)) for name, fields in MANIFESTS.items()),
    *(Case("manifest", name, with_head(**fields)) for name, fields in HEADS.items()),
    *(Case("metadata", name, with_metadata(**f), "accept") for name, f in LEGAL.items()),
    *(Case("metadata", f"{n} (sidecar)", with_sidecar(**f), "accept") for n, f in LEGAL.items()),
    Case("metadata", "no bundle for it", sidecar_without_bundle, "reject", "there is no bundle"),
    Case("metadata", "one id, two bundles", two_bundles_of_one_id, "reject-or-safe"),
]
