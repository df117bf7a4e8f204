"""Run windows of token ids through a network, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from raxe_core import RaxeError
from raxe_torch.batches import plan

if TYPE_CHECKING:
    from raxe_torch.network import ClassifierNetwork, EncoderNetwork

__all__ = ["BUDGETS", "Forward"]

BUDGETS = {
    ("cpu", "float32"): 1,
    ("cpu", "bfloat16"): 1_024,
    ("cuda", "float32"): 65_536,
    ("cuda", "bfloat16"): 65_536,
}
"""Tokens of one batch, padding included, by device and precision.

Matrix products round by the shape of the batch: over 1,500 windows of a trained MiniLM, batches
moved scores by up to 1.02e-6 in float32. A CPU gains less than twofold by them, so each float32
window runs alone there, and a text gets the same bits in every batch.
"""


class Forward:
    """The forward pass of a loaded network.

    ``tensors`` maps each head to its tensor, ``vocabulary_size`` bounds the token ids, and
    ``budget`` the tokens of a batch; see ``BUDGETS``.
    """

    def __init__(
        self,
        network: EncoderNetwork | ClassifierNetwork,
        tensors: Mapping[str, str],
        device: torch.device,
        *,
        padding: int,
        vocabulary_size: int,
        threads: int,
        budget: int,
    ) -> None:
        self._network = network
        self._tensors = tensors
        self._device = device
        self._padding = padding
        self._vocabulary_size = vocabulary_size
        self._threads = threads
        self._budget = budget

    def __call__(
        self, windows: Sequence[Sequence[int]], heads: Sequence[str]
    ) -> list[dict[str, list[float]]]:
        """Return the values of ``heads`` for each window."""
        results: list[dict[str, list[float]]] = [{} for _ in windows]
        with torch.inference_mode(), _threads(self._threads):
            for batch in plan([len(window) for window in windows], self._budget):
                values = self._run([windows[position] for position in batch], heads)
                for head in heads:
                    for position, row in zip(batch, values[self._tensors[head]], strict=True):
                        results[position][head] = row
        return results

    def _run(
        self, windows: list[Sequence[int]], heads: Sequence[str]
    ) -> dict[str, list[list[float]]]:
        longest = len(windows[0])  # the plan sorts
        rows = [[*ids, *[self._padding] * (longest - len(ids))] for ids in windows]
        ids = torch.tensor(rows, dtype=torch.int64)
        if int(ids.max()) >= self._vocabulary_size:
            # An index outside the table would be a crash, on a GPU of the whole process.
            raise RaxeError("The tokenizer gives token ids that the model does not know.")
        mask = None
        if len(windows[-1]) < longest:
            lengths = torch.tensor([len(window) for window in windows])
            mask = (torch.arange(longest) < lengths[:, None]).long().to(self._device)
        tensors = sorted({self._tensors[head] for head in heads})
        values = self._network.run(ids.to(self._device), mask, tensors)
        return {name: value.tolist() for name, value in values.items()}


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Compute on ``number`` CPU threads inside the block.

    PyTorch keeps the number per calling thread, so an application's other threads go on with
    theirs; a thread that first uses PyTorch while a block is open starts with the block's.
    """
    before = torch.get_num_threads()
    if number in (0, before):
        yield
        return
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
