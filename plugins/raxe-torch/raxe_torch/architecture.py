"""From a bundle's ``config.json`` to an empty network of transformers' own classes.

Only the encoders listed here are built, from the values of the configuration alone: nothing is
fetched, no code of the model's author runs, and no weight is given memory before it is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from raxe_core import parse_json

__all__ = ["ARCHITECTURES", "build_classifier", "build_encoder", "longest_input", "read_config"]

# model_type -> what its encoder class takes beside the configuration.
ARCHITECTURES: Mapping[str, Mapping[str, Any]] = {
    "bert": {"add_pooling_layer": False},
    "deberta-v2": {},
    "distilbert": {},
    "electra": {},
    "modernbert": {},
    "mpnet": {"add_pooling_layer": False},
    "roberta": {"add_pooling_layer": False},
    "xlm-roberta": {"add_pooling_layer": False},
}
# These count positions from behind the padding token's id.
POSITIONS_AFTER_PADDING = ("mpnet", "roberta", "xlm-roberta")
MAX_SIZE = 1 << 24
MAX_LAYERS = 256

# Keys that choose other code than the plain float encoder's.
REFUSED = ("auto_map", "quantization_config")
# Keys that say how the training ran or what the caller gets; this runtime decides that itself.
IGNORED = frozenset(
    {
        "add_cross_attention",
        "architectures",
        "attn_implementation",
        "dtype",
        "finetuning_task",
        "gradient_checkpointing",
        "heads",
        "id2label",
        "is_decoder",
        "is_encoder_decoder",
        "label2id",
        "model_type",
        "num_labels",
        "output_attentions",
        "output_hidden_states",
        "pooling",
        "problem_type",
        "pruned_heads",
        "reference_compile",
        "return_dict",
        "tf_legacy_loss",
        "torch_dtype",
        "torchscript",
        "transformers_version",
        "use_bfloat16",
        "use_cache",
        "use_return_dict",
    }
)


class _WithoutWeights(TorchFunctionMode):
    """Makes ``torch.empty`` give tensors without memory, as ``device="meta"`` does.

    Layers make their weights with it; small tables that no file holds (positions, rotary
    frequencies) are made by other functions and stay real.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.empty:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


def read_config(data: bytes) -> Any:
    """Return the transformers configuration in ``config.json``.

    Raises:
        ValueError: no strict JSON, an architecture that is not supported, or values out of range.
    """
    content = parse_json(data)
    if not isinstance(content, dict):
        raise ValueError("is not a JSON object")
    kind = str(content.get("model_type"))
    if kind not in ARCHITECTURES:
        raise ValueError(f"model_type is {kind!r}, supported are {', '.join(ARCHITECTURES)}")
    if content.get("pooling", "mean") != "mean":
        raise ValueError(f"pooling is {content['pooling']!r}, supported is mean")
    for key in REFUSED:
        if content.get(key) is not None:
            raise ValueError(f"{key} asks for other code than transformers' own; leave it out")
    for key, value in content.items():
        limit = MAX_LAYERS if key in ("num_hidden_layers", "n_layers") else MAX_SIZE
        if isinstance(value, int) and abs(value) > limit:
            raise ValueError(f"{key} is {value}, at most {limit:,} is supported")
    kept = {k: v for k, v in content.items() if k not in IGNORED and not k.startswith("_")}
    config = AutoConfig.for_model(kind, **kept)
    if kind == "modernbert":
        config.reference_compile = False
    return config


def longest_input(config: Any) -> int | None:
    """Return how many tokens the encoder has positions for; None where that is not bounded."""
    if config.model_type == "deberta-v2" and not getattr(config, "position_biased_input", True):
        return None
    positions = int(config.max_position_embeddings)
    if config.model_type in POSITIONS_AFTER_PADDING:
        # MPNet's is fixed to 1, whatever its configuration says.
        positions -= (1 if config.model_type == "mpnet" else int(config.pad_token_id)) + 1
    return positions


def build_encoder(config: Any, heads: Mapping[str, int]) -> nn.Module:
    """Return a network of ``encoder`` and one linear layer per head: ``heads.{name}``.

    ``heads`` holds the number of labels of each head.
    """
    build: Callable[..., nn.Module] = AutoModel.from_config
    with _WithoutWeights():
        encoder = build(config, **ARCHITECTURES[config.model_type])
        layers = {name: nn.Linear(config.hidden_size, size) for name, size in heads.items()}
        return nn.ModuleDict({"encoder": encoder, "heads": nn.ModuleDict(layers)})


def build_classifier(config: Any, labels: int) -> nn.Module:
    """Return transformers' sequence classifier with one head of ``labels`` logits."""
    config.num_labels = labels
    build: Callable[..., nn.Module] = AutoModelForSequenceClassification.from_config
    with _WithoutWeights():
        return build(config)
