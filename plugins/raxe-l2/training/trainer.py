"""Optimisation shared by ``train.py`` and ``distill.py``.

Forward and backward run in bf16 on a copy of the model; the fp32 weights are what AdamW updates.
A checkpoint is written every few minutes, and a run that was cut off continues from it.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from batches import Batch, Item, by_length, make_batch
from model import Detector
from recipe import Recipe

CHECKPOINT_SECONDS = 180
LOG_STEPS = 50
PART_TOKENS = 4096
"""Tokens of one forward and backward pass: more does not fit the CPU's caches."""

Loss = Callable[[dict[str, Tensor], Batch], Tensor]
"""From the model's outputs and the batch to the loss summed over the batch."""


def parameter_groups(detector: Detector, recipe: Recipe) -> list[dict[str, object]]:
    """Learning rates falling by ``layer_decay`` per layer from top to embeddings; heads apart."""
    layers = detector.bert.config.num_hidden_layers
    groups: list[dict[str, object]] = []
    for name, parameter in detector.named_parameters():
        if name.startswith("heads."):
            rate = recipe.head_learning_rate
        else:
            depth = int(name.split(".")[3]) + 1 if ".layer." in name else 0
            rate = recipe.learning_rate * recipe.layer_decay ** (layers - depth)
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        groups.append({"params": [parameter], "lr": rate, "weight_decay": decay})
    return groups


def rate_factor(step: int, steps: int, warmup_share: float) -> float:
    """Linear warm-up, then linear decay to zero."""
    warmup = max(1, int(steps * warmup_share))
    return min((step + 1) / warmup, (steps - step) / max(1, steps - warmup))


class Trainer:
    """fp32 weights, their bf16 copy, the optimiser and the position in the plan."""

    def __init__(self, detector: Detector, loss: Loss, recipe: Recipe, steps: int) -> None:
        self.recipe, self.loss, self.steps, self.step = recipe, loss, steps, 0
        self.master = detector.train()
        self.shadow = copy.deepcopy(self.master).to(torch.bfloat16)
        groups = parameter_groups(self.master, recipe)
        self.optimizer = torch.optim.AdamW(groups, fused=True)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda s: rate_factor(s, steps, recipe.warmup_share)
        )

    def update(self, items: Sequence[Item]) -> float:
        """One optimiser step on the mean loss of some items, which it returns."""
        total = 0.0
        for part in by_length([item.ids for item in items], PART_TOKENS):
            batch = make_batch([items[i] for i in part])
            outputs = self.shadow(batch.input_ids, batch.attention_mask)
            loss = self.loss(outputs, batch) / len(items)
            loss.backward()
            total += float(loss.detach())
        pairs = list(zip(self.master.parameters(), self.shadow.parameters(), strict=True))
        for weight, copied in pairs:
            weight.grad = None if copied.grad is None else copied.grad.to(torch.float32)
            copied.grad = None
        torch.nn.utils.clip_grad_norm_(self.master.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        with torch.no_grad():
            for weight, copied in pairs:
                copied.copy_(weight)
        self.step += 1
        return total

    def save(self, path: Path) -> None:
        """Write the checkpoint atomically."""
        state = {
            "model": self.master.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "step": self.step,
            "recipe": self.recipe.digest(),
        }
        torch.save(state, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint of the same recipe."""
        state = torch.load(path, weights_only=True)
        if state["recipe"] != self.recipe.digest():
            raise SystemExit(f"{path} was made with another recipe: choose another --out")
        self.master.load_state_dict(state["model"])
        self.shadow.load_state_dict(self.master.state_dict())
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.step = state["step"]

    def run(self, items: Sequence[Item], batches: Sequence[list[int]], checkpoint: Path) -> None:
        """Train through the planned batches, from the checkpoint on where there is one."""
        if checkpoint.exists():
            self.resume(checkpoint)
        saved = started = time.monotonic()
        first, total = self.step, 0.0
        for indexes in batches[first:]:
            total += self.update([items[i] for i in indexes])
            now = time.monotonic()
            if self.step % LOG_STEPS == 0:
                left = (now - started) / (self.step - first) * (self.steps - self.step) / 60
                report = f"{self.step}/{self.steps} loss {total / LOG_STEPS:.4f}"
                print(f"{report}, {left:.1f} minutes left", flush=True)
                total = 0.0
            if now - saved > CHECKPOINT_SECONDS:
                self.save(checkpoint)
                saved = now
        self.save(checkpoint)
