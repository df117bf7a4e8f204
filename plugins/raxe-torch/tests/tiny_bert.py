"""Small real encoders with random weights, built from a configuration and packed as bundles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from raxe_core import Model
from raxe_core.bundle import pack
from raxe_core.discovery import bundle_filename, model_from_file

WORDS = """
    all and capital fine for france hello ignore instructions is it meeting notes of on password
    please points previous prompt report reveal summarise system table team the three today
    weather what whole your short ! ? . ,
"""
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
VOCABULARY = {word: number for number, word in enumerate((*SPECIAL, *WORDS.split()))}

BERT: dict[str, Any] = {
    "model_type": "bert",
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
OUTPUTS: dict[str, Any] = {
    "binary": {
        "tensor": "binary",
        "labels": ["benign", "threat"],
        "threat_labels": ["threat"],
        "threshold": 0.5,
    },
    "family": {"tensor": "family", "labels": ["PI", "JB", "PII"]},
    "subfamily": {"tensor": "subfamily", "labels": ["PI/override", "PI/leak", "JB/roleplay"]},
    "embedding": {"tensor": "embedding"},
}


def config_of(model_type: str) -> dict[str, Any]:
    """Return a small configuration of an architecture."""
    if model_type == "distilbert":
        return {
            "model_type": model_type,
            "vocab_size": len(VOCABULARY),
            "dim": 32,
            "n_layers": 2,
            "n_heads": 2,
            "hidden_dim": 48,
            "max_position_embeddings": 64,
        }
    config = {**BERT, "model_type": model_type}
    if model_type == "modernbert":
        config |= {"cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}
    if model_type in ("roberta", "xlm-roberta", "mpnet"):
        config["pad_token_id"] = 1
    return config


def encoder_tensors(config: dict[str, Any], prefix: str | None = None) -> dict[str, Tensor]:
    """Return random weights of an encoder, under ``prefix``, and of the heads in ``OUTPUTS``."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        encoder = AutoModel.from_config(transformers_config(config))
        tensors = {
            f"{prefix or encoder.base_model_prefix}.{name}": tensor * 3
            if tensor.is_floating_point()
            else tensor
            for name, tensor in encoder.state_dict().items()
            if not name.startswith("pooler.")
        }
        hidden = encoder.config.hidden_size
        for name in ("binary", "family", "subfamily"):
            layer = nn.Linear(hidden, len(OUTPUTS[name]["labels"]))
            tensors[f"heads.{name}.weight"] = layer.weight.detach() * 2
            tensors[f"heads.{name}.bias"] = layer.bias.detach()
        # So that some texts are threats and some are not.
        tensors["heads.binary.bias"] = torch.tensor([2.2, 0.0])
    return tensors


def classifier(config: dict[str, Any], labels: int) -> Any:
    """Return a random sequence classifier of transformers' own class."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        built = transformers_config(config)
        built.num_labels = labels
        return AutoModelForSequenceClassification.from_config(built).eval()


def transformers_config(config: dict[str, Any]) -> Any:
    return AutoConfig.for_model(**config)


def write_model(
    folder: Path,
    *,
    tensors: dict[str, Tensor] | None = None,
    weights: bytes | None = None,
    config: dict[str, Any] | None = None,
    outputs: dict[str, Any] | None = None,
    max_tokens: int = 16,
    requirements: dict[str, Any] | None = None,
    tokenizer: str | None = None,
) -> Model:
    """Pack a bundle into ``folder`` and return its model; what is not given is a good BERT's."""
    config = BERT if config is None else config
    if weights is None:
        tensors = encoder_tensors(config) if tensors is None else tensors
        weights = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    manifest = {
        "format_version": 1,
        "metadata": {
            "model_id": "v9.0_bert",
            "name": "Tiny BERT",
            "version": "9.0",
            "variant": "bert",
            "requirements": {"runtime": "torch", **(requirements or {})},
        },
        "input": {"max_tokens": max_tokens, "window_overlap": 4},
        "outputs": OUTPUTS if outputs is None else outputs,
    }
    source = folder / "source"
    source.mkdir(parents=True)
    (source / "manifest.json").write_text(json.dumps(manifest))
    (source / "config.json").write_text(json.dumps(config))
    (source / "tokenizer.json").write_text(tokenizer or tokenizer_json())
    (source / "model.safetensors").write_bytes(weights)
    path = folder / bundle_filename("v9.0_bert")
    path.write_bytes(pack(source)[1])
    return model_from_file(path, source="tests")


def tokenizer_json(vocabulary: dict[str, int] = VOCABULARY) -> str:
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer.to_str()
