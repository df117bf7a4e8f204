"""ModelRegistry: all models of all plugins, by id."""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from raxe_core.config import Config, load_config
from raxe_core.errors import BundleError, UnknownModelError, did_you_mean
from raxe_core.files import raxe_home
from raxe_core.model import Model, RuntimeOptions
from raxe_core.plugin_status import CORE
from raxe_core.plugins import PluginHost
from raxe_core.ranking import best_model
from raxe_core.records import Selection
from raxe_core.selection import resolved, select
from raxe_core.trust import Trust

if TYPE_CHECKING:
    from pathlib import Path

    from raxe_core.detector import Detector
    from raxe_core.evaluation.comparison import Comparison

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
        self.trust = Trust(self.config)
        self._lock = threading.Lock()

    def list_models(self) -> list[Model]:
        """Return every model, sorted by id; a broken one has the status ``invalid``."""
        return list(self._models.values())

    def get_model(self, model_id: str) -> Model:
        """Return the model of this id or alias.

        Raises:
            UnknownModelError: there is none; the message names the nearest.
        """
        models = self._models
        aliased = resolved(self.config, model_id)
        try:
            return models[aliased]
        except KeyError:
            aliases = self.config.get("aliases")
            names = [name for name, stands_for in aliases.items() if stands_for == aliased]
            hint = did_you_mean(aliased, [*models, *(aliases.keys() - names)])
            named = f", which the alias {names[0]!r} stands for" if names else ""
            raise UnknownModelError(
                f"No model {aliased!r}{named}.{hint} See: raxe models list"
            ) from None

    def get_best_model(self, criteria: str = "balanced", constraints: Sequence[str] = ()) -> Model:
        """Return the best active model that can be used here and meets the constraints.

        Raises:
            UnknownNameError: no plugin has these criteria.
            UsageError: a constraint cannot be read.
            NoModelError: no active model can be used, or none meets the constraints.
        """
        wanted = self.host.criteria(criteria)
        return best_model(self.usable_models(), wanted, constraints).model

    def usable_models(self) -> tuple[Model, ...]:
        """Return the valid and trusted models whose runtime is installed, sorted by id."""
        return self._usable

    def usable_model(self, model_id: str) -> Model:
        """Return the model of this id or alias, if it can be used as far as is known unloaded.

        Raises:
            UnknownModelError: there is no such model.
            BundleError: its files are broken.
            RuntimeUnavailableError: its runtime is not installed; names the pip line.
            UntrustedModelError: ``trust.require_signature`` does not allow to use it.
        """
        model = self.get_model(model_id)
        if model.problem is not None:
            raise BundleError(model.problem)
        self.host.require_runtime(model)
        return self.trust.admitted(model)

    def create_detector(self, model_id: str, options: RuntimeOptions | None = None) -> Detector:
        """Load the model of this id or alias; a threshold of the configuration replaces its own.

        Raises:
            UnknownModelError: there is no such model.
            InvalidModelError: its files are broken, or not trusted.
            RuntimeUnavailableError: its runtime is not installed; names the pip line.
        """
        model = self.usable_model(model_id)
        if not model.from_package:
            from raxe_core.validated import validated

            model = validated(model, self.host)
        detector = self.host.create_detector(model, options or RuntimeOptions())
        threshold = self.config.get("l2_model.thresholds").get(model.model_id)
        if threshold is None:
            return detector
        from raxe_core.threshold import with_threshold

        return with_threshold(detector, threshold)

    def compare_models(
        self,
        model_ids: Sequence[str],
        prompts: Sequence[Path] = (),
        criteria: str = "balanced",
        constraints: Sequence[str] = (),
    ) -> Comparison:
        """Compare models on the same prompts, as ``raxe models compare`` does.

        ``prompts`` are files; without one, the standard test dataset is used.

        Example::

            registry.compare_models(["v1.0_pytorch", "v1.0_onnx_int8"]).print_table()
        """
        from raxe_core.comparing import compare_files

        return compare_files(self, model_ids, prompts, criteria, constraints)

    def select(self, user_id: str | None = None, *, for_scan: bool = True) -> Selection:
        """Return the model that the configuration asks for, and why.

        Without ``for_scan`` it is only a question, and no experiment counts the user.
        """
        return select(self.config, self.usable_models(), self.host, user_id, for_scan)

    @functools.cached_property
    def _usable(self) -> tuple[Model, ...]:
        return tuple(
            model
            for model in self.list_models()
            if model.is_valid
            and self.host.runtime_problem(model.runtime) is None
            and self.trust.admits(model)
        )

    @property
    def _models(self) -> dict[str, Model]:
        with self._lock:
            return self._discovered

    @functools.cached_property
    def _discovered(self) -> dict[str, Model]:
        """Models by id, sorted. A pack's model keeps its id against a drop-in file's."""
        found = self.host.discover_models(self.config.search_path)
        models: dict[str, Model] = {}
        # Packs before drop-in folders, and valid entries before broken ones: neither a folder nor a
        # broken file can take a good model's id.
        order = sorted(found, key=lambda item: (not item[1].is_valid, item[0] == CORE))
        for plugin, model in order:
            model.from_package = plugin != CORE
            first = models.get(model.model_id)
            if first is not None:
                model = _as_duplicate(model, first, models)  # noqa: PLW2901
            models[model.model_id] = model
        self._add_measurements(models)
        return dict(sorted(models.items()))

    def _add_measurements(self, models: dict[str, Model]) -> None:
        """Give the models the figures of this machine's profile, where there is one."""
        if not (raxe_home() / "profiles").is_dir():
            return
        from raxe_core.benchmark.profile import measured_figures

        for model in models.values():
            model.measured = measured_figures(model.model_id, model.bundle_path)


def _as_duplicate(model: Model, first: Model, taken: Container[str]) -> Model:
    """Return ``model`` as a broken entry under an id of its own: the id belongs to ``first``."""
    names = (f"{model.model_id[:52]}.double{number or ''}" for number in itertools.count())
    model_id = next(name for name in names if name not in taken)
    path = model.bundle_path or model.source
    reason = model.problem or (
        f"{path}: the id {model.model_id!r} belongs to {first.bundle_path or first.source}. "
        "Rename the file, or remove it."
    )
    metadata = {**model.metadata_json, "model_id": model_id}
    return Model(metadata, model.source, model.bundle_path, reason)
