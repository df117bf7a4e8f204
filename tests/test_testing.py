"""The conformance kit: it passes a good plugin, and each of its rules fails a bad one."""

from __future__ import annotations

import inspect
import logging
import math
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from plugin_source import Site
from tiny_model import write_bundle

from raxe_core import (
    DetectionResult,
    Detector,
    Model,
    ModelLoadError,
    ModelMetadata,
    Prediction,
    RaxeError,
    RuntimeOptions,
    Span,
)
from raxe_core.discovery import model_from_file
from raxe_core.entry_points import EntryPoint
from raxe_core.plugins import PluginHost
from raxe_core.testing import ModelPackContract, PluginContract, RuntimeContract


class TestGood(RuntimeContract):
    """The kit passes the ONNX runtime with the tiny model."""

    plugin = "raxe-onnx"

    def make_model(self, folder: Path) -> Model:
        return model_from_file(write_bundle(folder), source="tests")


class Wrapped:
    """A good detector, to be spoiled in one respect."""

    def __init__(self, good: Any) -> None:
        self.good = good
        self.closed = False

    def analyze(self, text: str, l1_results: Any = None) -> DetectionResult:
        return self.changed(self.good.analyze(text), text)

    def analyze_batch(self, texts: Sequence[str]) -> list[DetectionResult]:
        return [self.analyze(text) for text in texts]

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return self.good.embed(texts)  # type: ignore[no-any-return]

    def close(self) -> None:
        self.good.close()

    def changed(self, result: DetectionResult, text: str) -> DetectionResult:
        return result


class NoClose:
    def __init__(self, good: Any) -> None: ...
    def analyze(self, text: str) -> None: ...
    def analyze_batch(self, texts: Sequence[str]) -> None: ...


class OtherId(Wrapped):
    def changed(self, result: DetectionResult, text: str) -> DetectionResult:
        return result._replace(model_id="v0.0_other")


class Drifting(Wrapped):
    calls = 0

    def changed(self, result: DetectionResult, text: str) -> DetectionResult:
        self.calls += 1
        return with_score(result, 0.5 + self.calls * 1e-12)


class FlipsFamily(Wrapped):
    calls = 0

    def changed(self, result: DetectionResult, text: str) -> DetectionResult:
        self.calls += 1
        prediction = Prediction(f"family {self.calls}", None, 1.0)
        return result._replace(predictions=(prediction,))


class NoL1(Wrapped):
    def analyze(self, text: str) -> DetectionResult:  # type: ignore[override]
        return self.good.analyze(text)  # type: ignore[no-any-return]


class ReversedBatch(Wrapped):
    def analyze_batch(self, texts: Sequence[str]) -> list[DetectionResult]:
        return super().analyze_batch(texts[:-1] if len(texts) == 1 else [*texts[1:], texts[0]])


class ShortBatch(Wrapped):
    def analyze_batch(self, texts: Sequence[str]) -> list[DetectionResult]:
        return super().analyze_batch(texts[1:])


class ScoresByBatch(Wrapped):
    def analyze_batch(self, texts: Sequence[str]) -> list[DetectionResult]:
        return [with_score(r, r.score * (1 - 1e-9)) for r in super().analyze_batch(texts)]


class NeedsOne(Wrapped):
    def analyze_batch(self, texts: Sequence[str]) -> list[DetectionResult]:
        return [self.analyze(texts[0]), *map(self.analyze, texts[1:])]


class Utf8Only(Wrapped):
    def analyze(self, text: str, l1_results: Any = None) -> DetectionResult:
        text.encode()
        return super().analyze(text)


class ShortOnly(Wrapped):
    def analyze(self, text: str, l1_results: Any = None) -> DetectionResult:
        if len(text.split()) > 40:
            raise RaxeError("too long")
        return super().analyze(text)


class NotANumber(Wrapped):
    def changed(self, result: DetectionResult, text: str) -> DetectionResult:
        return with_score(result, math.nan)


class AboveOne(Wrapped):
    def changed(self, result: DetectionResult, text: str) -> DetectionResult:
        return with_score(result, 1.5)


class OwnMind(Wrapped):
    def changed(self, result: DetectionResult, text: str) -> DetectionResult:
        return result._replace(is_threat=not result.is_threat)


class Mute(Wrapped):
    def changed(self, result: DetectionResult, text: str) -> DetectionResult:
        return result._replace(predictions=())


