"""Manifest and files of a bundle folder, as ``raxe models pack`` takes them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from batches import base_tokenizer
from calibrate import Calibration
from recipe import FAMILIES, SUBFAMILIES
from scoring import MAX_TOKENS, OVERLAP


@dataclasses.dataclass(frozen=True)
class Variant:
    """What differs between the published models in their metadata."""

    version: str
    variant: str
    title: str
    description: str
    requirements: dict[str, object]
    tags: tuple[str, ...]
    status: str
    recommended_for: tuple[str, ...]
    not_recommended_for: tuple[str, ...]

    @property
    def model_id(self) -> str:
        """``v1.0_onnx_int8`` and the like."""
        return f"v{self.version.rsplit('.', 1)[0]}_{self.variant}"


ONNX_REQUIREMENTS: dict[str, object] = {
    "runtime": "onnx",
    "min_onnxruntime_version": "1.16.0",
    "requires_gpu": False,
    "requires_quantization_support": False,
}

VARIANTS: dict[str, Variant] = {
    variant.model_id: variant
    for variant in (
        Variant(
            version="1.0.0",
            variant="pytorch",
            title="RAXE L2 v1.0 PyTorch",
            description="Reference weights in fp32; all other v1.0 variants derive from them",
            requirements={
                "runtime": "torch",
                "requires_gpu": False,
                "requires_quantization_support": False,
            },
            tags=("reference", "pytorch", "cpu", "gpu"),
            status="active",
            recommended_for=("gpu", "research", "fine-tuning"),
            not_recommended_for=("low-latency",),
        ),
        Variant(
            version="1.0.0",
            variant="onnx_fp16",
            title="RAXE L2 v1.0 ONNX FP16",
            description="The v1.0 weights stored in fp16, computed in fp32 on CPU",
            requirements=ONNX_REQUIREMENTS,
            tags=("optimized", "fp16", "cpu", "gpu"),
            status="active",
            recommended_for=("gpu", "accuracy"),
            not_recommended_for=("low-latency",),
        ),
        Variant(
            version="1.0.0",
            variant="onnx_int8",
            title="RAXE L2 v1.0 ONNX INT8",
            description="The v1.0 model in int8 for fast scoring on CPU",
            requirements=ONNX_REQUIREMENTS | {"requires_quantization_support": True},
            tags=("production", "optimized", "quantized", "cpu"),
            status="active",
            recommended_for=("production", "low-latency"),
            not_recommended_for=("gpu-only-environments",),
        ),
        Variant(
            version="1.1.0",
            variant="distilled",
            title="RAXE L2 v1.1 Distilled",
            description="A small student of the v1.0 model in int8, for the lowest latency",
            requirements=ONNX_REQUIREMENTS | {"requires_quantization_support": True},
            tags=("distilled", "quantized", "cpu", "experimental"),
            status="experimental",
            recommended_for=("low-latency", "high-throughput", "edge"),
            not_recommended_for=("gpu-only-environments",),
        ),
    )
}


def manifest(variant: Variant, found: Calibration, training_info: dict[str, object]) -> object:
    """The manifest without ``members``, ``performance`` and ``accuracy``, which tools fill in."""
    return {
        "format_version": 1,
        "metadata": {
            "model_id": variant.model_id,
            "name": variant.title,
            "version": variant.version,
            "variant": variant.variant,
            "description": variant.description,
            "capabilities": {
                "classification_types": ["binary", "family", "subfamily"],
                "supported_families": list(FAMILIES),
                "supports_explanations": True,
                "supports_embeddings": True,
            },
            "requirements": variant.requirements,
            "training_info": training_info,
            "tags": list(variant.tags),
            "status": variant.status,
            "recommended_for": list(variant.recommended_for),
            "not_recommended_for": list(variant.not_recommended_for),
        },
        "input": {"max_tokens": MAX_TOKENS, "window_overlap": OVERLAP},
        "outputs": outputs(found),
    }


def outputs(found: Calibration) -> dict[str, object]:
    """The heads: tensor, activation, labels, temperature; the threshold of the binary head."""
    kinds = {
        "family": (FAMILIES, found.family_temperature),
        "subfamily": (SUBFAMILIES, found.subfamily_temperature),
    }
    heads: dict[str, object] = {
        "binary": {
            "tensor": "binary",
            "activation": "softmax",
            "labels": ["benign", "threat"],
            "threat_labels": ["threat"],
            "temperature": found.temperature,
            "threshold": found.threshold,
        }
    }
    for name, (labels, temperature) in kinds.items():
        heads[name] = {
            "tensor": name,
            "activation": "softmax",
            "labels": list(labels),
            "temperature": temperature,
        }
    return heads | {"embedding": {"tensor": "embedding"}}


def write(
    folder: Path, variant: Variant, found: Calibration, training_info: dict[str, object]
) -> None:
    """Put manifest.json and tokenizer.json beside the model file of ``folder``."""
    text = json.dumps(manifest(variant, found, training_info), indent=2)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
    base_tokenizer().save(str(folder / "tokenizer.json"), pretty=False)
