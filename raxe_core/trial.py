"""The trial of a model: load it and judge a few texts, in a limited process."""

from __future__ import annotations

from collections.abc import Iterator

from raxe_core import errors
from raxe_core.errors import BundleError, ModelLoadError
from raxe_core.limited_process import run_limited
from raxe_core.model import Model
from raxe_core.plugins import PluginHost

__all__ = ["try_model"]

# CPU time. The import of torch and transformers takes 4 s of it, and the first judgements little.
SECONDS = 20
BYTES_PER_SECOND = 50 << 20
# Of the memory that can be written to. A process with torch has 340 MB of it before the weights,
# which are then read, copied and converted.
MEMORY = 700 << 20
COPIES = 4
STEPS = 3


def try_model(model: Model, host: PluginHost) -> Iterator[str]:
    """Make the checks of ``trial_worker`` in a limited process; yield the detail of each.

    The runtime's plugin is imported there by its name, from the ``sys.path`` of this process.

    Raises:
        RaxeError: what the first failed check says, after the details of the earlier ones.
    """
    plugin, module = host.runtime_plugin(model)
    if model.bundle_path is None:
        raise BundleError(f"Model {model.model_id} has no bundle file.")
    size = model.bundle_path.stat().st_size
    arguments = {
        "plugin": plugin,
        "module": module,
        "metadata": dict(model.metadata_json),
        "source": model.source,
        "bundle_path": str(model.bundle_path.absolute()),
        "manifest_digest": model.manifest_digest,
    }
    answers, ended = run_limited(
        "raxe_core.trial_worker",
        arguments,
        seconds=SECONDS + size // BYTES_PER_SECOND,
        memory=MEMORY + COPIES * size,
    )
    for answer in answers:
        if "error" in answer:
            raise getattr(errors, answer["kind"], ModelLoadError)(answer["error"])
        yield answer["ok"]
    if not answers:
        yield model.runtime  # it began to load, so the runtime is there
    if len(answers) < STEPS:
        doing = "loading" if len(answers) < STEPS - 1 else "judging texts"
        raise ModelLoadError(
            f"Model {model.model_id}: the {model.runtime} runtime {ended} while {doing}, with "
            f"{MEMORY + COPIES * size >> 20} MB of memory at most. Do not use this model."
        )
