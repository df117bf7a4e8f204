"""ModelRegistry: all models of all plugins, by id."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING

from raxe_core.config import Config, load_config
from raxe_core.errors import BundleError, UnknownModelError, did_you_mean
from raxe_core.model import Model, RuntimeOptions
from raxe_core.plugins import CORE, PluginHost
from raxe_core.ranking import best_model
from raxe_core.records import Selection
from raxe_core.selection import select

if TYPE_CHECKING:
    from raxe_core.detector import Detector

__all__ = ["ModelRegistry"]


class ModelRegistry:
    """All models that the installed packs and the drop-in folders offer.

    Discovery runs once, on first use, and may be shared by threads. ``config`` and ``host`` are
    loaded when they are not given.

    Example::

        registry = ModelRegistry()
        for model in registry.list_models():
            print(f"{model.name} - {model.variant} ({model.performance.p95_latency_ms}ms)")
        detector = registry.create_detector("v1.0_onnx_int8")
    """

    def __init__(self, config: Config | None = None, host: PluginHost | None = None) -> None:
        self.config = load_config() if config is None else config
        self.host = PluginHost() if host is None else host
        self._lock = threading.Lock()

    def list_models(self) -> list[Model]:
        """Return every model, sorted by id; a broken one has the status ``invalid``."""
        return sorted(self._models.values(), key=lambda model: model.model_id)

    def get_model(self, model_id: str) -> Model:
        """Return the model of this id.

        Raises:
            UnknownModelError: there is none; the message names the nearest.
        """
        try:
            return self._models[model_id]
        except KeyError:
            hint = did_you_mean(model_id, self._models)
            raise UnknownModelError(f"No model {model_id!r}.{hint} See: raxe models list") from None

    def get_best_model(self, criteria: str = "balanced") -> Model:
        """Return the best active model that can be used here.

        Raises:
            UnknownNameError: no plugin has these criteria.
            NoModelError: no active model can be used.
        """
        return best_model(self.usable_models(), self.host.criteria(criteria)).model

    def usable_models(self) -> tuple[Model, ...]:
        """Return the valid models whose runtime is installed, sorted by id."""
        return tuple(
            model
            for model in self.list_models()
            if model.is_valid and self.host.runtime_problem(model.runtime) is None
        )

    def create_detector(self, model_id: str, options: RuntimeOptions | None = None) -> Detector:
        """Load the model of this id.

        Raises:
            UnknownModelError: there is no such model.
            InvalidModelError: its files are broken.
            RuntimeUnavailableError: its runtime is not installed; names the pip line.
        """
        model = self.get_model(model_id)
        if model.problem is not None:
            raise BundleError(model.problem)
        return self.host.create_detector(model, options or RuntimeOptions())

    def select(self, user_id: str | None = None) -> Selection:
        """Return the model that the configuration asks for, and why."""
        return select(self.config, self.usable_models(), self.host, user_id)

    @property
    def _models(self) -> dict[str, Model]:
        with self._lock:
            return self._discovered

    @functools.cached_property
    def _discovered(self) -> dict[str, Model]:
        """Models by id. A pack's model keeps its id against a drop-in file of the same id."""
        found = self.host.discover_models(self.config.search_path)
        models: dict[str, Model] = {}
        for _, model in sorted(found, key=lambda item: item[0] == CORE):
            first = models.get(model.model_id)
            if first is None:
                models[model.model_id] = model
            else:
                double = _as_duplicate(model, first)
                models.setdefault(double.model_id, double)
        return models


def _as_duplicate(model: Model, first: Model) -> Model:
    """Return ``model`` as a broken entry under an id of its own: the id belongs to ``first``."""
    path = model.bundle_path or model.source
    reason = (
        f"{path}: the id {model.model_id!r} belongs to {first.bundle_path or first.source}. "
        "Rename the file, or remove it."
    )
    metadata = {**model.metadata_json, "model_id": f"{model.model_id[:56]}.double"}
    return Model(metadata, model.source, model.bundle_path, reason)
