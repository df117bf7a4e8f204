"""What ``detector.analyze`` costs on top of the raw pair: tokenizer.encode and session.run.

Both read the same files and judge the same texts with one thread. Calls are interleaved in random
order within each round, CPU time per call is taken, and the ratio of medians is printed.

    python benchmarks/overhead.py [MODEL] [--rounds 300] [--json]
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer
from turns import cpu_of_calls, read_options

from raxe_core import ModelRegistry, open_bundle

TOKENS = (16, 64, 128, 256)
WORDS = [
    "the",
    "museum",
    "is",
    "closed",
    "on",
    "monday",
    "and",
    "opens",
    "early",
    "for",
    "visitors",
    "with",
    "a",
    "ticket",
]


def text_of(tokenizer: Tokenizer, tokens: int) -> str:
    """Return a text of exactly ``tokens`` tokens, special ones included."""
    words: list[str] = []
    while len(tokenizer.encode(" ".join([*words, "a"])).ids) <= tokens:
        words.append(WORDS[len(words) % len(WORDS)])
    return " ".join([*words, *["a"] * (tokens - len(tokenizer.encode(" ".join(words)).ids))])


def raw_pair(model_id: str) -> tuple[Tokenizer, Callable[[str], Any]]:
    """Return the tokenizer, and the shortest program that encodes and runs."""
    with open_bundle(ModelRegistry().get_model(model_id)) as bundle:
        tokenizer = Tokenizer.from_str(bundle.read("tokenizer.json").decode())
        weights = bundle.read("model.onnx")
    tokenizer.no_truncation()
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    settings.enable_cpu_mem_arena = False
    session = ort.InferenceSession(weights, settings, providers=["CPUExecutionProvider"])
    names = {node.name for node in session.get_inputs()}

    def run(text: str) -> Any:
        ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        return session.run(None, {name: value for name, value in feed.items() if name in names})

    return tokenizer, run


def main() -> None:
    """Print the table."""
    options = read_options(__doc__, model=True, rounds=300)
    tokenizer, run = raw_pair(options.model)
    detector = ModelRegistry().create_detector(options.model)
    results = []
    for tokens in TOKENS:
        text = text_of(tokenizer, tokens)
        rounds = max(40, options.rounds * 16 // tokens)
        calls = {"analyze_ms": partial(detector.analyze, text), "raw_ms": partial(run, text)}
        found = cpu_of_calls(calls, rounds)
        results.append({"tokens": tokens, **{name: s * 1e3 for name, s in found.items()}})
    if options.json:
        print(json.dumps(results, indent=2))
        return
    for row in results:
        ratio = row["analyze_ms"] / row["raw_ms"]
        print(
            f"{row['tokens']:>4} tokens: analyze {row['analyze_ms']:.3f} ms, "
            f"raw {row['raw_ms']:.3f} ms CPU, ratio {ratio:.3f}"
        )


if __name__ == "__main__":
    main()
