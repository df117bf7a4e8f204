"""Datasets: labelled prompts from txt, csv and jsonl files, each of them plain or gzipped.

txt
    One prompt a line; empty lines are skipped. All prompts have the label of the file: a file named
    ``threat*`` or ``attack*`` holds threats, ``benign*`` or ``safe*`` benign prompts. A line such
    as ``#: label=threat family=PI subfamily=task_hijack`` sets the labels of the lines after it.
csv, jsonl
    A column ``text`` (or ``prompt``) and a column ``label``: 1, true, threat, attack, malicious or
    injection; 0, false, benign or safe. ``family``, ``subfamily`` and ``lang`` are optional.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from raxe_core.evaluation.prompts import Prompt
from raxe_core.evaluation.stream import PromptStream

__all__ = [
    "Dataset",
    "Prompt",
    "prompt_stream",
    "read_dataset",
    "standard_dataset",
    "standard_paths",
]

_STANDARD = ("threats.txt", "benign.txt", "edge_cases.txt")


@attrs.frozen
class Dataset:
    """Labelled prompts with their origin; ``sha256`` maps each file's name to its digest.

    ``skipped`` counts the malformed rows that were left out.
    """

    name: str
    prompts: tuple[Prompt, ...]
    sha256: Mapping[str, str]
    skipped: int = 0

    @property
    def threats(self) -> int:
        """The number of threats."""
        return sum(prompt.is_threat for prompt in self.prompts)


def standard_paths() -> list[Path]:
    """Return the files of the standard test dataset, which ships with the core."""
    folder = Path(__file__).parent / "test_datasets"
    return [folder / name for name in _STANDARD]


def standard_dataset() -> Dataset:
    """Return the standard test dataset."""
    return attrs.evolve(read_dataset(standard_paths()), name="standard")


def prompt_stream(
    paths: Sequence[Path] = (),
    label: str | None = None,
    columns: Mapping[str, str] | None = None,
    strict: bool = True,
) -> PromptStream:
    """Return the prompts of files, as :func:`read_dataset`; without a file, the standard ones."""
    stream = PromptStream(paths or standard_paths(), label, columns, strict)
    stream.name = stream.name if paths else "standard"
    return stream


def read_dataset(
    paths: Sequence[Path],
    label: str | None = None,
    columns: Mapping[str, str] | None = None,
    strict: bool = True,
) -> Dataset:
    """Read prompts from files.

    ``label`` (``threat`` or ``benign``) is the label of every prompt of a txt file without labels;
    ``columns`` names the column of a field where it has another name. Without ``strict``, malformed
    rows are skipped and counted.

    Raises:
        DatasetError: a file cannot be read, a row is malformed, or there is no prompt; names file,
            line and reason.
    """
    stream = PromptStream(paths, label, columns, strict)
    prompts = tuple(stream)
    return Dataset(stream.name, prompts, stream.sha256, stream.skipped)
