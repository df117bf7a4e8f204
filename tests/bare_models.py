"""Models without files, for what looks at metadata alone."""

from __future__ import annotations

from raxe_core import Model, ModelMetadata
from raxe_core.metadata import Accuracy, Performance, Requirements


def model(
    model_id: str,
    *,
    p95: float | None = None,
    f1: float | None = None,
    memory: float | None = None,
    status: str = "active",
    runtime: str = "onnx",
    problem: str | None = None,
) -> Model:
    """A model with these figures."""
    metadata = ModelMetadata(
        model_id,
        model_id,
        "1.0",
        "x",
        performance=Performance(p95_latency_ms=p95, memory_mb=memory),
        accuracy=Accuracy(binary_f1=f1),
        requirements=Requirements(runtime),
        status=status,
    )
    return Model(metadata, "test", problem=problem)
