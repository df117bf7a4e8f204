"""A sound file with any byte changed, or cut anywhere, is read or refused; nothing else happens."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hostile.archives import small_bundle
from hostile.case import BAD, bundle, place
from hostile.weights import safetensors, tensor
from hypothesis import given, settings
from hypothesis import strategies as st

from raxe_core.config import load_config
from raxe_core.discovery import discover_folder
from raxe_core.errors import RaxeError
from raxe_core.evaluation.stream import PromptStream
from raxe_core.safetensors_header import read_safetensors_header

METADATA = {
    "model_id": BAD,
    "name": "A \u00e9 \U0001f6e1",
    "version": "1.0",
    "variant": "bad",
    "accuracy": {"binary_f1": 0.5},
    "performance": {"p95_latency_ms": 1e1},
    "file_info": {"checksum": "sha256:" + "0" * 64},
    "tags": ["a", "b"],
}
CONFIG = b"""\
models_path: [/a, "b\\n"]  # where
aliases: {x: v9.0_tiny}
l2_model:
  selection: auto
  thresholds: {v9.0_tiny: 0.5}
  constraints:
    - p95_latency_ms<10
  ab_test: {enabled: true}
policy: {block_score: .9}
"""
PROMPTS = {
    "p.jsonl": b'{"text": "a \\u00e9", "label": 1, "family": "PI"}\n{"text": "b", "label": 0}\n',
    "p.csv": b'text,label,family\n"a, ""b""\n",threat,PI\nc,0,\n',
    "p.txt": "#: label=threat family=PI\na é\r\n\n#: label=benign lang=de\nb\n".encode(),
}
PROMPTS["p.csv.gz"] = gzip.compress(PROMPTS["p.csv"], mtime=0)


def read_metadata(folder: Path, data: bytes) -> None:
    (folder / "metadata" / f"{BAD}.json").write_bytes(data)
    models = discover_folder(folder, "x")
    assert BAD in {model.model_id for model in models}
    for model in models:
        assert model.problem != ""
        model.check_listed()


def read_config(folder: Path, data: bytes) -> None:
    (folder / "config.yaml").write_bytes(data)
    assert load_config(folder / "config.yaml").l2_model


def read_prompts(name: str) -> Callable[[Path, bytes], None]:
    def read(folder: Path, data: bytes) -> None:
        (folder / name).write_bytes(data)
        for strict in (True, False):
            stream = PromptStream([folder / name], strict=strict)
            assert all(isinstance(prompt.text, str) for prompt in stream)

    return read


def read_header(_: Path, data: bytes) -> None:
    assert all(info.shape for info in read_safetensors_header(data, "x").values())


READERS: dict[str, tuple[bytes, Callable[[Path, bytes], None]]] = {
    "metadata": (json.dumps(METADATA, ensure_ascii=False).encode(), read_metadata),
    "config": (CONFIG, read_config),
    "safetensors": (safetensors(tensor()), read_header),
    **{name: (data, read_prompts(name)) for name, data in PROMPTS.items()},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a sound bundle whose sidecar is to be written."""
    home = tmp_path_factory.mktemp("mutations")
    (home / "models" / "metadata").mkdir(parents=True)
    place(home, bundle())
    return home / "models"


def changed(data: bytes) -> Iterator[bytes]:
    """The file cut at every offset, and with a bit flipped in every byte."""
    for offset in range(len(data)):
        yield data[:offset]
        yield data[:offset] + bytes([data[offset] ^ 1 << offset % 8]) + data[offset + 1 :]


def outcome(name: str, folder: Path, data: bytes) -> bool:
    """Whether these bytes are read; what refuses them is an error of ours, with words."""
    try:
        READERS[name][1](folder, data)
    except RaxeError as error:
        assert str(error)  # noqa: PT017
        return False
    return True


@pytest.mark.parametrize("name", READERS)
def test_every_flip_and_every_cut_is_read_or_refused(folder: Path, name: str) -> None:
    data = READERS[name][0]
    assert outcome(name, folder, data)
    for damaged in changed(data):
        outcome(name, folder, damaged)


@settings(max_examples=150)
@given(st.data())
def test_random_damage_is_read_or_refused(folder: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(READERS)))
    sound = READERS[name][0]
    start = data.draw(st.integers(0, len(sound)))
    length = data.draw(st.integers(0, 30))
    put = data.draw(st.binary(max_size=30) | st.sampled_from(TOKENS))
    outcome(name, folder, sound[:start] + put + sound[start + length :])


TOKENS = [
    *(b"NaN", b"1e400", b"\x00", b"\xff", b"\xef\xbb\xbf", b"[" * 500, b"{" * 500, b"\\ud800"),
    *(b"9" * 400, b"-0.0", b"\r", b'"', b"'", b"*a", b"&a ", b"<<: ", b"!!python/none ", b"? "),
    *(b"\xe2\x80\xae", b".inf", b"null", b"\n", b"%YAML 1.1\n---\n", b"0o7", b"2001-99-99"),
]


def test_members_may_stand_in_any_order_behind_the_manifest(tmp_path: Path) -> None:
    data = small_bundle(tmp_path / "source")
    (tmp_path / "a.raxe").write_bytes(data)
    assert [model.problem for model in discover_folder(tmp_path, "x")] == [None]
