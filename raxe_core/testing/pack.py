"""The contract of a model pack, as tests."""

from __future__ import annotations

import json
from typing import ClassVar

import attrs

from raxe_core.discovery import open_bundle
from raxe_core.metadata import ModelMetadata, structure, unstructure
from raxe_core.model import Model
from raxe_core.plugins import PluginHost
from raxe_core.testing.plugin import RUNTIME_LIBRARIES, PluginContract, imported_by

__all__ = ["ModelPackContract"]

_DISCOVER = """
from raxe_core.entry_points import EntryPoint
from raxe_core.plugins import PluginHost
host = PluginHost([EntryPoint({distribution!r}, "0", "entry", {value!r}, "")])
models = host.discover_models(())
"""


class ModelPackContract(PluginContract):
    """The checks of a plugin that brings models through ``discover_models``.

    ``plugin`` is the name of its distribution, ``minimum`` how many models it has at least.
    """

    minimum: ClassVar[int] = 1

    def test_models_are_found(self, host: PluginHost) -> None:
        """The pack offers models, and finding them raises nothing."""
        models = self.models(host)
        assert len(models) >= self.minimum, f"{len(models)} models are found"
        assert not host.problems, "; ".join(map(str, host.problems))

    def test_finding_twice_finds_the_same(self, host: PluginHost) -> None:
        """Discovery depends on nothing but the files."""
        first, second = _described(self.models(host)), _described(self.models(host))
        assert first == second, f"first {first}, then {second}"

    def test_models_are_valid(self, host: PluginHost) -> None:
        """No entry is broken, and every member of a bundle has its checksum."""
        for model in self.models(host):
            assert model.problem is None, model.problem
            if model.bundle_path is not None:
                with open_bundle(model) as bundle:
                    bundle.verify()

    def test_ids_are_unique(self, host: PluginHost) -> None:
        """No two models of the pack share an id."""
        ids = [model.model_id for model in self.models(host)]
        assert len(set(ids)) == len(ids), f"the ids are {ids}"

    def test_metadata_survives_json(self, host: PluginHost) -> None:
        """Metadata written as JSON and read again is the same."""
        for model in self.models(host):
            text = json.dumps(unstructure(model.metadata))
            again = structure(json.loads(text), ModelMetadata, model.model_id)
            assert again == model.metadata, f"{model.model_id}: {again}"

    def test_no_runtime_is_imported(self) -> None:
        """Finding models imports no runtime: listing them must stay fast."""
        for point in self.entry_points():
            statement = _DISCOVER.format(distribution=point.distribution, value=point.value)
            heavy = imported_by(statement, RUNTIME_LIBRARIES)
            assert not heavy, f"discover_models imports {', '.join(heavy)}"

    def models(self, host: PluginHost) -> list[Model]:
        """Return the pack's own models."""
        own = {info.distribution for info in host.plugins}
        return [model for name, model in host.discover_models(()) if name in own]


def _described(models: list[Model]) -> list[str]:
    return [
        f"{attrs.asdict(model.metadata)} {model.source} {model.bundle_path} {model.problem}"
        for model in models
    ]
