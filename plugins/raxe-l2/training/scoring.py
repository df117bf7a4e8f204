"""Score texts with a PyTorch or an ONNX model, the way the product does.

A text longer than the window is scored window by window; the window with the highest threat
logit margin decides.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from batches import base_tokenizer, by_length, pad, windows
from model import HEAD_SIZES, Detector

MAX_TOKENS = 256
OVERLAP = 64

Logits = dict[str, NDArray[np.float32]]
Scorer = Callable[[Sequence[list[int]]], Logits]
"""From windows (token ids with special tokens) to logits [windows, labels] by head."""


def torch_scorer(detector: Detector, dtype: torch.dtype = torch.float32) -> Scorer:
    """Score with PyTorch in batches of similar length. bf16 is for quick looks only."""
    model = detector.to(dtype).eval()

    def score(sequences: Sequence[list[int]]) -> Logits:
        out = {name: np.zeros((len(sequences), n), np.float32) for name, n in HEAD_SIZES.items()}
        with torch.inference_mode():
            for indexes in by_length(sequences, 4096):
                logits = model(*pad([sequences[i] for i in indexes]))
                for name, values in out.items():
                    values[indexes] = logits[name].numpy()
        return out

    return score


def onnx_session(path: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """A CPU session with a fixed number of threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def onnx_scorer(path: Path, threads: int = 1) -> Scorer:
    """Score with ONNX Runtime, each window by itself and without padding, as the product does."""
    session, names = onnx_session(path, threads), list(HEAD_SIZES)

    def score(sequences: Sequence[list[int]]) -> Logits:
        rows: list[list[NDArray[np.float32]]] = []
        for ids in sequences:
            feed = {
                "input_ids": np.array([ids], np.int64),
                "attention_mask": np.ones((1, len(ids)), np.int64),
            }
            rows.append(session.run(names, feed))
        return {name: np.concatenate([r[i] for r in rows]) for i, name in enumerate(names)}

    return score


@dataclasses.dataclass(frozen=True)
class Scores:
    """Per text: threat logit margin, and the kind heads' logits of the deciding window."""

    margin: NDArray[np.float64]
    family: NDArray[np.float32]
    subfamily: NDArray[np.float32]

    def probability(self, temperature: float) -> NDArray[np.float64]:
        """Softmax of the binary logits / temperature, threat label."""
        return 1.0 / (1.0 + np.exp(-self.margin / temperature))


def score_texts(texts: Sequence[str], scorer: Scorer) -> Scores:
    """Scores of texts, each the maximum over its windows."""
    sequences: list[list[int]] = []
    owners: list[int] = []
    for index, encoding in enumerate(base_tokenizer().encode_batch(list(texts))):
        for ids in windows(list(encoding.ids), MAX_TOKENS, OVERLAP):
            sequences.append(ids)
            owners.append(index)
    logits = scorer(sequences)
    margins = (logits["binary"][:, 1] - logits["binary"][:, 0]).astype(np.float64)
    best = np.full(len(texts), -1)
    for window, owner in enumerate(owners):
        if best[owner] < 0 or margins[window] > margins[best[owner]]:
            best[owner] = window
    return Scores(margins[best], logits["family"][best], logits["subfamily"][best])
