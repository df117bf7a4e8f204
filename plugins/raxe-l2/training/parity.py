"""Compare bundle folders with the fp32 PyTorch model: ``python parity.py --help``.

From the scores that ``evaluate.py`` recorded: the differences of threat probabilities and of
decisions at the shipped threshold. Also file sizes and the latency of one text in one thread
(processor time, variants interleaved, median).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from export import V10
from metrics import Floats, wilson
from scoring import onnx_session

LENGTHS = (16, 64, 128, 256)
ROUNDS = 40


def differences(reference: Floats, other: Floats, threshold: float) -> dict[str, float]:
    """Largest and mean absolute difference, and the share of decisions that differ."""
    gap = np.abs(reference - other)
    flips = int(((reference >= threshold) != (other >= threshold)).sum())
    low, high = wilson(flips, len(gap))
    return {
        "texts": len(gap),
        "max": round(float(gap.max()), 5),
        "mean": round(float(gap.mean()), 6),
        "flips": flips,
        "flip_share": round(flips / len(gap), 5),
        "flip_share_low": round(low, 5),
        "flip_share_high": round(high, 5),
    }


def latencies(folders: list[Path]) -> dict[str, dict[int, float]]:
    """Median processor milliseconds per text by bundle and length in tokens, batch 1, 1 thread."""
    sessions = {folder.name: onnx_session(folder / "model.onnx") for folder in folders}
    generator = np.random.default_rng(0)
    result: dict[str, dict[int, float]] = {name: {} for name in sessions}
    for length in LENGTHS:
        ids = generator.integers(1000, 20000, (1, length))
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        times: dict[str, list[float]] = {name: [] for name in sessions}
        for _ in range(ROUNDS):
            for name, session in sessions.items():
                start = time.thread_time()
                session.run(None, feed)
                times[name].append(time.thread_time() - start)
        for name, values in times.items():
            result[name][length] = round(1000 * float(np.median(values)), 2)
    return result


def scores_of(path: Path) -> Floats:
    """All threat probabilities that ``evaluate.py`` recorded, in the order of the files."""
    return np.concatenate([np.array(v) for v in json.loads(path.read_text())["scores"].values()])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="calibrated run folder")
    parser.add_argument("--bundles", type=Path, nargs="+", required=True, help="ONNX folders")
    parser.add_argument(
        "--evaluations", type=Path, required=True, help="folder of NAME.json, v1.0_pytorch.json too"
    )
    arguments = parser.parse_args()
    threshold = json.loads((arguments.run / "calibration.json").read_text())["threshold"]
    reference = scores_of(arguments.evaluations / "v1.0_pytorch.json")
    record: dict[str, object] = {"latency_ms": latencies(arguments.bundles)}
    for folder in arguments.bundles:
        facts = {"megabytes": round((folder / "model.onnx").stat().st_size / 1e6, 2)}
        if folder.name in V10:
            scores = scores_of(arguments.evaluations / f"{folder.name}.json")
            facts |= differences(reference, scores, threshold)
        record[folder.name] = facts
    (arguments.evaluations / "parity.json").write_text(json.dumps(record, indent=1))
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
