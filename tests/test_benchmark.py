"""The parts of the benchmark; no time is asserted."""

from __future__ import annotations

import json
import math
import os
import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tiny_model import write_bundle

import raxe_core
from conftest import RunRaxe
from raxe_core import ModelRegistry
from raxe_core.benchmark.child import Child, loaded_memory_mb
from raxe_core.benchmark.fingerprint import fingerprint, machine_key
from raxe_core.benchmark.histogram import MINIMUM_SAMPLES, Histogram
from raxe_core.benchmark.measure import Sampled
from raxe_core.benchmark.memory import memory_kb
from raxe_core.benchmark.profile import measured_figures, profile_path, save_profile
from raxe_core.benchmark.run import judge_pair
from raxe_core.cli.option_types import unwritable
from raxe_core.errors import ModelLoadError, UnknownModelError
from raxe_core.evaluation.packed import unpack_times

SCHEMA = Path(raxe_core.__file__).parent / "schemas" / "benchmark_report.schema.json"


def test_the_histogram_has_the_buckets_of_hdrhistogram() -> None:
    hdrh = pytest.importorskip("hdrh.histogram")
    reference = hdrh.HdrHistogram(1, 10**9, 3)
    generator = random.Random(1)
    values = [int(generator.lognormvariate(8, 2)) + 1 for _ in range(2_000)]
    ours = Histogram(values)
    for value in values:
        reference.record_value(value)
    for percent in (1, 25, 50, 90, 95, 99, 99.9, 100):
        found = ours.value_at(percent)
        assert reference.values_are_equivalent(found, reference.get_value_at_percentile(percent))
        exact = sorted(values)[math.ceil(round(len(values) * percent / 100, 6)) - 1]
        assert exact <= found <= exact * 1.001 + 1


def test_histograms_add_up_and_survive_json() -> None:
    values = [random.Random(n).randrange(10**6) for n in range(500)]
    whole, parts = Histogram(values), Histogram(values[:200])
    parts.add(Histogram(values[200:]))
    again = Histogram.from_json(json.loads(json.dumps(parts.as_json())))
    assert again.as_json() == whole.as_json()


def test_a_percentile_needs_its_samples() -> None:
    for name, needed in MINIMUM_SAMPLES.items():
        assert Histogram(range(needed)).percentiles()[name] is not None
        if needed > 1:
            assert Histogram(range(needed - 1)).percentiles()[name] is None
    with pytest.raises(ValueError, match="at least one value"):
        Histogram().value_at(50)


def sampled(factor: float, seed: int, rounds: int = 60) -> Sampled:
    load, noise = random.Random(5), random.Random(seed)
    times = [factor * load.uniform(1, 3) * noise.uniform(0.95, 1.05) for _ in range(rounds)]
    return Sampled(times, times, times, times)


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0, "equivalent"), (1.1, "slower"), (0.8, "faster")]
)
def test_ratios_of_rounds_see_through_load(factor: float, verdict: str) -> None:
    found = judge_pair(sampled(1, 1), sampled(factor, 2), contended=False)
    assert found["verdict"] == verdict


def test_too_few_rounds_decide_nothing() -> None:
    assert judge_pair(sampled(1, 1, 3), sampled(2, 2, 3), False)["verdict"] == "inconclusive"


def test_wall_time_that_contradicts_decides_nothing_on_a_quiet_machine() -> None:
    first, second = sampled(1, 1), sampled(1.5, 2)
    second.wall_rounds = [value / 3 for value in second.wall_rounds]
    assert judge_pair(first, second, contended=False)["verdict"] == "inconclusive"
    assert judge_pair(first, second, contended=True)["verdict"] == "slower"


def test_memory_is_that_of_the_process() -> None:
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("this system has no smaps_rollup")
    found = memory_kb()
    assert 0 < (found["pss"] or 0) <= (found["rss"] or 0) <= (found["peak"] or 0)
    assert memory_kb("0") == {"pss": None, "rss": None, "peak": None}


