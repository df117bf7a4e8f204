"""The two layouts of weights, behind one interface: token ids in, named tensors out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from raxe_core import Manifest, ModelLoadError, TensorInfo, read_safetensors_header
from raxe_torch.architecture import build_classifier, build_encoder

__all__ = ["HEADS", "ClassifierNetwork", "EncoderNetwork", "build_network", "load_weights"]

HEADS = ("binary", "family", "subfamily")
LOGITS = "logits"
FLOATS = ("BF16", "F16", "F32", "F64")
LISTED = 5


class EncoderNetwork:
    """An encoder with linear heads, the layout of RAXE's own training.

    Tensors: ``encoder.*`` (or ``bert.*``, transformers' own prefix of the architecture) as in the
    encoder class without pooler, and ``heads.{tensor}.weight`` and ``.bias`` of each head. A head
    reads the mean of the last hidden states over the real tokens; the embedding is that mean,
    divided by its Euclidean norm.
    """

    def __init__(self, config: Any, heads: Mapping[str, int]) -> None:
        module: Any = build_encoder(config, heads)
        self.module: nn.Module = module
        self._encoder, self._heads = module["encoder"], module["heads"]

    def rename(self, name: str) -> str:
        """Return the module's name of a tensor in the file."""
        prefix = f"{self._encoder.base_model_prefix}."
        return f"encoder.{name[len(prefix) :]}" if name.startswith(prefix) else name

    def run(self, ids: Tensor, mask: Tensor | None, heads: Sequence[str]) -> dict[str, Tensor]:
        """Return tensors of shape ``[batch, labels]`` (or dimensions), float32, by head.

        ``ids`` and ``mask`` have the shape ``[batch, tokens]``; without a mask all tokens are real.
        """
        mean = mean_hidden(self._encoder, ids, mask)
        return {name: self._head(name, mean) for name in heads}

    def _head(self, name: str, mean: Tensor) -> Tensor:
        if name not in self._heads:  # the embedding
            return nn.functional.normalize(mean, dim=-1)
        layer = self._heads[name]
        logits: Tensor = layer(mean.to(layer.weight.dtype))
        return logits.float()


class ClassifierNetwork:
    """A sequence classifier as ``transformers`` saves it: one head, its tensor is ``logits``."""

    def __init__(self, config: Any, labels: int) -> None:
        self.module: nn.Module = build_classifier(config, labels)
        self._classifier: Any = self.module

    def rename(self, name: str) -> str:
        """Return the module's name of a tensor in the file: they are the same."""
        return name

    def run(self, ids: Tensor, mask: Tensor | None, heads: Sequence[str]) -> dict[str, Tensor]:
        """Return tensors by head, as :meth:`EncoderNetwork.run`."""
        values: dict[str, Tensor] = {}
        for name in heads:
            if name == LOGITS:
                values[name] = self._classifier(ids, attention_mask=mask).logits.float()
            else:
                mean = mean_hidden(self._classifier.base_model, ids, mask)
                values[name] = nn.functional.normalize(mean, dim=-1)
        return values


def mean_hidden(encoder: Any, ids: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean of the last hidden states over real tokens, float32 ``[batch, hidden]``."""
    hidden: Tensor = encoder(ids, attention_mask=mask).last_hidden_state.float()
    if mask is None:
        return hidden.mean(1)
    weight = mask.unsqueeze(-1).float()
    return (hidden * weight).sum(1) / weight.sum(1)


def build_network(config: Any, manifest: Manifest) -> EncoderNetwork | ClassifierNetwork:
    """Return an empty network for the manifest's heads.

    Raises:
        ValueError: the heads fit neither layout.
    """
    sizes: dict[str, int] = {}
    for name in HEADS:
        head = getattr(manifest.outputs, name)
        if head is not None and sizes.setdefault(head.tensor, len(head.labels)) != len(head.labels):
            raise ValueError(f"the heads of tensor {head.tensor!r} differ in their labels")
    embedding = manifest.outputs.embedding
    if embedding is not None and embedding.tensor in sizes:
        raise ValueError(f"tensor {embedding.tensor!r} is a head's, it cannot be the embedding")
    if manifest.outputs.binary.tensor != LOGITS:
        return EncoderNetwork(config, sizes)
    if set(sizes) != {LOGITS}:
        raise ValueError("a classifier with the tensor 'logits' has no other head")
    return ClassifierNetwork(config, sizes[LOGITS])


def load_weights(
    network: EncoderNetwork | ClassifierNetwork,
    data: bytes,
    where: str,
    dtype: torch.dtype,
    device: torch.device,
) -> None:
    """Fill ``network`` with exactly the tensors of a safetensors file.

    Raises:
        ModelLoadError: the file is damaged, or lacks a tensor, or has one too many or of another
            shape; the message names them.
    """
    header = {
        name: info
        for name, info in read_safetensors_header(data, where).items()
        if not name.endswith("embeddings.position_ids")  # older files hold this constant
    }
    faults = _faults(network, header)
    if faults:
        more = f" and {len(faults) - LISTED} more" if len(faults) > LISTED else ""
        raise ModelLoadError(
            f"{where} does not fit config.json and the manifest: {'; '.join(faults[:LISTED])}"
            f"{more}. Export the model again."
        )
    tensors = safetensors.torch.load(data)
    state = {network.rename(name): tensors[name].to(device, dtype) for name in header}
    network.module.load_state_dict(state, strict=True, assign=True)
    network.module.to(device)  # the tables that are in no file
    network.module.eval().requires_grad_(requires_grad=False)


def _faults(
    network: EncoderNetwork | ClassifierNetwork, header: Mapping[str, TensorInfo]
) -> list[str]:
    """Return what keeps the file's tensors from being the network's, one line each."""
    expected = {name: tuple(tensor.shape) for name, tensor in network.module.state_dict().items()}
    found: dict[str, TensorInfo] = {}
    faults: list[str] = []
    for name, info in header.items():
        renamed = network.rename(name)
        if renamed in found:
            faults.append(f"{name!r} stands twice")
        found[renamed] = info
        if renamed not in expected:
            faults.append(f"{name!r} is unexpected")
        elif info.shape != expected[renamed]:
            faults.append(f"{name!r} is {list(info.shape)}, not {list(expected[renamed])}")
        elif info.dtype not in FLOATS:
            faults.append(f"{name!r} is {info.dtype}, not one of {', '.join(FLOATS)}")
    return faults + [f"{name!r} is missing" for name in expected if name not in found]
