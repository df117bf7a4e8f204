"""Bundles with damaged weights, for checking that a runtime refuses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from raxe_core.bundle import MANIFEST_NAME, Bundle, pack
from raxe_core.discovery import model_from_file
from raxe_core.model import Model

__all__ = ["DAMAGES", "WEIGHTS", "with_damaged_weights"]

WEIGHTS = (".onnx", ".safetensors")
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut in half": lambda data: data[: len(data) // 2],
    "first half overwritten": lambda data: b"\xff" * (len(data) // 2) + data[len(data) // 2 :],
    "text": lambda _: b"<html>404 Not Found</html>",
}


def with_damaged_weights(model: Model, folder: Path, damage: Callable[[bytes], bytes]) -> Model:
    """Return ``model`` packed anew into ``folder``, its weights damaged, its digests right.

    So the bundle is a good one, and only the runtime can tell that the weights are not.
    """
    assert model.bundle_path is not None
    source = folder / "source"
    source.mkdir(parents=True)
    with Bundle(model.bundle_path) as bundle:
        for member in bundle.manifest.members:
            data = bundle.read(member.name)
            name = member.name
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(damage(data) if name.endswith(WEIGHTS) else data)
        manifest = {**bundle.manifest_json, "members": []}
    (source / MANIFEST_NAME).write_text(json.dumps(manifest), encoding="utf-8")
    path = folder / model.bundle_path.name
    path.write_bytes(pack(source)[1])
    return model_from_file(path, model.source)