def test_the_fingerprint_is_json_and_stable() -> None:
    found = json.loads(json.dumps(fingerprint()))
    assert found["machine_key"] == machine_key() == machine_key()
    assert found["cores"] == os.cpu_count()


def test_a_profile_holds_for_the_very_bundle(tmp_path: Path) -> None:
    bundle = tmp_path / "a.raxe"
    bundle.write_bytes(b"one")
    assert measured_figures("a", bundle) == {}
    save_profile({"a": (bundle, {"p95_latency_ms": 5.0})}, "2026-01-01")
    save_profile({"b": (None, {"memory_mb": 5.0})}, "2026-01-01")
    save_profile({"a": (bundle, {"memory_mb": 7.0})}, "2026-01-02")  # too short a run for P95
    assert measured_figures("a", bundle) == {"p95_latency_ms": 5.0, "memory_mb": 7.0}
    assert measured_figures("b", None) == {"memory_mb": 5.0}
    assert measured_figures("c", None) == {}
    bundle.write_bytes(b"another")
    assert measured_figures("a", bundle) == {}


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"models": 3}', b'{"models": {"a": 3}}'])
def test_a_damaged_profile_is_none(damage: bytes) -> None:
    save_profile({"a": (None, {"memory_mb": 5.0})}, "2026-01-01")
    profile_path().write_bytes(damage)
    assert measured_figures("a", None) == {}


def test_the_worker_says_what_is_wrong(dropped_in: Path) -> None:
    with Child() as child:
        with pytest.raises(UnknownModelError, match=r"v9\.0_tiny"):
            child.ask("load", model_id="v9.0_tin")
        found = child.ask("load", model_id="v9.0_tiny")
        assert set(found["cold_ms"]) == {"registry", "load", "first"}
        child.ask("texts", name="t", texts=["reveal password", "hello"])
        times = child.ask("time", name="t", batch=2, calls=3)
        assert len(times["wall_us"]) == len(times["cpu_us"]) == 3
        assert child.ask("fit", words=["hello"], tokens=[8]) == {"8": 8}
        assert len(child.ask("open_loop", name="t", arrivals=[0.0, 0.001])) == 2
        assert child.ask("threaded", name="t", threads=2, calls=3) > 0
        os.kill(child.pid, 9)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(ModelLoadError, match="ended with code -9"):
            child.ask("memory", stage="x")
    assert loaded_memory_mb("nothing", None) is None


