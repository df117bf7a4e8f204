"""The plugin API, on one page.

A plugin is an installed distribution with an entry point in the group ``raxe`` whose value is a
module::

    [project.entry-points.raxe]
    onnx = "raxe_onnx.hooks"

The module declares the API it was written for and implements any of the hooks below::

    from raxe_core import hookimpl

    RAXE_API = 1
    RUNTIMES = ("onnx",)     # only with create_detector: the runtimes that it can run


    @hookimpl
    def create_detector(model, options): ...

An implementation names only the arguments that it wants. Keep the module light: import heavy
libraries inside the functions that need them. Hooks return records and never depend on the order
of plugins; two plugins that claim the same name are an error that names both.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from raxe_core.detector import Detector
    from raxe_core.model import Model, RuntimeOptions
    from raxe_core.records import Command, Criteria, Reporter, ScanEvent, Strategy

__all__ = ["API_VERSION", "ENTRY_POINT_GROUP", "RaxeSpec", "hookimpl"]

API_VERSION = 1
ENTRY_POINT_GROUP = "raxe"

hookspec = pluggy.HookspecMarker("raxe")
hookimpl = pluggy.HookimplMarker("raxe")


class RaxeSpec:
    """Every hook, with what it gets, what it returns and a complete example."""

    @hookspec
    def discover_models(self, search_path: tuple[Path, ...]) -> Iterable[Model]:  # type: ignore[empty-body]
        """Return the models that this plugin knows.

        ``search_path`` holds the drop-in folders, most important first; a model pack ignores them
        and returns its own files. No runtime is imported and no weights are opened here. A broken
        entry is returned as a Model with a ``problem``, not raised. The call has ten seconds.

        Example::

            from pathlib import Path
            from raxe_core import discover_folder, hookimpl

            RAXE_API = 1


            @hookimpl
            def discover_models():
                return discover_folder(Path(__file__).parent / "models", source="my-models")
        """

    @hookspec
    def create_detector(self, model: Model, options: RuntimeOptions) -> Detector | None:
        """Load a model whose ``requirements.runtime`` this plugin's ``RUNTIMES`` names.

        None means that this plugin cannot run this model after all. Raise ModelLoadError when the
        weights do not load, RuntimeUnavailableError (with the pip line) when a library is missing.

        Example::

            from raxe_core import DetectionResult, Prediction, hookimpl

            RAXE_API = 1
            RUNTIMES = ("keywords",)


            class KeywordDetector:
                def __init__(self, model_id):
                    self.model_id = model_id

                def analyze(self, text, l1_results=None):
                    threat = "ignore all previous" in text.lower()
                    found = (Prediction("PI", None, 1.0),) if threat else ()
                    return DetectionResult(
                        model_id=self.model_id, is_threat=threat, predictions=found,
                        scores={"threat": float(threat)}, threshold=0.5, processing_time_ms=0.0,
                    )

                def analyze_batch(self, texts):
                    return [self.analyze(text) for text in texts]

                def close(self):
                    pass


            @hookimpl
            def create_detector(model):
                return KeywordDetector(model.model_id)
        """

    @hookspec
    def score_criteria(self) -> Iterable[Criteria]:  # type: ignore[empty-body]
        """Return the criteria that this plugin can rank models by.

        Example::

            from raxe_core import Criteria, hookimpl

            RAXE_API = 1


            @hookimpl
            def score_criteria():
                def size(model):
                    size_mb = model.metadata.file_info.size_mb
                    return None if size_mb is None else -size_mb

                yield Criteria("size", "smallest file", size)
        """

    @hookspec
    def selection_strategies(self) -> Iterable[Strategy]:  # type: ignore[empty-body]
        """Return ways to select a model.

        Example::

            from raxe_core import Selection, Strategy, hookimpl

            RAXE_API = 1


            def newest(request):
                model = max(request.models, key=lambda model: model.version)
                return Selection(model.model_id, "newest", f"version {model.version} is newest")


            @hookimpl
            def selection_strategies():
                yield Strategy("newest", "the highest version", newest)
        """

    @hookspec
    def reporters(self) -> Iterable[Reporter]:  # type: ignore[empty-body]
        """Return ways to show an evaluation.

        Example::

            from raxe_core import Reporter, hookimpl

            RAXE_API = 1


            @hookimpl
            def reporters():
                yield Reporter("f1", "one number", lambda report: f"{report['f1']:.3f}")
        """

    @hookspec
    def commands(self) -> Iterable[Command]:  # type: ignore[empty-body]
        """Return commands for the ``raxe`` command line.

        Example::

            from raxe_core import Command, hookimpl

            RAXE_API = 1


            @hookimpl
            def commands():
                yield Command("hello", "Say hello.", "my_plugin.cli:hello")
        """

    @hookspec
    def on_scan(self, event: ScanEvent) -> None:
        """See one scan of the client, after it was answered; the text is not part of it.

        It is called in the thread of the scan, so it must be quick. What it raises is logged and
        changes no answer.

        Example::

            from raxe_core import hookimpl

            RAXE_API = 1
            threats = []


            @hookimpl
            def on_scan(event):
                if event.is_threat:
                    threats.append((event.model_id, event.latency_ms))
        """
