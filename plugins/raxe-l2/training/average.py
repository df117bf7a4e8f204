"""Average the weights of the stages and of the pretrained encoder: ``python average.py --help``.

Fine-tuning on the corpora makes a model better on them and, after a while, worse on texts of other
sources. The mean of the weights along the way, the pretrained ones included, keeps what was learned
and most of the breadth of the base model (Wortsman et al. 2022, "Robust fine-tuning of zero-shot
models" and "Model soups"). The heads, which the base model lacks, are the mean of the stages.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor

from model import load, pretrained


def mean(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each tensor over the states that hold it."""
    names = {name for state in states for name in state}
    found = {name: [state[name] for state in states if name in state] for name in names}
    return {name: torch.stack(values).mean(0) for name, values in found.items()}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="folders of the stages")
    parser.add_argument("--out", type=Path, required=True, help="folder of the averaged model")
    arguments = parser.parse_args()
    base = {n: v for n, v in pretrained().state_dict().items() if not n.startswith("heads.")}
    states = [load(run / "model.pt").state_dict() for run in arguments.runs]
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.save({"model": mean([base, *states])}, arguments.out / "model.pt")
    facts = [json.loads((run / "run.json").read_text()) for run in arguments.runs]
    totals = {name: sum(f[name] for f in facts) for name in ("examples", "tokens")}
    record = {"average of": "pretrained encoder and all stages", "rows": facts[-1]["rows"]}
    stages = {run.name: f for run, f in zip(arguments.runs, facts, strict=True)}
    (arguments.out / "run.json").write_text(json.dumps(record | totals | stages, indent=1))


if __name__ == "__main__":
    main()
