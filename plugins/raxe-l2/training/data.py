"""Read the corpora, split them by group, and draw weighted examples.

A *group* is what must stay on one side of the split: the ``pair`` of twins, else the text's
opening words (template sentences share them).
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import math
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from recipe import CALIBRATION_SOURCES, SOURCE_FACTORS, Recipe

GROUP_WORDS = 6
AUTHORED = Path(__file__).with_name("authored.jsonl")
AUTHORED_SOURCE = "RAXE authored pairs"
AUTHORED_LICENCE = "CC0-1.0"


@dataclasses.dataclass(frozen=True)
class Row:
    """One labelled text. ``span`` is the attack's place in characters where it is known."""

    text: str
    label: int
    family: str
    subfamily: str
    source: str
    group: str
    span: tuple[int, int] | None = None

    @property
    def kind(self) -> str:
        """``FAMILY/subfamily``, the name used by the subfamily head."""
        return f"{self.family}/{self.subfamily}"


def read_jsonl(path: Path) -> list[dict[str, object]]:
    """All objects of a gzipped JSON-lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def to_row(record: dict[str, object]) -> Row:
    """A corpus record as a row, with its group."""
    text = str(record["text"])
    opening = " ".join(text.lower().split()[:GROUP_WORDS])
    return Row(
        text=text,
        label=int(str(record["label"])),
        family=str(record["family"]),
        subfamily=str(record["subfamily"]),
        source=str(record["source"]),
        group=str(record.get("pair") or opening),
    )


def read_corpora(folder: Path, names: Iterable[str]) -> list[Row]:
    """All rows of the named corpora (``NAME.jsonl.gz`` in ``folder``), attack spans located."""
    records = [record for name in names for record in read_jsonl(folder / f"{name}.jsonl.gz")]
    return locate_spans(
        [to_row(r) for r in records], {str(r["pair"]) for r in records if r.get("pair")}
    )


def read_authored() -> list[Row]:
    """The pairs written for RAXE: the same form twice, and only what is asked for decides."""
    with AUTHORED.open(encoding="utf-8") as lines:
        records = [json.loads(line) | {"source": AUTHORED_SOURCE} for line in lines]
    return locate_spans([to_row(r) for r in records], {str(r["pair"]) for r in records})


def read_validation(folder: Path) -> dict[str, list[Row]]:
    """The validation files by name: only ever scored, never part of a training pool."""
    paths = sorted((folder / "validation").glob("*.jsonl.gz"))
    return {p.name.split(".")[0]: [to_row(r) for r in read_jsonl(p)] for p in paths}


def locate_spans(rows: Sequence[Row], pairs: set[str]) -> list[Row]:
    """Give each attack that has a clean twin (a row of its pair) the span in which they differ."""
    clean = {row.group: row.text for row in rows if row.label == 0 and row.group in pairs}
    return [
        dataclasses.replace(row, span=difference(row.text, clean[row.group]))
        if row.label and row.group in clean
        else row
        for row in rows
    ]


def difference(text: str, twin: str) -> tuple[int, int] | None:
    """The part of ``text`` between the longest common prefix and suffix with ``twin``."""
    shortest = min(len(text), len(twin))
    start = next((i for i in range(shortest) if text[i] != twin[i]), shortest)
    tail = next(
        (i for i in range(shortest - start) if text[-1 - i] != twin[-1 - i]), shortest - start
    )
    return (start, len(text) - tail) if start < len(text) - tail else None


def in_calibration(row: Row, share: float) -> bool:
    """Whether a row is kept for calibration: by its source, else by a hash of its group."""
    if row.source in CALIBRATION_SOURCES:
        return True
    digest = hashlib.sha256(row.group.encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


def split(rows: Iterable[Row], share: float) -> tuple[list[Row], list[Row]]:
    """Training and calibration rows. No group is in both."""
    rows = list(rows)
    held = {row.group for row in rows if in_calibration(row, share)}
    train = [row for row in rows if row.group not in held]
    return train, [row for row in rows if row.group in held]


def row_weights(rows: Sequence[Row], attack_share: float) -> list[float]:
    """Weights that sum to 1: sources count by the square root of their size, classes by share.

    A row of a source with n rows of its label weighs factor / sqrt(n); then each class is scaled
    to its share. Template sources would drown the rest under uniform weights.
    """
    sizes = Counter((row.source, row.label) for row in rows)
    raw = [
        SOURCE_FACTORS.get(row.source, 1.0) / math.sqrt(sizes[row.source, row.label])
        for row in rows
    ]
    totals = {
        label: sum(w for w, row in zip(raw, rows, strict=True) if row.label == label)
        for label in (0, 1)
    }
    share = {0: 1.0 - attack_share, 1: attack_share}
    return [w / totals[row.label] * share[row.label] for w, row in zip(raw, rows, strict=True)]


def draw(rows: Sequence[Row], count: int, recipe: Recipe) -> list[Row]:
    """``count`` rows by systematic resampling: a row of weight w comes floor or ceil(w*count)."""
    rng = random.Random(recipe.seed)
    order = list(range(len(rows)))
    rng.shuffle(order)
    weights = row_weights(rows, recipe.attack_share)
    position, drawn = rng.random(), []
    for index in order:
        position += weights[index] * count
        while position >= 1.0:
            drawn.append(rows[index])
            position -= 1.0
    rng.shuffle(drawn)
    return drawn
