"""Fuzz the readers of files from strangers: ``python fuzz/readers.py [-max_total_time=300]``.

Each reader must return, or raise an error of ours; anything else is a finding. See README.md.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["raxe_core", "ruamel", "zipfile", "csv", "gzip"]):
    from raxe_core.config import load_config
    from raxe_core.discovery import discover_folder
    from raxe_core.errors import RaxeError
    from raxe_core.evaluation.stream import PromptStream
    from raxe_core.safetensors_header import read_safetensors_header
    from raxe_core.strict_json import parse_json
    from raxe_core.yaml_file import read_yaml

BUNDLE = "raxe_model_l2_v1.0_fuzz.raxe"


def read_json(_: Path, data: bytes) -> None:
    """Strict JSON, shallow enough to be shown."""
    with contextlib.suppress(ValueError):
        repr(parse_json(data))


def read_bundle(folder: Path, data: bytes) -> None:
    """A bundle, as listing and loading read it."""
    (folder / BUNDLE).write_bytes(data)
    for model in discover_folder(folder, "fuzz"):
        model.check_listed()


def read_safetensors(_: Path, data: bytes) -> None:
    """The header of a safetensors file."""
    read_safetensors_header(data, "fuzz")


def read_configuration(folder: Path, data: bytes) -> None:
    """A YAML file, then as configuration."""
    (folder / "config.yaml").write_bytes(data)
    read_yaml(folder / "config.yaml")
    load_config(folder / "config.yaml")


def read_prompts(name: str) -> Callable[[Path, bytes], None]:
    """A file of prompts of this kind."""

    def read(folder: Path, data: bytes) -> None:
        (folder / name).write_bytes(data)
        for _ in PromptStream([folder / name], strict=False):
            pass

    return read


READERS = (
    read_json,
    read_bundle,
    read_safetensors,
    read_configuration,
    *map(read_prompts, ("p.jsonl", "p.csv", "p.txt", "p.jsonl.gz")),
)
FOLDER = Path(tempfile.mkdtemp(prefix="raxe-fuzz-"))


def read_one(data: bytes) -> None:
    """Read the input with the reader that its first byte names."""
    if not data:
        return
    try:
        READERS[data[0] % len(READERS)](FOLDER, data[1:])
    except RaxeError as error:
        assert str(error)  # noqa: PT017


if __name__ == "__main__":
    atheris.Setup(sys.argv, read_one)
    atheris.Fuzz()