class Talkative(Wrapped):
    def changed(self, result: DetectionResult, text: str) -> DetectionResult:
        return result._replace(predictions=(Prediction("PI", None, 0.1),))


class FarEvidence(Wrapped):
    def changed(self, result: DetectionResult, text: str) -> DetectionResult:
        far = [p._replace(evidence=Span(0, len(text) + 1)) for p in result.predictions]
        return result._replace(predictions=tuple(far))


class Timeless(Wrapped):
    def changed(self, result: DetectionResult, text: str) -> DetectionResult:
        return result._replace(processing_time_ms=0.0)


class Calm(Wrapped):
    def changed(self, result: DetectionResult, text: str) -> DetectionResult:
        return result._replace(is_threat=False)


class OneThread(Wrapped):
    def changed(self, result: DetectionResult, text: str) -> DetectionResult:
        main = threading.current_thread() is threading.main_thread()
        return result if main else with_score(result, 0.123)


class ClosesOnce(Wrapped):
    def close(self) -> None:
        if self.closed:
            raise RaxeError("closed already")
        self.closed = True


class NeverClosed(Wrapped):
    def close(self) -> None: ...


class ClosedByCrash(Wrapped):
    def analyze(self, text: str, l1_results: Any = None) -> DetectionResult:
        if self.closed:
            raise AttributeError("'NoneType' object has no attribute 'run'")
        return super().analyze(text)

    def close(self) -> None:
        self.closed = True


class ClosesAll(Wrapped):
    open = True

    def analyze(self, text: str, l1_results: Any = None) -> DetectionResult:
        if not ClosesAll.open:
            raise RaxeError("closed")
        return super().analyze(text)

    def close(self) -> None:
        ClosesAll.open = False


class Logs(Wrapped):
    def changed(self, result: DetectionResult, text: str) -> DetectionResult:
        logging.getLogger("bad").debug("judged %s", text)  # noqa: TID251
        return result


class Prints(Wrapped):
    def changed(self, result: DetectionResult, text: str) -> DetectionResult:
        print(text.encode("utf-8", "replace").decode())  # noqa: T201
        return result


class Warns(Wrapped):
    def changed(self, result: DetectionResult, text: str) -> DetectionResult:
        warnings.warn(f"odd text: {text}", stacklevel=1)
        return result


class Quotes(Wrapped):
    def analyze(self, text: str, l1_results: Any = None) -> DetectionResult:
        if "\x00" in text:
            raise RaxeError(f"a NUL in {text!r}")
        return super().analyze(text)


class QuotesWhenClosed(Wrapped):
    def analyze(self, text: str, l1_results: Any = None) -> DetectionResult:
        try:
            return super().analyze(text)
        except RaxeError:
            raise RaxeError("closed") from ValueError(text)


class NoEmbed:
    analyze = Wrapped.analyze

    def __init__(self, good: Any) -> None: ...


class LongVectors(Wrapped):
    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [[2.0, 0.0] for _ in texts]


class FewVectors(Wrapped):
    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return super().embed(texts)[1:]


def with_score(result: DetectionResult, score: float) -> DetectionResult:
    return result._replace(scores={**result.scores, "threat": score})


