"""Load a bundle's ``model.safetensors``, ``config.json`` and ``tokenizer.json`` into PyTorch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from raxe_core import (
    Manifest,
    Model,
    ModelLoadError,
    RaxeError,
    RuntimeOptions,
    RuntimeUnavailableError,
    TextDetector,
    open_bundle,
)

if TYPE_CHECKING:
    import torch

    from raxe_torch.forward import Forward

__all__ = ["load"]

LIBRARIES = ("torch", "transformers", "safetensors")
PRECISIONS = ("float32", "bfloat16")


def load(model: Model, options: RuntimeOptions) -> TextDetector:
    """Return a detector for a safetensors model.

    Raises:
        BundleError: the bundle is broken.
        ModelLoadError: configuration, weights, tokenizer and manifest do not fit each other.
        RuntimeUnavailableError: a library or the GPU is missing, or the precision is not offered.
    """
    _require_libraries(model)
    if options.precision not in PRECISIONS:
        raise RuntimeUnavailableError(
            f"Model {model.model_id}: precision {options.precision!r} is not offered; take one of "
            f"{', '.join(PRECISIONS)}."
        )
    device = _device(model, options)
    with open_bundle(model) as bundle:
        manifest = bundle.manifest
        tokenizer = bundle.read("tokenizer.json")
        config = bundle.read("config.json")
        weights = bundle.read("model.safetensors")
    try:
        forward, known = _forward(model, manifest, config, weights, device, options)
    except RaxeError:
        raise
    except Exception as error:
        raise _load_error(model, f"cannot be loaded: {_one_line(error)}") from error
    detector = TextDetector(model.model_id, manifest, tokenizer, forward)
    if detector.vocabulary_size > known:
        raise _load_error(
            model, f"tokenizer.json has {detector.vocabulary_size} tokens, the encoder {known}"
        )
    return detector


def _forward(
    model: Model,
    manifest: Manifest,
    config_json: bytes,
    weights: bytes,
    device: torch.device,
    options: RuntimeOptions,
) -> tuple[Forward, int]:
    """Return the forward pass, and how many tokens the encoder knows."""
    import torch

    from raxe_torch.architecture import longest_input, read_config
    from raxe_torch.forward import BUDGETS, Forward
    from raxe_torch.network import HEADS, build_network, load_weights

    try:
        config = read_config(config_json)
        network = build_network(config, manifest)
    except Exception as error:  # configurations are checked by their own classes
        raise _load_error(model, f"config.json: {_one_line(error)}") from error
    longest = longest_input(config)
    if longest is not None and manifest.input.max_tokens > longest:
        raise _load_error(
            model, f"max_tokens is {manifest.input.max_tokens}, the encoder reads {longest}"
        )
    where = f"Model {model.model_id}: model.safetensors"
    load_weights(network, weights, where, getattr(torch, options.precision), device)
    tensors = {
        name: head.tensor
        for name in (*HEADS, "embedding")
        if (head := getattr(manifest.outputs, name)) is not None
    }
    known = int(config.vocab_size)
    padding = config.pad_token_id
    forward = Forward(
        network,
        tensors,
        device,
        padding=padding if padding in range(known) else 0,
        vocabulary_size=known,
        threads=options.threads,
        budget=BUDGETS[device.type, options.precision],
    )
    return forward, known


def _require_libraries(model: Model) -> None:
    try:
        for name in LIBRARIES:
            importlib.import_module(name)
    except ImportError as error:
        missing = (error.name or name).partition(".")[0]
        raise RuntimeUnavailableError(
            f"Model {model.model_id} needs {missing}: pip install {missing} ({error})"
        ) from None


def _device(model: Model, options: RuntimeOptions) -> torch.device:
    """CUDA where it is there and wanted, else the CPU."""
    import torch

    there = torch.cuda.is_available()
    if model.requirements.requires_gpu and options.device == "cpu":
        raise RuntimeUnavailableError(
            f"Model {model.model_id} needs a GPU, and the device asked for is the CPU."
        )
    if not there and (options.device == "cuda" or model.requirements.requires_gpu):
        raise RuntimeUnavailableError(
            f"Model {model.model_id} is to run on a GPU, and PyTorch sees none. With a GPU of "
            "NVIDIA in the machine: pip install --upgrade torch"
        )
    return torch.device("cuda" if there and options.device != "cpu" else "cpu")


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _load_error(model: Model, reason: str) -> ModelLoadError:
    return ModelLoadError(
        f"Model {model.model_id}: {reason}. Check it with: raxe models validate {model.model_id}"
    )
