"""Write seeds for ``readers.py`` to a folder: sound files, and the hostile ones of the tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from hostile import archives, config, metadata, weights
from hostile.case import bundle

SEEDS = {
    0: [document for document, _ in metadata.DOCUMENTS.values()],
    1: [bundle(), *(make() for make, _ in archives.HOSTILE.values())],
    2: [weights.safetensors(weights.tensor()), *weights.SAFETENSORS.values()],
    3: [*config.REFUSED.values(), *config.HANDLED.values()],
    4: [b'{"text": "a", "label": 1}\n'],
    5: [b'text,label\n"a, ""b""",threat\n'],
    6: [b"#: label=threat family=PI\na\n"],
}


def main(folder: Path) -> None:
    """Write one file for each seed, its reader's number in front."""
    for number, seeds in SEEDS.items():
        for index, seed in enumerate(seeds):
            if len(seed) <= 1 << 16:
                (folder / f"{number}-{index}").write_bytes(bytes([number]) + seed)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
