"""Write the bundle folders of a calibrated run: ``python export.py --help``.

v1.0_pytorch    model.safetensors and config.json, for the torch runtime
v1.0_onnx_fp16  model.onnx, weights stored as fp16
v1.0_onnx_int8  model.onnx, int8
v1.1_distilled  model.onnx, int8, from a run of distill.py

Tensors of model.safetensors: ``bert.*`` as in transformers' ``BertModel`` (without pooler), and
``heads.binary.weight`` [2, 384], ``heads.binary.bias`` [2], the same for ``family`` [6, 384] and
``subfamily`` [17, 384]. Head input: mean of the last hidden states over real tokens; the embedding
is that mean divided by its Euclidean norm.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import bundle
from calibrate import Calibration
from data import read_authored, read_corpora, split
from model import HEAD_SIZES, Detector
from quantise import write_half, write_int8
from recipe import Recipe
from student import is_student, load_any

OPSET = 17
INPUTS = ("input_ids", "attention_mask")
OUTPUTS = ("binary", "family", "subfamily", "embedding")
V10 = ("v1.0_pytorch", "v1.0_onnx_fp16", "v1.0_onnx_int8")
KEPT_IN_FLOAT: tuple[str, ...] = (
    "layer.0/output/dense",
    "layer.1/output/dense",
    "layer.2/output/dense",
)
"""FFN outputs of v1.0 that int8 leaves alone: they halve its error for 1.8 MB (README.md)."""


class Graph(nn.Module):
    """A detector with its outputs as a tuple, for the exporter."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """Outputs in the order of ``OUTPUTS``."""
        outputs = self.detector(input_ids, attention_mask)
        return tuple(outputs[name] for name in OUTPUTS)


def export_fp32(detector: nn.Module, path: Path) -> None:
    """The ONNX graph with dynamic batch and token axes."""
    ids = torch.ones(2, 9, dtype=torch.int64)
    mask = torch.ones(2, 9, dtype=torch.int64)
    mask[1, 6:] = 0
    axes = {name: {0: "batch", 1: "tokens"} for name in INPUTS}
    torch.onnx.export(
        Graph(detector).eval(),
        (ids, mask),
        str(path),
        input_names=list(INPUTS),
        output_names=list(OUTPUTS),
        dynamic_axes=axes | {name: {0: "batch"} for name in OUTPUTS},
        opset_version=OPSET,
        dynamo=False,
    )


def write_pytorch(detector: Detector, folder: Path) -> None:
    """Weights as safetensors and the encoder's config with the head sizes."""
    state = {name: value.contiguous() for name, value in detector.state_dict().items()}
    save_file(state, folder / "model.safetensors")
    config = detector.bert.config.to_dict()
    config |= {"heads": HEAD_SIZES, "pooling": "mean", "architectures": ["BertModel"]}
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def write_model(detector: Detector, graph: Path, folder: Path) -> None:
    """The model file of a bundle folder, by the folder's name."""
    if folder.name.endswith("pytorch"):
        write_pytorch(detector, folder)
    elif folder.name.endswith("fp16"):
        write_half(graph, folder / "model.onnx")
    else:
        kept = KEPT_IN_FLOAT if folder.name in V10 else ()
        write_int8(graph, folder / "model.onnx", kept)


def training_info(data: Path, run: Path) -> dict[str, object]:
    """The counts that the metadata states."""
    recipe = Recipe()
    rows = read_corpora(data, recipe.corpora.split(",")) + read_authored()
    train, held = split(rows, recipe.calibration_share)
    when = dt.datetime.fromtimestamp((run / "model.pt").stat().st_mtime, dt.timezone.utc)
    return {
        "trained_on": when.date().isoformat(),
        "training_samples": len(train),
        "validation_samples": len(held),
        "test_samples": 5964,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpora")
    parser.add_argument("--run", type=Path, required=True, help="calibrated run folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for the bundle folders")
    arguments = parser.parse_args()
    found = Calibration(**json.loads((arguments.run / "calibration.json").read_text()))
    info = training_info(arguments.data, arguments.run)
    weights, graph = arguments.run / "model.pt", arguments.run / "fp32.onnx"
    detector = load_any(weights)
    export_fp32(detector, graph)
    names = ("v1.1_distilled",) if is_student(weights) else V10
    for name in names:
        folder = arguments.out / name
        folder.mkdir(parents=True, exist_ok=True)
        bundle.write(folder, bundle.VARIANTS[name], found, info)
        write_model(detector, graph, folder)


if __name__ == "__main__":
    main()