BAD = [
    ("test_detector_has_the_methods", NoClose, "lacks a method"),
    ("test_result_names_the_model", OtherId, "v0.0_other"),
    ("test_same_text_same_result", Drifting, "two different results"),
    ("test_same_text_same_result", FlipsFamily, "two different results"),
    ("test_l1_results_may_be_given", NoL1, "l1_results"),
    ("test_batch_is_its_texts_in_order", ReversedBatch, "from its result alone"),
    ("test_batch_is_its_texts_in_order", ShortBatch, "one result per text"),
    ("test_batch_is_its_texts_in_order", ScoresByBatch, "from its result alone"),
    ("test_empty_batch", NeedsOne, "index out of range"),
    ("test_unusual_text_is_judged", Utf8Only, "surrogates not allowed"),
    ("test_very_long_text_is_judged", ShortOnly, "too long"),
    ("test_results_are_well_formed", NotANumber, "'threat' is nan"),
    ("test_results_are_well_formed", AboveOne, "'threat' is 1.5"),
    ("test_results_are_well_formed", OwnMind, "threshold 0.5"),
    ("test_results_are_well_formed", Mute, "belong to threats"),
    ("test_results_are_well_formed", Talkative, "belong to threats"),
    ("test_results_are_well_formed", FarEvidence, "characters"),
    ("test_results_are_well_formed", Timeless, "processing_time_ms"),
    ("test_samples_are_of_both_kinds", Calm, "choose texts"),
    ("test_threads_get_the_same_results", OneThread, "in a thread"),
    ("test_close_twice", ClosesOnce, "closed already"),
    ("test_use_after_close", NeverClosed, "DID NOT RAISE"),
    ("test_use_after_close", ClosedByCrash, "NoneType"),
    ("test_two_detectors_are_apart", ClosesAll, "closed"),
    ("test_texts_stay_private", Logs, "was written: judged"),
    ("test_texts_stay_private", Prints, "was written"),
    ("test_texts_stay_private", Warns, "was written: odd text"),
    ("test_texts_stay_private", Quotes, "was written: RaxeError"),
    ("test_texts_stay_private", QuotesWhenClosed, "was written: ValueError"),
    ("test_embeddings", NoEmbed, "no embed"),
    ("test_embeddings", LongVectors, "the length 2.0"),
    ("test_embeddings", FewVectors, "6 texts got 5"),
]


@pytest.fixture(scope="module")
def good_model(tiny_bundle: Path) -> Model:
    return model_from_file(tiny_bundle, "tests")


class FakeHost:
    """A host whose create_detector is the given function."""

    def __init__(self, create: Callable[[Model, RuntimeOptions], Any]) -> None:
        self.create_detector = create


def check(rule: str, **given: Any) -> None:
    """Run one rule of the kit on what is given; a parametrized rule on its every case."""
    test = getattr(TestGood(), rule)
    wanted = inspect.signature(test).parameters
    marks = getattr(test, "pytestmark", [])
    cases = [{mark.args[0]: case} for mark in marks for case in mark.args[1]] or [{}]
    for number, case in enumerate(cases):
        arguments = {**given, **case}
        if "tmp_path" in arguments:
            arguments["tmp_path"] = given["tmp_path"] / str(number)
        test(**{name: arguments[name] for name in wanted})


@pytest.mark.parametrize(
    ("rule", "bad", "why"), BAD, ids=[f"{kind.__name__}-{rule}" for rule, kind, _ in BAD]
)
def test_each_rule_fails_a_bad_detector(
    rule: str,
    bad: Callable[[Detector], Any],
    why: str,
    good_model: Model,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def create(model: Model, options: RuntimeOptions) -> Any:
        return bad(PluginHost().create_detector(model, options))

    detector = create(good_model, RuntimeOptions())
    given = {"monkeypatch": monkeypatch, "capfd": capfd, "host": FakeHost(create)}
    # pytest's own failures are no Exception.
    with pytest.raises((Exception, pytest.fail.Exception), match=why):
        check(rule, detector=detector, model=good_model, **given)


def accept(model: Model, options: RuntimeOptions) -> str:
    return "loaded"


def crash(model: Model, options: RuntimeOptions) -> str:
    raise ValueError("protobuf parsing failed")


def name_nothing(model: Model, options: RuntimeOptions) -> str:
    raise ModelLoadError("protobuf parsing failed")


@pytest.mark.parametrize(
    ("create", "why"),
    [(accept, "DID NOT RAISE"), (crash, "protobuf"), (name_nothing, "does not name v9.0_tiny")],
)
def test_damaged_weights_must_be_refused(
    create: Callable[[Model, RuntimeOptions], str], why: str, good_model: Model, tmp_path: Path
) -> None:
    with pytest.raises((Exception, pytest.fail.Exception), match=why):
        check("test_damaged_weights", host=FakeHost(create), model=good_model, tmp_path=tmp_path)


def test_the_runtime_must_be_declared(good_model: Model) -> None:
    with pytest.raises(AssertionError, match="the model needs 'onnx'"):
        check("test_plugin_runs_the_model", host=PluginHost([]), model=good_model)


def test_every_rule_has_a_bad_example() -> None:
    rules = {name for name in dir(RuntimeContract) if name.startswith("test_")}
    elsewhere = {"test_damaged_weights", "test_plugin_runs_the_model"}
    elsewhere |= {name for name in dir(PluginContract) if name.startswith("test_")}
    assert rules - elsewhere == {rule for rule, _, _ in BAD}


def contract(site: Site, kind: type[PluginContract] = PluginContract) -> Any:
    """Return the contract for whatever is installed in ``site``."""

    class Contract(kind):  # type: ignore[valid-type, misc]
        plugin = "my-plugin"

        def entry_points(self) -> list[EntryPoint]:
            return site.entry_points()

    return Contract()


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("RAXE_API = 2", "incompatible: declares RAXE_API = 2"),
        ("x = 1", "RAXE_API = None"),
        ("raise SystemExit(3)", "failed: SystemExit: 3"),
        (
            "from raxe_core import hookimpl\nRAXE_API = 1\n@hookimpl\ndef discover_model(): ...",
            "unknown hook 'discover_model'",
        ),
    ],
)
def test_the_entry_point_must_load(site: Site, code: str, why: str) -> None:
    site.install("my-plugin", code)
    with pytest.raises(AssertionError, match=why):
        contract(site).test_plugin_is_active(PluginHost(site.entry_points()))


