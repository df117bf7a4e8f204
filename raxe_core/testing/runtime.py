"""The contract of a runtime plugin, as tests."""

from __future__ import annotations

import functools
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest

from raxe_core.detector import DetectionResult, Detector
from raxe_core.discovery import open_bundle
from raxe_core.errors import ModelLoadError, RaxeError
from raxe_core.manifest import Manifest
from raxe_core.model import Model, RuntimeOptions
from raxe_core.plugins import PluginHost
from raxe_core.testing.damage import DAMAGES, WEIGHTS, with_damaged_weights
from raxe_core.testing.plugin import PluginContract
from raxe_core.testing.samples import PLAIN_TEXTS, UNUSUAL_TEXTS, difference, very_long

__all__ = ["RuntimeContract"]

THREADS = 8
SECRET = "zyzzyva-4711"  # noqa: S105 - a word that no library says by itself


class RuntimeContract(PluginContract):
    """The checks of a plugin that creates detectors. Subclass it, and say what is yours.

    * ``plugin``: the name of the distribution.
    * ``make_model(folder)``: write a small real model of the runtime, with its tokenizer, into
      ``folder`` and return it. It is called once per class.
    * ``tolerance``: how far two scores of one text may be apart, 0.0 by default: alone against
      in a batch, and from several threads. Leave it at 0.0 unless the arithmetic forbids it.
    * ``options``: how detectors are created.
    * ``texts``: what the model is asked. At least one must be a threat to it and one must not.
    """

    tolerance: ClassVar[float] = 0.0
    options: ClassVar[RuntimeOptions] = RuntimeOptions()
    texts: ClassVar[Sequence[str]] = PLAIN_TEXTS
    _made: ClassVar[Model]

    def make_model(self, folder: Path) -> Model:
        """Return a small real model of the runtime, its files written into ``folder``."""
        raise NotImplementedError(f"{type(self).__name__}.make_model returns a model to test with")

    @pytest.fixture
    def model(self, tmp_path_factory: pytest.TempPathFactory) -> Model:
        """The model of ``make_model``, the same one for all tests of the class."""
        cls = type(self)
        if "_made" not in vars(cls):  # a base class may have made another
            cls._made = self.make_model(tmp_path_factory.mktemp("contract"))
        assert cls._made.problem is None, cls._made.problem
        return cls._made

    @pytest.fixture
    def detector(self, host: PluginHost, model: Model) -> Iterator[Detector]:
        """A new detector of the model, closed after the test."""
        detector = host.create_detector(model, self.options)
        yield detector
        detector.close()

    def test_plugin_runs_the_model(self, host: PluginHost, model: Model) -> None:
        """The plugin's RUNTIMES name the model's runtime."""
        runtimes = [runtime for info in host.plugins for runtime in info.runtimes]
        wanted = model.requirements.runtime
        assert wanted in runtimes, f"RUNTIMES name {runtimes}, the model needs {wanted!r}"

    def test_detector_has_the_methods(self, detector: Detector) -> None:
        """What create_detector returns is a Detector."""
        kind = type(detector).__name__
        assert isinstance(detector, Detector), f"{kind} lacks a method of Detector"

    def test_result_names_the_model(self, detector: Detector, model: Model) -> None:
        """Each result carries the model's id."""
        named = detector.analyze("hello").model_id
        assert named == model.model_id, f"the result of {model.model_id} names {named}"

    def test_same_text_same_result(self, detector: Detector) -> None:
        """Asking again gives the same answer, to the last bit."""
        for text in self.texts:
            first, second = detector.analyze(text), detector.analyze(text)
            assert difference(first, second) == 0, f"{text[:60]!r} got two different results"

    def test_l1_results_may_be_given(self, detector: Detector) -> None:
        """``analyze(text, l1_results=...)`` is the signature; None says nothing."""
        text = self.texts[0]
        assert difference(detector.analyze(text), detector.analyze(text, l1_results=None)) == 0

    def test_batch_is_its_texts_in_order(self, detector: Detector) -> None:
        """A batch gives what its texts give alone, in their order."""
        texts = [*self.texts, *UNUSUAL_TEXTS.values(), *reversed(self.texts)]
        results = detector.analyze_batch(texts)
        assert len(results) == len(texts), "a batch has one result per text"
        for text, result in zip(texts, results, strict=True):
            apart = difference(result, detector.analyze(text))
            assert apart <= self.tolerance, f"{text[:60]!r} is {apart} from its result alone"

    def test_empty_batch(self, detector: Detector) -> None:
        """No texts, no results."""
        assert list(detector.analyze_batch([])) == [], "no texts, no results"

    @pytest.mark.parametrize("text", UNUSUAL_TEXTS.values(), ids=UNUSUAL_TEXTS)
    def test_unusual_text_is_judged(self, detector: Detector, text: str) -> None:
        """Any str is judged: empty, control characters, half a surrogate pair."""
        check_result(detector.analyze(text), text)

    def test_very_long_text_is_judged(self, detector: Detector, model: Model) -> None:
        """A text of many windows is read to its end."""
        manifest = _manifest(model)
        text = very_long(256 if manifest is None else manifest.input.max_tokens)
        check_result(detector.analyze(text), text)

    def test_results_are_well_formed(self, detector: Detector) -> None:
        """Scores, decision, predictions, evidence and time follow the rules of DetectionResult."""
        for text in self.texts:
            check_result(detector.analyze(text), text)

    def test_samples_are_of_both_kinds(self, detector: Detector) -> None:
        """Of ``texts`` one at least is a threat and one is not; else these checks say little."""
        kinds = {result.is_threat for result in detector.analyze_batch(self.texts)}
        assert kinds == {True, False}, "choose texts of which the model judges some to be threats"

    def test_threads_get_the_same_results(self, detector: Detector) -> None:
        """Eight threads at once get what one thread gets."""
        alone = [detector.analyze(text) for text in self.texts]
        with ThreadPoolExecutor(THREADS) as pool:
            rounds = list(pool.map(lambda _: [detector.analyze(t) for t in self.texts], range(24)))
        for together in rounds:
            for text, one, other in zip(self.texts, alone, together, strict=True):
                apart = difference(one, other)
                assert apart <= self.tolerance, f"{text[:60]!r} is {apart} off in a thread"

    def test_close_twice(self, detector: Detector) -> None:
        """Closing a closed detector does nothing."""
        detector.close()
        detector.close()

    def test_use_after_close(self, detector: Detector) -> None:
        """A closed detector raises a RaxeError; it never answers."""
        detector.close()
        for call in (lambda: detector.analyze("hello"), lambda: detector.analyze_batch(["hello"])):
            with pytest.raises(RaxeError):
                call()

    def test_two_detectors_are_apart(
        self, detector: Detector, host: PluginHost, model: Model
    ) -> None:
        """Closing one detector leaves another of the same model alone."""
        host.create_detector(model, self.options).close()
        detector.analyze("hello")

    @pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
    def test_damaged_weights(
        self, host: PluginHost, model: Model, tmp_path: Path, damage: Callable[[bytes], bytes]
    ) -> None:
        """Weights that are none raise a ModelLoadError that names the model."""
        manifest = _manifest(model)
        if manifest is None or not any(m.name.endswith(WEIGHTS) for m in manifest.members):
            pytest.skip("the model has no file of weights")
        damaged = with_damaged_weights(model, tmp_path, damage)
        with pytest.raises(ModelLoadError) as caught:
            host.create_detector(damaged, self.options)
        told = str(caught.value)
        assert model.model_id in told, f"the message does not name {model.model_id}: {told}"

    def test_texts_stay_private(
        self,
        detector: Detector,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """No text gets into a log record, the terminal or an error message."""
        said: list[str] = []
        monkeypatch.setattr(logging.Logger, "isEnabledFor", lambda *_: True)
        monkeypatch.setattr(
            logging.Logger, "handle", lambda _, record: said.append(record.getMessage())
        )
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            for text in [*self.texts, *UNUSUAL_TEXTS.values()]:
                said.extend(_error_of(functools.partial(detector.analyze, f"{SECRET} {text}")))
            detector.close()
            said.extend(_error_of(functools.partial(detector.analyze, SECRET)))
        said.extend([*capfd.readouterr(), *(str(warning.message) for warning in warned)])
        told = [line for line in said if SECRET in line]
        assert not told, f"the text of a prompt was written: {told[0][:200]}"

    def test_embeddings(self, detector: Detector, model: Model) -> None:
        """``embed`` gives vectors of length 1, one per text, the same for the same text."""
        manifest = _manifest(model)
        if manifest is None or manifest.outputs.embedding is None:
            pytest.skip("the model has no embedding output")
        embed: Callable[[Sequence[str]], Sequence[Sequence[float]]] | None
        embed = getattr(detector, "embed", None)
        assert embed is not None, "the manifest has an embedding output, the detector no embed()"
        texts = [*self.texts, self.texts[0]]
        vectors = embed(texts)
        assert len(vectors) == len(texts), f"{len(texts)} texts got {len(vectors)} vectors"
        assert len({len(vector) for vector in vectors}) == 1, "the vectors differ in length"
        for vector in vectors:
            norm = math.hypot(*vector)
            assert math.isclose(norm, 1.0, abs_tol=1e-3), f"a vector has the length {norm}"
        apart = max(abs(a - b) for a, b in zip(vectors[0], vectors[-1], strict=True))
        assert apart <= self.tolerance, f"one text got two vectors, {apart} apart"
        assert list(embed([])) == [], "no texts, no vectors"


def check_result(result: DetectionResult, text: str) -> None:
    """Assert what holds for the result of any text.

    Every score is a finite number from 0 to 1; the decision is ``score >= threshold``; there are
    predictions for a threat and none otherwise; evidence lies inside the text; time has passed.
    """
    assert isinstance(result, DetectionResult), f"a {type(result).__name__} is no result"
    assert "threat" in result.scores, "scores hold the probability of 'threat'"
    for name, value in result.scores.items():
        assert math.isfinite(value), f"score {name!r} is {value}"
        assert 0 <= value <= 1, f"score {name!r} is {value}"
    assert 0 <= result.threshold <= 1, f"the threshold is {result.threshold}"
    decision = result.score >= result.threshold
    assert result.is_threat == decision, f"score {result.score}, threshold {result.threshold}"
    assert bool(result.predictions) == result.is_threat, "predictions belong to threats alone"
    for prediction in result.predictions:
        assert prediction.family, "a prediction has a family"
        assert 0 <= prediction.confidence <= 1, f"a confidence is {prediction.confidence}"
        span = prediction.evidence
        if span is not None:
            assert 0 <= span.start <= span.end <= len(text), f"{span} of {len(text)} characters"
    assert result.processing_time_ms > 0, "processing_time_ms is the time it took"


def _manifest(model: Model) -> Manifest | None:
    if model.bundle_path is None:
        return None
    with open_bundle(model) as bundle:
        return bundle.manifest


def _error_of(call: Callable[[], Any]) -> list[str]:
    """Run ``call`` and return what it raised, in words: the message and its causes."""
    try:
        call()
    except Exception as error:
        chain: list[str] = []
        current: BaseException | None = error
        while current is not None:
            chain.append(f"{type(current).__name__}: {current}")
            current = current.__cause__ or current.__context__
        return chain
    return []
