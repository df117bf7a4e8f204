"""Two probe sets made from validation texts: attacks in long documents, and encoded texts.

They are for reporting only. The long documents are pages of a source that training leaves out; the
encodings are those of ``augment.py``, which training has seen on other texts.
"""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

from augment import OBFUSCATIONS
from data import Row, read_corpora

DOCUMENT_SOURCE = "GSA/digitalgov.gov"
DOCUMENT_CHARS = 5000
DOCUMENTS = 120
ENCODED = 400
ATTACK_FILE, BENIGN_FILE = "deepset", "benign_chat"


def probe_sets(data: Path, files: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """``long_documents`` and ``encoded``: rows with labels, seeded."""
    rng = random.Random(7)
    attacks = [row for row in files[ATTACK_FILE] if row.label]
    pages = [
        row.text
        for row in read_corpora(data, ["extra_benign"])
        if row.source == DOCUMENT_SOURCE and row.subfamily == "benign_document"
    ]
    return {
        "long_documents": long_documents(rng.sample(attacks, DOCUMENTS), pages, rng),
        "encoded": encoded([*attacks, *files[BENIGN_FILE]], rng),
    }


def long_documents(attacks: list[Row], pages: list[str], rng: random.Random) -> list[Row]:
    """Per attack a document of about 5,000 characters with it at a random place, and without."""
    rows: list[Row] = []
    for attack in attacks:
        parts: list[str] = []
        while sum(map(len, parts)) < DOCUMENT_CHARS:
            parts.append(rng.choice(pages))
        place = rng.randint(0, len(parts))
        clean = "\n\n".join(parts)
        planted = "\n\n".join([*parts[:place], attack.text, *parts[place:]])
        rows.append(dataclasses.replace(attack, text=planted))
        rows.append(Row(clean, 0, "BENIGN", "benign_document", DOCUMENT_SOURCE, clean[:40]))
    return rows


def encoded(rows: list[Row], rng: random.Random) -> list[Row]:
    """Texts of both labels, each under one random encoding."""
    chosen = rng.sample(rows, min(ENCODED, len(rows)))
    return [dataclasses.replace(row, text=rng.choice(OBFUSCATIONS)[1](row.text)) for row in chosen]
