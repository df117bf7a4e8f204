"""Load a bundle's ``model.onnx`` into onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raxe_core import (
    Bundle,
    Manifest,
    Model,
    ModelLoadError,
    RuntimeOptions,
    RuntimeUnavailableError,
    TextDetector,
    open_bundle,
)
from raxe_onnx.graph import check_graph

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["load"]


def load(model: Model, options: RuntimeOptions) -> TextDetector:
    """Return a detector for an ONNX model.

    Raises:
        BundleError: the bundle is broken.
        ModelLoadError: the graph holds what is not allowed, onnxruntime refuses it, or it does not
            fit the manifest.
        RuntimeUnavailableError: onnxruntime is missing or older than the model asks for.
    """
    with open_bundle(model) as bundle, _memory_file() as memory, ThreadPoolExecutor(1) as beside:
        manifest = bundle.manifest
        tokenizer = bundle.read("tokenizer.json")
        reading = beside.submit(_weights, model, bundle, memory)
        ort = _onnxruntime(model)
        weights = reading.result()
        forward = _Forward(manifest)
        making = beside.submit(_session, ort, model, weights, options)
        detector = TextDetector(model.model_id, manifest, tokenizer, forward)
        forward.attach(model, making.result())
    return detector


class _Forward:
    """Runs each window alone and unpadded.

    Dynamic int8 takes its scales from the whole batch, so a window's score would depend on the
    texts beside it; on a CPU a batch is no faster than single runs from 128 tokens on.
    """

    def __init__(self, manifest: Manifest) -> None:
        import numpy as np  # not at the top: the weights are hashed meanwhile

        self._array, self._dtype = np.array, np.dtype(np.int64)
        row = np.ones((1, manifest.input.max_tokens), self._dtype)
        self._rows = {"attention_mask": row, "token_type_ids": 0 * row}
        outputs = manifest.outputs
        self._tensors = {
            name: head.tensor
            for name in ("binary", "family", "subfamily", "embedding")
            if (head := getattr(outputs, name)) is not None
        }

    def attach(self, model: Model, session: onnxruntime.InferenceSession) -> None:
        """Run this session from now on.

        Raises:
            ModelLoadError: its inputs and outputs are not those of the manifest.
        """
        self._session = session
        inputs = {node.name for node in session.get_inputs()}
        unknown = sorted(inputs - {"input_ids", *self._rows})
        rows = {name: row for name, row in self._rows.items() if name in inputs}
        # The same for every window of a length; making them again costs as much as the ids.
        self._constant = cache(lambda tokens: {n: row[:, :tokens] for n, row in rows.items()})
        there = {node.name for node in session.get_outputs()}
        missing = sorted(set(self._tensors.values()) - there)
        if missing or unknown or "input_ids" not in inputs:
            raise ModelLoadError(
                f"Model {model.model_id}: the graph does not fit the manifest: "
                f"missing outputs {missing}, unknown inputs {unknown}. Pack it again."
            )

    def __call__(
        self, windows: Sequence[Sequence[int]], heads: Sequence[str]
    ) -> list[dict[str, list[float]]]:
        tensors = [self._tensors[head] for head in heads]
        found = []
        for ids in windows:
            feed = {"input_ids": self._array((ids,), self._dtype), **self._constant(len(ids))}
            values = self._session.run(tensors, feed)
            found.append({h: value.tolist()[0] for h, value in zip(heads, values, strict=True)})
        return found


def _onnxruntime(model: Model) -> Any:
    # onnxruntime from 1.29 on reports its use to its makers, from its import on.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"Model {model.model_id} needs onnxruntime: pip install onnxruntime ({error})"
        ) from None
    wanted = _needs(model).get("min_onnxruntime_version")
    if wanted is not None and _numbers(ort.__version__) < _numbers(wanted):
        raise RuntimeUnavailableError(
            f"Model {model.model_id} needs onnxruntime {wanted} or newer, {ort.__version__} is "
            f'installed: pip install "onnxruntime>={wanted}"'
        )
    ort.disable_telemetry_events()  # where the environment has no say: Windows, or imported before
    return ort


def _needs(model: Model) -> Mapping[str, Any]:
    """Return the requirements as JSON types: objects of them would take longer than all checks."""
    needs: Mapping[str, Any] = model.metadata_json.get("requirements", {})
    return needs


def _numbers(version: str) -> list[int]:
    """Return ``1.16.0`` as ``[1, 16, 0]``; what follows the numbers is ignored."""
    numbers = []
    for part in version.split(".")[:3]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return numbers


@contextmanager
def _memory_file() -> Iterator[int | None]:
    """Give an open file in memory, or None where the system has none."""
    descriptor = None
    with suppress(AttributeError, OSError):
        descriptor = os.memfd_create("model.onnx")
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _weights(model: Model, bundle: Bundle, memory: int | None) -> str | bytes:
    """Return the checked weights as onnxruntime takes them: the path of ``memory``, or bytes.

    Bytes it copies before it reads them.
    """
    where = f"Model {model.model_id}: model.onnx"
    if memory is not None:
        path = Path(f"/proc/self/fd/{memory}")
        with suppress(OSError, ValueError):  # not allowed here, or there are no weights to map
            path.stat()
            bundle.copy("model.onnx", memory)
            with mmap(memory, 0, access=ACCESS_READ) as weights:
                check_graph(weights, where)
            return str(path)
    data = bundle.read("model.onnx")
    check_graph(data, where)
    return data


def _session(
    ort: Any, model: Model, weights: str | bytes, options: RuntimeOptions
) -> onnxruntime.InferenceSession:
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 4
    # Not onnxruntime's own format, which the check of the graph knows nothing of.
    settings.add_session_config_entry("session.load_model_format", "ONNX")
    # The arena would keep the memory of the longest text for ever.
    settings.enable_cpu_mem_arena = False
    try:
        session = ort.InferenceSession(weights, settings, providers=_providers(ort, model, options))
    except RuntimeUnavailableError:
        raise
    except Exception as error:
        raise ModelLoadError(
            f"Model {model.model_id}: onnxruntime cannot load model.onnx: {error}. "
            f"Check it with: raxe models validate {model.model_id}"
        ) from error
    # It would hold the weights a second time, to fall back to another provider without a word.
    session.disable_fallback()
    session._model_bytes = None  # noqa: SLF001
    return session


def _providers(ort: Any, model: Model, options: RuntimeOptions) -> list[str]:
    """CUDA where it is installed and wanted, then the CPU."""
    cuda = "CUDAExecutionProvider" in ort.get_available_providers()
    if not cuda and (options.device == "cuda" or _needs(model).get("requires_gpu")):
        raise RuntimeUnavailableError(
            f"Model {model.model_id} is to run on a GPU: pip install onnxruntime-gpu"
        )
    wanted = cuda and options.device != "cpu"
    return ["CUDAExecutionProvider", "CPUExecutionProvider"] if wanted else ["CPUExecutionProvider"]