def test_the_import_must_be_light(site: Site) -> None:
    site.install("my-plugin", "RAXE_API = 1\nimport numpy")
    with pytest.raises(AssertionError, match="my_plugin_hooks imports numpy"):
        contract(site).test_import_is_light()


def test_a_plugin_that_is_not_installed_fails() -> None:
    class Contract(PluginContract):
        plugin = "raxe-nothing"

    with pytest.raises(pytest.fail.Exception, match="raxe-nothing is not installed"):
        Contract().entry_points()


PACK = """
    from pathlib import Path
    from raxe_core import discover_folder, hookimpl

    RAXE_API = 1


    @hookimpl
    def discover_models():
        return discover_folder(Path({folder!r}), source="my-plugin")
"""


def check_pack(site: Site, code: str) -> None:
    site.install("my-plugin", code)
    pack = contract(site, ModelPackContract)
    for name in dir(pack):
        if name.startswith("test_"):
            test = getattr(pack, name)
            host = PluginHost(site.entry_points())
            test(**({"host": host} if inspect.signature(test).parameters else {}))


def test_a_good_pack_passes(site: Site, tiny_bundle: Path) -> None:
    check_pack(site, PACK.format(folder=str(tiny_bundle.parent)))


def test_a_pack_with_a_broken_model_fails(site: Site, tmp_path: Path) -> None:
    (tmp_path / "raxe_model_l2_v1.0_broken.raxe").write_bytes(b"PK")
    with pytest.raises(AssertionError, match=r"v1\.0_broken"):
        check_pack(site, PACK.format(folder=str(tmp_path)))


def test_a_pack_with_a_flipped_byte_fails(site: Site, tmp_path: Path) -> None:
    path = write_bundle(tmp_path)
    data = bytearray(path.read_bytes())
    in_manifest = data.index(b"model.onnx")
    data[data.index(b"model.onnx", in_manifest + 1) + 40] ^= 1
    path.write_bytes(data)
    with pytest.raises(RaxeError, match=r"model\.onnx"):
        check_pack(site, PACK.format(folder=str(tmp_path)))


MODELS = """
    import itertools
    from raxe_core import Model, ModelMetadata, hookimpl

    RAXE_API = 1
    counter = itertools.count()


    @hookimpl
    def discover_models():
        {body}
"""


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return []", "0 models are found"),
        ("raise OSError('no disk')", "0 models are found"),
        ("yield Model(ModelMetadata(f'v1.{next(counter)}_a', 'A', '1.0', 'a'), 'me')", "then"),
        (
            "return [Model(ModelMetadata('v1.0_a', 'A', '1.0', 'a'), 'me')] * 2",
            "'v1.0_a', 'v1.0_a'",
        ),
        (
            "import numpy; yield Model(ModelMetadata('v1.0_a', 'A', '1.0', 'a'), 'me')",
            "imports numpy",
        ),
    ],
)
def test_a_bad_pack_fails(site: Site, body: str, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        check_pack(site, MODELS.format(body=body))


def test_a_model_without_a_bundle_is_checked_as_far_as_it_goes() -> None:
    model = Model(ModelMetadata("v1.0_words", "Words", "1.0", "words"), "tests")
    with pytest.raises(pytest.skip.Exception, match="no file of weights"):
        check("test_damaged_weights", host=None, model=model, tmp_path=Path())
