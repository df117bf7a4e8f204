"""Throughput on mixed lengths: planned batches against single calls and naive padded batches.

All three judge the standard dataset's prompts, in interleaved rounds; ratios of CPU time are
printed. The scores of planned batches must be those of single calls.

    python benchmarks/throughput.py [MODEL] [--prompts 64] [--rounds 3] [--json]
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer
from turns import cpu_of_calls, read_options

from raxe_core import ModelRegistry, open_bundle
from raxe_core.evaluation.batches import BATCH_TOKENS
from raxe_core.evaluation.datasets import standard_dataset
from raxe_core.evaluation.sharded import judge

NAIVE_BATCH = 32


def naive(model_id: str) -> Callable[[Sequence[str]], None]:
    """Return what pads each 32 texts, in the order they come, to the longest of them."""
    with open_bundle(ModelRegistry().get_model(model_id)) as bundle:
        tokenizer = Tokenizer.from_str(bundle.read("tokenizer.json").decode())
        weights, longest = bundle.read("model.onnx"), bundle.manifest.input.max_tokens
    tokenizer.enable_truncation(longest)
    tokenizer.enable_padding()
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    session = ort.InferenceSession(weights, settings, providers=["CPUExecutionProvider"])
    names = {node.name for node in session.get_inputs()}

    def run(texts: Sequence[str]) -> None:
        for start in range(0, len(texts), NAIVE_BATCH):
            found = tokenizer.encode_batch(list(texts[start : start + NAIVE_BATCH]))
            feed = {
                "input_ids": np.array([one.ids for one in found], dtype=np.int64),
                "attention_mask": np.array([one.attention_mask for one in found], dtype=np.int64),
            }
            feed["token_type_ids"] = np.zeros_like(feed["input_ids"])
            session.run(None, {name: value for name, value in feed.items() if name in names})

    return run


def main() -> None:
    """Print the ratios."""
    options = read_options(__doc__, model=True, prompts=64, rounds=3)
    random.seed(0)
    texts = [prompt.text for prompt in standard_dataset().prompts]
    random.shuffle(texts)
    texts = texts[: options.prompts]
    detector, padded = ModelRegistry().create_detector(options.model), naive(options.model)
    single, planned = judge(detector, texts), judge(detector, texts, (), BATCH_TOKENS)
    worst = max(abs(a[1] - b[1]) for a, b in zip(single, planned, strict=True))
    found = cpu_of_calls(
        {
            "single": lambda: judge(detector, texts),
            "planned": lambda: judge(detector, texts, (), BATCH_TOKENS),
            "naive": lambda: padded(texts),
        },
        options.rounds,
    )
    result = {
        "planned_over_single": found["single"] / found["planned"],
        "planned_over_naive": found["naive"] / found["planned"],
        "largest_score_difference": worst,
        "cpu_seconds": found,
    }
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"planned batches: {result['planned_over_single']:.2f}x the throughput of single calls")
    print(f"planned batches: {result['planned_over_naive']:.2f}x that of naive batches of 32")
    print(f"largest difference of a score: {worst:.2g}")


if __name__ == "__main__":
    main()