@pytest.fixture
def benchmarked(
    dropped_in: Path, raxe: RunRaxe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    monkeypatch.chdir(tmp_path)
    arguments = ["--iterations", "140", "--tokens", "8", "--batches", "1,2"]
    result = raxe("models", "benchmark", *arguments)
    assert result.exit_code == 0, result.stderr
    (path,) = (tmp_path / "benchmarks").iterdir()
    assert path.name.endswith("_models.json")
    assert f"Benchmark Report saved to: benchmarks/{path.name}" in result.stdout
    return result.stdout, json.loads(path.read_text())


def test_the_benchmark_reports_and_makes_a_profile(benchmarked: Any, dropped_in: Path) -> None:
    printed, report = benchmarked
    assert "Model: v9.0_tiny" in printed
    assert "P50: " in printed
    assert "P99: n/a (too few)" in printed
    (row,) = report["models"]
    assert row["latency"]["calls"] == 140
    assert row["latency"]["wall_ms"]["p95"] is not None
    assert row["latency"]["wall_ms"]["p99"] is None
    samples = row["latency"]["samples"]
    p95_us = Histogram(unpack_times(samples["wall_us"], 140)).percentiles()["p95"]
    assert p95_us is not None
    assert p95_us / 1e3 == row["latency"]["wall_ms"]["p95"]
    assert [found["threads"] for found in row["threads"]] == [1, 2, 4]
    assert "Texts/sec by threads: 1: " in printed
    figures = measured_figures("v9.0_tiny", dropped_in)
    kind = "cpu_ms" if report["environment"]["contended"] else "wall_ms"
    assert figures["p95_latency_ms"] == row["latency"][kind]["p95"]
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(report)


def test_the_json_is_all_there_is_on_standard_output(
    dropped_in: Path, raxe: RunRaxe, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    options = ["--iterations", "10", "--tokens", "8", "--batches", "1", "--output", str(path)]
    result = raxe("models", "benchmark", *options, "--format", "json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["models"] == json.loads(path.read_text())["models"]
    assert f"saved to: {path}" in result.stderr


@pytest.mark.parametrize("option", [True, False])
def test_a_report_that_cannot_be_written_is_refused_before_work_begins(
    dropped_in: Path,
    raxe: RunRaxe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("benchmarks").write_text("no folder")
    output = ["--output", "benchmarks/deep/report.json"] if option else []
    result = raxe("models", "benchmark", *output)
    assert (result.exit_code, "cannot be written: Not a directory" in result.stderr) == (2, True)
    assert "Benchmarking" not in result.stderr


def test_a_path_tells_beforehand_whether_it_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "none" / "file")
    for good in (tmp_path / "new" / "deep", tmp_path / "link", Path("/dev/null")):
        assert unwritable(good) is None
    assert unwritable(Path("/proc/report.json")) is not None
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_usage_errors_are_told(dropped_in: Path, raxe: RunRaxe) -> None:
    assert raxe("models", "benchmark", "nothing").exit_code == 2
    assert raxe("models", "benchmark", "--tokens", "x").exit_code == 2
    result = raxe("models", "benchmark", "--self-check", "--iterations", "10")
    assert (result.exit_code, "needs --iterations 80" in result.stderr) == (2, True)


def test_the_self_check_reports_both_runs(dropped_in: Path, raxe: RunRaxe) -> None:
    arguments = ["v9.0_tiny", "--self-check", "--iterations", "80", "--format", "json"]
    result = raxe("models", "benchmark", *arguments)
    report = json.loads(result.stdout)
    assert result.exit_code == (0 if report["passed"] else 1)
    assert report["rounds"] == 20
    assert report["same"]["cpu"]["ratio"] > 0


def test_what_was_measured_here_goes_before_claims_and_is_marked(home: Path, raxe: RunRaxe) -> None:
    bundles = {}
    for model_id, claimed in (("v9.0_boasts", 1.0), ("v9.1_modest", 9.0)):
        version, _, variant = model_id.partition("_")
        metadata = {
            "model_id": model_id,
            "name": f"Tiny {variant}",
            "version": f"{version.lstrip('v')}.0",
            "variant": variant,
            "requirements": {"runtime": "onnx"},
            "performance": {"p95_latency_ms": claimed},
            "status": "active",
        }
        bundles[model_id] = write_bundle(home / "models", model_id, metadata=metadata)
    assert ModelRegistry().get_best_model("latency").model_id == "v9.0_boasts"
    assert raxe("models", "list").stdout.count("●") == 1, "the legend alone"
    measured = {"v9.0_boasts": 8.0, "v9.1_modest": 4.0}
    save_profile(
        {name: (bundles[name], {"p95_latency_ms": ms}) for name, ms in measured.items()},
        "2026-01-01",
    )
    assert ModelRegistry().get_best_model("latency").model_id == "v9.1_modest"
    listed = raxe("models", "list").stdout
    assert "4.0ms" in listed
    assert listed.count("●") == 3
    shown = raxe("models", "info", "v9.0_boasts").stdout
    assert "8.0ms" in shown
    assert "ms ●" in shown
    found = json.loads(raxe("models", "info", "v9.0_boasts", "--json").stdout)
    assert found["measured"] == {"p95_latency_ms": 8.0}
