"""The page: complete in itself, escaped, small, and drawn by a real browser."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from raxe_html.hooks import render, reporters
from tiny_model import write_bundle

from raxe_core.benchmark.measure import Plan
from raxe_core.benchmark.run import run_benchmark
from raxe_core.builtin.criteria import score_criteria
from raxe_core.constraints import parse_constraints
from raxe_core.detector import DetectionResult, Prediction
from raxe_core.evaluation import bootstrap
from raxe_core.evaluation.comparison import Contender, compare
from raxe_core.evaluation.details import details
from raxe_core.evaluation.judgements import Judgements
from raxe_core.evaluation.prompts import Prompt
from raxe_core.metadata import ModelMetadata
from raxe_core.model import Model

EVIL = "</td><script>document.title='owned'</script><img src=x onerror=alert(1)>\u202e\x1b[31m&amp;"
DATASET = {"name": "d<b>", "prompts": 3, "threats": 2, "benign": 1, "sha256": {"<i>": "0" * 64}}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def judged(model_id: str, prompts: int) -> Judgements:
    generator = random.Random(model_id)
    judgements = Judgements(model_id)
    for number in range(prompts):
        score = generator.random()
        found = (Prediction("PI<b>", None, score),) if score >= 0.5 else ()
        result = DetectionResult(model_id, score >= 0.5, found, {"threat": score}, 0.5, 1 + score)
        is_threat = number % 2 == 0
        judgements.add(Prompt(EVIL * 20, is_threat, "JB'\"" if is_threat else None), result)
    return judgements


@pytest.fixture(scope="module")
def report() -> Any:
    contenders = [
        Contender(Model(ModelMetadata(name, name, "1.0", "x"), "t"), judged(name, 600), 10.0)
        for name in ("a", "b")
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "RESAMPLES", 200)
        return _report(contenders)


def _report(contenders: list[Contender]) -> Any:
    balanced = next(c for c in score_criteria() if c.name == "balanced")
    limits = parse_constraints(["p95_latency_ms<1"])
    found = dict(compare(contenders, DATASET, balanced, limits, detailed=True).report)
    check = {"model_id": "a", "metric": "f1", "limit": 1.0, "verdict": "failed", "reason": EVIL}
    return {**found, "gate": {"verdict": "failed", "checks": [check]}}


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_latencies_of_a_sample_are_told_as_such(report: Any) -> None:
    page = render(report)
    assert "percent of prompts" in page
    assert "judged alone" not in page
    first, second = report["models"]
    sampled = {**first, "latency_ms": {**first["latency_ms"], "prompts": 40}}
    page = render({**report, "models": [sampled, second]})
    assert "percent of timed prompts" in page
    assert "Latencies of a are of 40 prompts judged alone" in page


def test_it_is_the_reporter_html() -> None:
    assert [reporter.name for reporter in reporters()] == ["html"]


def test_the_page_fetches_nothing_and_runs_nothing(report: Any) -> None:
    page = render(report)
    tags = Tags(page).found
    names = {tag for tag, _ in tags}
    assert not names & {"script", "img", "link", "iframe", "object", "base", "b", "i"}
    attributes = {name for _, found in tags for name in found}
    assert not {name for name in attributes if name.startswith("on")}
    assert not attributes & {"src", "href"}
    assert "http:" not in page
    assert "https:" not in page
    assert "url(" not in page
    assert "default-src 'none'" in page


def test_what_is_invisible_is_shown(report: Any) -> None:
    page = render(report)
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert "\\u202e" in page


def test_every_plot_and_table_is_there(report: Any) -> None:
    page = render(report)
    titles = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert titles == [
        "ROC",
        "Precision and recall",
        "Scores, a",
        "Scores, b",
        "Calibration",
        "Latency",
        "Pareto plot",
    ]
    for heading in (
        "Gate: failed",
        "Differences",
        "Constraints",
        "Recall by family",
        "Worst errors, a",
    ):
        assert f"<h2>{heading}</h2>" in page


def test_it_stays_small_with_many_prompts_and_models() -> None:
    names = [f"m{number}" for number in range(6)]
    contenders = [
        Contender(Model(ModelMetadata(name, name, "1.0", "x"), "t"), judged(name, 5_000), 10.0)
        for name in names[:2]
    ]
    rows = []
    for name in names:
        row = contenders[0].judgements.report(DATASET)
        rows.append({**row, "model_id": name, "details": details(contenders[0].judgements)})
    page = render({"kind": "evaluation", "models": rows})
    assert len(page.encode()) < 2_000_000


def test_one_evaluation_without_details_is_a_page_too() -> None:
    found = judged("a", 50).report(DATASET)
    assert "RAXE evaluation" in render(json.loads(json.dumps(found)))


def test_a_benchmark_names_who_is_faster_and_who_was_not_measured(dropped_in: Path) -> None:
    write_bundle(dropped_in.parent, "v9.1_tiny")
    plan = Plan(iterations=20, tokens=(8,), batches=(1,))
    names = ["v9.0_tiny", "v9.1_tiny", "<b>missing"]
    report = run_benchmark(names, plan, lambda items, _: items)
    page = render(json.loads(json.dumps(report)))
    assert "RAXE benchmark" in page
    rows = re.findall(r"<tr><td>(.*?)</td>", page)
    first, second, missing, pair = rows
    assert {first.split()[0], second.split()[0]} == {"v9.0_tiny", "v9.1_tiny"}
    assert missing == "&lt;b&gt;missing"
    assert pair == "v9.0_tiny → v9.1_tiny"
    assert re.findall(r"<h2>(.*?)</h2>", page) == ["Not measured", "Differences", "Plots"]
    titles = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert titles == ["Latency of single calls", "Length"]


needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not installed: .ci/install-chromium"
)


def browse(tmp_path: Path, page: Path, *flags: str) -> str:
    """Open the page in a fresh browser, and return what the browser prints."""
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *flags]
    command.append(page.as_uri())
    return subprocess.run(command, check=True, timeout=180, capture_output=True, text=True).stdout


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_browser_draws_it(report: Any, tmp_path: Path, dark: bool) -> None:
    page, picture = tmp_path / "r.html", tmp_path / "r.png"
    page.write_text(render(report), encoding="utf-8")
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    browse(tmp_path, page, *scheme, f"--screenshot={picture}", "--window-size=1000,1600")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000
    drawn = browse(tmp_path, page, *scheme, "--dump-dom")
    assert "<title>RAXE comparison</title>" in drawn
    assert drawn.count("<svg") == 7


@needs_browser
def test_a_browser_prints_it(report: Any, tmp_path: Path) -> None:
    page, paper = tmp_path / "r.html", tmp_path / "r.pdf"
    page.write_text(render(report), encoding="utf-8")
    browse(tmp_path, page, f"--print-to-pdf={paper}")
    printed = paper.read_bytes()
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") > 1
