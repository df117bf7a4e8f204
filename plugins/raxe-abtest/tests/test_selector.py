"""ABModelSelector: the whole way from a request to a verdict."""

from __future__ import annotations

import math
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from raxe_abtest import ABModelSelector, ExperimentError, SettingsError, StoreError
from raxe_abtest.config import experiment_from
from raxe_abtest.decision import decide
from raxe_abtest.evaluate import evaluate
from raxe_abtest.guardrails import Guardrail
from raxe_abtest.standing import Standing
from raxe_abtest.store import open_store
from raxe_abtest.store.base import Store
from raxe_abtest.store.fold import Fold
from raxe_abtest.store.records import ARMS, Event, Registration, Snapshot


@pytest.fixture
def selector(tmp_path: Path) -> Iterator[ABModelSelector]:
    with ABModelSelector("A", "B", store=tmp_path / "ab.db") as made:
        yield made


def feed(
    selector: ABModelSelector, users: int, rates: dict[str, float], seed: int = 1,
    latency: dict[str, float] | None = None, first: int = 0,
) -> None:  # fmt: skip
    rng = random.Random(seed)
    for number in range(first, first + users):
        user = f"user{number}"
        model_id = selector.select(user_id=user)
        selector.track_result(
            user, model_id,
            latency_ms=(latency or {}).get(model_id, 10.0) * rng.lognormvariate(0, 0.3),
            accuracy=float(rng.random() < rates[model_id]),
        )  # fmt: skip


def test_the_example_of_the_design() -> None:
    selector = ABModelSelector(
        variant_a="v1.0_pytorch", variant_b="v1.0_onnx_int8", split=0.5, user_hash_key="user_id"
    )
    model_id = selector.select(user_id="user123")
    selector.track_result(user_id="user123", model_id=model_id, latency_ms=10.5, accuracy=0.95)
    report = selector.get_report()
    shown = {
        f"{report.variant_a.avg_latency:.1f}ms, {report.variant_a.accuracy:.1%}",
        f"{report.variant_b.avg_latency:.1f}ms, {report.variant_b.accuracy:.1%}",
    }
    assert shown == {"10.5ms, 95.0%", "n/ams, n/a"}
    assert f"{report.winner} ({report.confidence:.1%} confidence)" == "None (<0.1% confidence)"
    assert report.status == "insufficient_data"
    selector.close()


def test_a_difference_is_found(selector: ABModelSelector) -> None:
    feed(selector, 3_000, {"A": 0.80, "B": 0.95})
    report = selector.get_report()
    assert report.winner == "B"
    assert report.status == "winner"
    assert report.confidence > 0.95
    assert "raxe abtest promote B" in report.sentence
    assert selector.get_report().confidence >= report.confidence
    assert report.as_dict()["winner"] == "B"


def test_the_fixed_test_is_the_textbook_one(tmp_path: Path) -> None:
    stats = pytest.importorskip("scipy.stats")
    rng, values = random.Random(3), {"A": [], "B": []}
    with ABModelSelector("A", "B", store=tmp_path / "ab.db", primary_metric="latency") as selector:
        for number in range(600):
            model_id = selector.select(f"u{number}")
            values[model_id].append(rng.lognormvariate(3, 0.4))
            selector.track_result(
                f"u{number}", model_id, values[model_id][-1], float(number % 9 > 0)
            )
        latency = selector.get_report()
    with ABModelSelector("A", "B", store=tmp_path / "ab.db", primary_metric="accuracy") as selector:
        accuracy = selector.get_report()
    theirs = stats.ttest_ind(values["B"], values["A"], equal_var=False)
    assert latency.comparisons[0].fixed_p_value == pytest.approx(theirs.pvalue, abs=1e-9)
    assert latency.comparisons[0].fixed_interval == pytest.approx(
        tuple(theirs.confidence_interval()), rel=1e-7
    )
    a, b = accuracy.variants
    table = [[round(arm.accuracy * arm.users), arm.users] for arm in (a, b)]
    exact = stats.fisher_exact([[x, n - x] for x, n in table]).pvalue
    assert accuracy.comparisons[0].fixed_p_value == pytest.approx(exact, abs=1e-9)
    assert a.p95_interval is not None
    assert a.p95_interval[0] < a.p95_latency < a.p95_interval[1]


def test_no_difference_is_collecting_and_says_so(selector: ABModelSelector) -> None:
    feed(selector, 400, {"A": 0.9, "B": 0.9})
    report = selector.get_report()
    assert (report.winner, report.status) == (None, "collecting")
    assert "No winner yet: B-A accuracy" in report.sentence
    assert "95 % anytime interval" in report.sentence


def test_a_faster_but_equal_model_is_a_finding(tmp_path: Path) -> None:
    with ABModelSelector("A", "B", store=tmp_path / "ab.db", rope=0.15) as selector:
        feed(selector, 900, {"A": 0.98, "B": 0.98}, latency={"A": 20.0, "B": 10.0})
        report = selector.get_report()
        assert report.status == "equivalent"
        assert "B" in report.sentence


def test_a_better_but_slower_model_is_a_tradeoff(tmp_path: Path) -> None:
    with ABModelSelector("A", "B", store=tmp_path / "ab.db", auto_rollback=False) as selector:
        feed(selector, 3_000, {"A": 0.80, "B": 0.95}, latency={"A": 10.0, "B": 20.0})
        report = selector.get_report()
        assert (report.status, report.winner) == ("tradeoff", None)
        assert "p95 latency" in report.sentence


def test_a_broken_guardrail_rolls_back(tmp_path: Path) -> None:
    with ABModelSelector("A", "B", store=tmp_path / "ab.db") as selector:
        feed(selector, 2_500, {"A": 0.9, "B": 0.9}, latency={"A": 10.0, "B": 30.0})
        end = time.monotonic() + 60
        while selector.state == "running" and time.monotonic() < end:
            feed(selector, 50, {"A": 0.9, "B": 0.9}, latency={"A": 10.0, "B": 30.0}, first=9_000)
            selector.flush()
            time.sleep(0.2)
        assert selector.state == "rolled_back"
        assert {selector.select(f"user{n}") for n in range(100)} == {"A"}


def test_unequal_arms_void_the_experiment(selector: ABModelSelector) -> None:
    for number in range(1_500):
        selector.track_result(f"a{number}", "A", accuracy=1.0)
    for number in range(1_000):
        selector.track_result(f"b{number}", "B", accuracy=0.0)
    report = selector.get_report()
    assert (report.status, report.winner) == ("invalid_srm", None)
    assert "1,500 / 1,000" in report.sentence


def test_labels_that_favour_an_arm_void_it(tmp_path: Path) -> None:
    store = tmp_path / "ab.db"
    with ABModelSelector("A", "B", store=store, label_delay_hours=0) as selector:
        for number in range(1_500):
            user, request = f"u{number}", f"r{number}"
            model_id = selector.select(user)
            selector.track_result(user, model_id, request_id=request, is_threat=True)
            if model_id == "A" or number % 2:
                selector.track_label(request, is_threat=True)
        selector.flush()
        time.sleep(0.1)
        for number in range(1_500, 1_502):
            selector.select(f"u{number}")
            selector.flush()
        report = selector.get_report()
        assert report.status == "invalid_label_missingness"


def test_shadow_mode_needs_few_prompts(tmp_path: Path) -> None:
    rng = random.Random(1)
    with ABModelSelector("A", "B", 0.0, store=tmp_path / "ab.db", shadow=True) as selector:
        for number in range(1_200):
            user, request = f"u{number}", f"r{number}"
            model_id = selector.select(user)
            assert model_id == "A"
            draw = rng.random()
            a, b = draw > 0.08, draw > 0.08 or draw < 0.065
            selector.track_result(user, "A", 10.0, request_id=request, is_threat=a)
            selector.track_shadow(user, "B", a, b, request_id=request)
            selector.track_label(request, is_threat=True)
        report = selector.get_report()
        assert report.comparisons[0].method == "paired, exact"
        assert report.winner == "B"


def test_models_that_always_agree_are_equivalent(tmp_path: Path) -> None:
    with ABModelSelector("A", "B", 0.0, store=tmp_path / "ab.db", shadow=True) as selector:
        for number in range(800):
            request, truth = f"r{number}", number % 10 > 0
            selector.track_shadow(f"u{number}", "B", True, True, request_id=request)
            selector.track_label(request, is_threat=truth)
            if number == 99:
                assert selector.get_report().status == "collecting"
        report = selector.get_report()
        assert (report.status, report.comparisons[0].effect) == ("equivalent", 0.0)


def test_ids_and_outsiders(tmp_path: Path) -> None:
    with ABModelSelector("A", "B", store=tmp_path / "ab.db", coverage=0.5) as selector:
        assert selector.select(7) == selector.select("7")
        assert {selector.select(nobody) for nobody in (None, "", float("nan"), True)} == {"A"}
        for number in range(200):
            selector.track_result(f"u{number}", selector.select(f"u{number}"), 1.0)
        selector.track_result(None, "A", 1.0)
        report = selector.get_report()
        assert report.facts["no_user"] == 5
        assert 60 < report.users < 140
        assert report.facts["outside"] == 200 - (report.users - 1) or report.facts["outside"] > 60


def test_nonsense_is_counted_and_typos_are_errors(selector: ABModelSelector) -> None:
    selector.track_result("u1", "A", latency_ms=float("nan"), accuracy=1.5)
    selector.track_result("u1", "A", latency_ms=-1.0)
    with pytest.raises(ExperimentError, match="no variant"):
        selector.track_result("u1", "C", 1.0)
    with pytest.raises(SettingsError, match="user_hash_key"):
        selector.select(tenant="x")
    with pytest.raises(SettingsError):
        selector.track_label("r", is_threat=True, accuracy=1.0)
    report = selector.get_report()
    assert report.facts["invalid"] == 3
    assert any("left out" in note for note in report.notes)


@pytest.mark.parametrize(
    ("values", "facts"),
    [
        ({"error": ValueError("x")}, {}),
        ({"error": None}, {}),
        ({"is_threat": "true"}, {"invalid": 1}),
        ({"latency_ms": 1e200}, {"invalid": 1}),
        ({"latency_ms": 10**400}, {"invalid": 1}),
    ],
)
def test_a_bad_value_costs_nobody_else(
    selector: ABModelSelector, values: dict[str, object], facts: dict[str, int]
) -> None:
    for number in range(100):
        user = f"u{number}"
        given = values if number == 50 else {}
        selector.track_result(user, selector.select(user), **given)  # type: ignore[arg-type]
    found = selector.get_report().facts
    assert found == {"results": 100, **facts}
    assert selector.lost_events == 0


def test_a_bad_shadow_is_left_out(selector: ABModelSelector) -> None:
    for answer, slower in ((True, 1.0), ("yes", 1.0), (True, 1e200), (True, "1")):
        selector.track_shadow(
            "u", "B", answer, True, latency_difference_ms=slower, request_id=f"{answer} {slower}"
        )  # type: ignore[arg-type]
    report = selector.get_report()
    assert report.facts["invalid"] == 3
    snapshot = open_store(selector.where).snapshot("A~B")
    assert snapshot.sums[0, "pair:1", 1, "latency"].s == 2.0


def test_a_shadow_that_fails_breaks_its_guardrail(tmp_path: Path) -> None:
    with ABModelSelector("A", "B", 0.0, store=tmp_path / "ab.db", shadow=True) as selector:
        for number in range(1_200):
            user, request = f"u{number}", f"r{number}"
            selector.track_result(user, selector.select(user), 1.0, request_id=request)
            seen = None if number % 10 == 0 else True
            selector.track_shadow(user, "B", True, seen, request_id=request)
        (rail,) = (r for r in selector.get_report().guardrails if r.metric == "error_rate")
        assert (rail.status, rail.harm) == ("violated", 0.1)


@pytest.mark.parametrize("by", ["A", "B"])
def test_failures_of_either_model_count_in_pairs(selector: ABModelSelector, by: str) -> None:
    shadow = "B" if by == "A" else "A"
    for answered, seen in ((True, None), (True, None), (None, None), (True, False)):
        selector.track_shadow("u", shadow, answered, seen, answered_by=by)
    assert selector.flush(60)
    sums = open_store(selector.where).snapshot("A~B").sums[0, "pair:1", 1, "error_rate"]
    assert (sums.s, sums.m) == (1.0 if by == "A" else -1.0, 4.0)


@pytest.mark.parametrize(
    ("request_id", "values"),
    [
        ("r", {"is_threat": "true"}),
        ("r", {"is_threat": 2}),
        ("r", {"accuracy": ""}),
        ("", {"is_threat": True}),
        (None, {"is_threat": True}),
    ],
)
def test_a_bad_label_is_an_error(
    selector: ABModelSelector, request_id: str, values: dict[str, object]
) -> None:
    with pytest.raises(SettingsError):
        selector.track_label(request_id, **values)  # type: ignore[arg-type]
    selector.track_label(0, is_threat=1)  # type: ignore[arg-type]
    assert selector.get_report().facts == {"labels": 1}


def test_only_the_event_that_cannot_be_folded_is_lost(
    selector: ABModelSelector, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold = Fold._exposure

    def fails(self: Fold, unit: bytes, event: Event, epoch: int) -> None:
        if event.unit in ("u7", "u91"):
            raise ValueError("a mistake in this program")
        fold(self, unit, event, epoch)

    monkeypatch.setattr(Fold, "_exposure", fails)
    for number in range(100):
        selector.select(f"u{number}")
    report = selector.get_report()
    assert (report.users, selector.lost_events) == (98, 2)


@pytest.mark.parametrize(
    "bad",
    [
        Event("exposure", math.nan, "bad", 0),  # SQLite has no NaN, and needs a value here
        Event("result", time.time(), "bad", 0, "no \0 in a text of PostgreSQL"),
    ],
)
def test_a_value_that_the_database_refuses_blocks_nothing(where: str, bad: Event) -> None:
    with ABModelSelector("A", "B", store=where) as selector:
        for number in range(100):
            selector.select(f"u{number}")
            if number == 50:
                selector._recorder.put(bad)
        assert selector.flush(60)
        assert selector.flush(60)  # what was left out is counted after its batch
        report = selector.get_report()
        assert selector.store_problem is None
        refused = report.facts.get("invalid", 0)
        assert (report.users, selector.lost_events) == (101 - refused, 0)


def test_the_empty_request_id_is_none(selector: ABModelSelector) -> None:
    for request_id in ("", "", 0, "0"):
        selector.track_result("u", "A", 1.0, request_id=request_id)  # type: ignore[arg-type]
    facts = selector.get_report().facts
    assert (facts["results"], facts["duplicates"]) == (3, 1)


def test_what_comes_after_the_end_is_lost_at_once(tmp_path: Path) -> None:
    for durability in ("batch", "per_event"):
        selector = ABModelSelector("A", "B", store=tmp_path / "ab.db", durability=durability)
        selector.track_result("u", "A", 1.0)
        selector.close()
        began = time.monotonic()
        assert selector.flush()
        assert selector.get_report().facts["results"] > 0
        if durability == "batch":
            selector.track_result("u", "A", 1.0)
        else:
            with pytest.raises(StoreError):
                selector.track_result("u", "A", 1.0)
        assert not selector.flush()
        selector.close()
        assert selector.lost_events == 1
        assert time.monotonic() - began < 10  # as long as it would wait for an answer


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"split": 1.5}, "traffic_split"),
        ({"variant_b": "A"}, "same model"),
        ({"primary_metric": "f1"}, "primary_metric"),
        ({"split": 0.5, "traffic_split": 0.1}, "Keep one"),
        ({"store": 5}, "store"),
        ({"secret": 12345}, "secret"),
        ({"coverge": 0.5}, "Did you mean 'coverage'"),
        ({"trafic_split": 0.5}, "Did you mean 'traffic_split'"),
        ({"durability": "none"}, "durability"),
        ({"alpha": 0.0}, "alpha"),
        ({"guardrails": {"speed": 1}}, "guardrails"),
        ({"burn_in": True}, "burn_in"),
        ({"namespace": {"name": "n", "range": [0.5, 0.1]}}, "namespace"),
    ],
)
def test_wrong_settings(tmp_path: Path, settings: dict[str, object], said: str) -> None:
    given = {"variant_a": "A", "variant_b": "B", "store": tmp_path / "ab.db", **settings}
    with pytest.raises(SettingsError, match=said):
        ABModelSelector(**given)  # type: ignore[arg-type]


def test_traffic_split_is_split(tmp_path: Path) -> None:
    with ABModelSelector("A", "B", store=tmp_path / "ab.db", traffic_split=0.01) as selector:
        assert selector.experiment.shares == (0.99, 0.01)
    with pytest.raises(SettingsError, match="not both"):
        ABModelSelector(variants={"A": 1, "B": 1}, traffic_split=0.1, store=tmp_path / "other.db")


def test_a_section_has_no_user_hash_key(tmp_path: Path) -> None:
    section = {"variant_a": "A", "variant_b": "B", "store": str(tmp_path / "ab.db")}
    ABModelSelector.from_settings(section).close()
    with pytest.raises(SettingsError, match="scans go by user_id"):
        ABModelSelector.from_settings({**section, "user_hash_key": "tenant"})


def test_more_than_two_variants(tmp_path: Path) -> None:
    variants = {"A": 2.0, "B": 1.0, "C": 1.0}
    with ABModelSelector(variants=variants, store=tmp_path / "ab.db", user_hash_key="tenant") as s:
        assert {s.select(tenant=f"t{n}") for n in range(100)} == {"A", "B", "C"}
        rng = random.Random(1)
        for number in range(3_000):
            model_id = s.select(tenant=f"t{number}")
            rate = {"A": 0.8, "B": 0.8, "C": 0.97}[model_id]
            s.track_result(f"t{number}", model_id, accuracy=float(rng.random() < rate))
        report = s.get_report()
        assert len(report.variants) == 3
        assert report.winner == "C"


def test_a_rollback_that_comes_late_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raxe_abtest.looks.rollback_reason", lambda *_: "guardrail")
    store, done = open_store(str(tmp_path / "ab.db")), []
    experiment = experiment_from({"variant_a": "A", "variant_b": "B"})
    standing = Standing(experiment, store, None, lambda: None, lambda *said: done.append(said))
    seen = standing.registration
    assert seen is not None
    store.set_state(seen.number, "promoted", "B", "by hand")
    standing.watch(store, seen)  # what was read before the promotion
    assert (standing.state, standing.model_id, done) == ("promoted", "B", [])
    store.close()


def test_a_broken_guardrail_of_one_arm_hides_no_other_winner() -> None:
    experiment = experiment_from({"variants": [{"model_id": model} for model in "ABC"]})
    draft = evaluate(experiment, Snapshot.empty(experiment), None)
    comparisons = tuple(
        attrs.evolve(item, method="t", effect=effect, interval=(0.01, 0.3), p_value=0.001)
        for item, effect in zip(draft.comparisons, (0.2, 0.1), strict=True)
    )
    rail = Guardrail("error_rate", "B", 0.01, False, 0.1, 0.05, 0.2, "violated")
    draft = attrs.evolve(draft, comparisons=comparisons, guardrails=(rail,))
    report = decide(experiment, draft, void_srm=False, void_labels=False)
    assert (report.status, report.winner) == ("winner", "C")


def test_everybody_agrees(tmp_path: Path) -> None:
    store = tmp_path / "ab.db"
    with (
        ABModelSelector("A", "B", store=store) as one,
        ABModelSelector("A", "B", store=store) as two,
    ):
        users = [f"u{number}" for number in range(300)]
        assert [one.select(user) for user in users] == [two.select(user) for user in users]
        program = (
            "import sys; from raxe_abtest import ABModelSelector\n"
            "s = ABModelSelector('A', 'B', store=sys.argv[1])\n"
            "print(*(s.select(f'u{n}') for n in range(300)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(store)], capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == [one.select(user) for user in users]


def test_a_restart_of_an_odd_split_opens_no_epoch(tmp_path: Path) -> None:
    weights = {"A": 1, "B": 1, "C": 4}
    section = {
        "variants": [{"model_id": model, "weight": weight} for model, weight in weights.items()],
        "store": str(tmp_path / "ab.db"),
        "key": "exp",
    }
    store = open_store(section["store"])
    store.register(experiment_from(section))  # as raxe abtest start does
    ABModelSelector.from_settings(section).close()
    ABModelSelector(variants=weights, store=tmp_path / "ab.db", key="exp").close()
    registration = store.register(experiment_from(section))
    assert len(registration.epochs) == 1
    store.close()


def test_a_process_with_the_former_split_stays_in_its_epoch(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "ab.db"))
    with ABModelSelector("A", "B", 0.5, store=store.where) as former:
        registration = former._standing.registration
        assert registration is not None
        with ABModelSelector("A", "B", 0.05, store=store.where) as latter:
            assert len(latter._standing.registration.epochs) == 2  # type: ignore[union-attr]
        seen = former._recorder._look(store, registration)
        assert seen is not None
        store.write(seen, [Event("exposure", time.time(), "u", 1)], 0)
        assert store.snapshot("A~B").sums[0, ARMS, 1, "users"].k == 1
    store.close()


def test_nothing_that_is_tracked_after_the_end_voids_the_experiment(tmp_path: Path) -> None:
    with ABModelSelector("A", "B", store=tmp_path / "ab.db") as selector:
        feed(selector, 400, {"A": 0.9, "B": 0.9})
        before = selector.get_report()
        open_store(selector.where).set_state(1, "stopped", "A", "by hand")
        wait_until(lambda: selector.state == "stopped")
        feed(selector, 1_000, {"A": 0.5}, first=400)
        after = selector.get_report()
        assert (after.users, after.comparisons) == (before.users, before.comparisons)
        assert after.status != "invalid_srm"


def test_sticky_users_stay_when_the_split_changes(tmp_path: Path) -> None:
    store, users = tmp_path / "ab.db", [f"u{number}" for number in range(200)]
    with ABModelSelector("A", "B", 0.5, store=store) as selector:
        before = [selector.select(user) for user in users]
    with ABModelSelector("A", "B", 0.05, store=store, sticky=True) as selector:
        assert [selector.select(user) for user in users] == before
    with ABModelSelector("A", "B", 0.05, store=store) as selector:
        assert [selector.select(user) for user in users] != before


def wait_until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.05)


def give_back(away: Path, folder: Path) -> None:
    """Have the store there again, in one step: between two, the writer would make a new one."""
    link = folder.with_name("link")
    link.symlink_to(away)
    link.replace(folder)


def test_a_store_that_breaks_later_stops_nobody(tmp_path: Path) -> None:
    store = tmp_path / "ab.db"
    with ABModelSelector("A", "B", store=store) as selector:
        expected = [selector.select(f"u{number}") for number in range(200)]
    selector = ABModelSelector("A", "B", store=store)
    selector._store.close()
    for name in (store, *tmp_path.glob("ab.db-*")):
        Path(name).write_bytes(b"broken" * 1000)
    assert [selector.select(f"u{number}") for number in range(200)] == expected
    selector.track_result("u1", expected[1], 1.0)
    report = selector.get_report()
    assert report.status == "store_unavailable"
    assert "scans go on" in report.sentence
    assert selector.store_problem
    assert selector.state == "running"
    selector.close()
    assert selector.lost_events > 0


@pytest.mark.parametrize("ended", [False, True])
def test_until_the_store_has_answered_everybody_gets_the_control(
    tmp_path: Path, ended: bool, caplog: pytest.LogCaptureFixture
) -> None:
    folder, away = tmp_path / "store", tmp_path / "away"
    where, users = folder / "ab.db", [f"u{number}" for number in range(200)]
    with ABModelSelector("A", "B", store=where) as selector:
        assigned = [selector.model_of(user) for user in users]
    if ended:
        open_store(str(where)).set_state(1, "promoted", "B", "by hand")
    folder.rename(away)
    folder.write_text("a file where a folder should be")
    with ABModelSelector("A", "B", store=where) as selector:
        assert (selector.state, selector.model_of("u1")) == ("unknown", "A")
        assert "everybody gets A" in str(selector.store_problem)
        assert {selector.select(user) for user in users} == {"A"}
        selector.track_result("u1", "A", 1.0)
        assert caplog.text.count("everybody gets A") == 1
        assert selector.get_report().status == "store_unavailable"
        give_back(away, folder)
        wait_until(lambda: selector.state != "unknown")
        assert selector.get_report().users == 0
        if ended:
            assert selector.state == "promoted"
            assert {selector.select(user) for user in users} == {"B"}
        else:
            assert [selector.select(user) for user in users] == assigned
            report = selector.get_report()
            assert (report.users, report.facts) == (200, {"outside": 1})


def test_a_process_that_joins_late_says_why_it_cannot(tmp_path: Path) -> None:
    folder, away = tmp_path / "store", tmp_path / "away"
    ABModelSelector("A", "C", store=away / "ab.db", key="exp").close()
    folder.write_text("a file where a folder should be")
    with ABModelSelector("A", "B", store=folder / "ab.db", key="exp") as selector:
        assert selector.select("u") == "A"
        give_back(away, folder)
        wait_until(lambda: "another key" in str(selector.store_problem))
        assert {selector.select(f"u{number}") for number in range(20)} == {"A"}


def test_a_store_that_fails_is_tried_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, tries = tmp_path / "store", []
    folder.write_text("a file where a folder should be")
    register = Standing.register

    def counted(standing: Standing, store: Store) -> Registration:
        tries.append(store)
        return register(standing, store)

    monkeypatch.setattr(Standing, "register", counted)
    with ABModelSelector("A", "B", store=folder / "ab.db") as selector:
        selector.track_result("u", "A", 1.0)
        assert not selector.flush(0.5)
        assert 2 <= len(tries) < 20


def test_what_did_not_fit_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raxe_abtest.recorder.QUEUE_LIMIT", 50)
    folder, away = tmp_path / "store", tmp_path / "away"
    selector = ABModelSelector("A", "B", store=folder / "ab.db")
    selector._store.close()
    folder.rename(away)
    folder.write_text("a file where a folder should be")
    for number in range(300):
        selector.track_result(f"u{number}", "A", 1.0)
    assert 0 < selector.lost_events <= 300
    give_back(away, folder)
    assert selector.flush(60)
    assert not selector.store_problem
    report = selector.get_report()
    assert report.lost_events == selector.lost_events
    assert any("lost" in note for note in report.notes)
    assert report.users + report.lost_events == 300
    selector.close()


def test_a_hostile_request_is_logged_safely(
    selector: ABModelSelector, caplog: pytest.LogCaptureFixture
) -> None:
    class Request:
        def __str__(self) -> str:
            raise ValueError("\x1b[31mred\u202e\nCRITICAL all is well")

    selector.track_result("user1", selector.select("user1"), 1.0, request_id=Request())  # type: ignore[arg-type]
    assert selector.flush(60)
    assert selector.lost_events == 1
    assert r"ValueError: \x1b[31mred\u202e" in caplog.text
    assert "\x1b" not in caplog.text
    assert not any(line.startswith("CRITICAL") for line in caplog.text.split("\n"))


def test_per_event_durability(tmp_path: Path) -> None:
    store = tmp_path / "ab.db"
    with ABModelSelector("A", "B", store=store, durability="per_event") as selector:
        threads = [
            threading.Thread(target=selector.track_result, args=(f"u{n}", "A", 1.0))
            for n in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        snapshot = open_store(str(store)).snapshot("A~B")
        assert snapshot.sums[0, ARMS, 0, "latency"].m == 20


def test_per_event_durability_says_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "away"
    folder.write_text("a file where a folder should be")
    selector = ABModelSelector("A", "B", store=folder / "ab.db", durability="per_event")
    monkeypatch.setattr(selector._recorder, "flush", lambda timeout=0.1: False)
    with pytest.raises(StoreError, match="not on the disk"):
        selector.track_result("u", "A", 1.0)
    selector.close()


WRITER = """
import sys
from raxe_abtest import ABModelSelector
selector = ABModelSelector("A", "B", store=sys.argv[1])
for number in range(100_000):
    for part in range(10):
        user = f"u{number}-{part}"
        selector.track_result(user, selector.select(user), 1.0, 1.0, request_id=user)
    assert selector.flush(60)
    print(10 * (number + 1), flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_kill_9_loses_no_acknowledged_event(tmp_path: Path) -> None:
    store = tmp_path / "ab.db"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(store)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        acknowledged = 0
        for line in process.stdout:
            acknowledged = int(line)
            if acknowledged >= 50:
                os.kill(process.pid, signal.SIGKILL)
                break
        acknowledged = max([acknowledged, *map(int, process.stdout.read().split())])
    snapshot = open_store(str(store)).snapshot("A~B")
    kept = sum(snapshot.sums[0, ARMS, variant, "accuracy"].m for variant in (0, 1))
    assert kept >= acknowledged
    users = sum(snapshot.sums[0, ARMS, variant, "users"].k for variant in (0, 1))
    logged = [event["kind"] for event in open_store(str(store)).export(1)]
    assert logged.count("result") == kept == snapshot.facts["results"]
    assert users >= kept


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_forked_child_writes_its_own_events(tmp_path: Path) -> None:
    program = (
        "import os, sys; from raxe_abtest import ABModelSelector\n"
        "s = ABModelSelector('A', 'B', store=sys.argv[1])\n"
        "s.track_result('parent', s.select('parent'), 1.0)\n"
        "assert s.flush(60)\n"
        "child = os.fork()\n"
        "name = 'child' if not child else 'parent2'\n"
        "s.track_result(name, s.select(name), 1.0)\n"
        "ok = s.flush(60)\n"
        "if not child: os._exit(0 if ok else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0 and ok\n"
    )
    store = str(tmp_path / "ab.db")
    subprocess.run([sys.executable, "-W", "ignore", "-c", program, store], check=True, timeout=300)
    snapshot = open_store(store).snapshot("A~B")
    assert snapshot.facts["results"] == 3


def _track_some(where: str) -> None:
    selector = ABModelSelector("A", "B", store=where)
    for number in range(100):
        selector.track_result(f"u{number}", "A", 1.0)


@pytest.mark.parametrize(
    "method", sorted({"fork", "forkserver"} & set(multiprocessing.get_all_start_methods()))
)
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_worker_that_ends_writes_what_is_left(tmp_path: Path, method: str) -> None:
    where = str(tmp_path / "ab.db")
    context = multiprocessing.get_context(method)
    process = context.Process(target=_track_some, args=(where,))
    process.start()
    process.join(120)
    assert process.exitcode == 0
    assert open_store(where).snapshot("A~B").facts["results"] == 100


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_worker_that_ends_writes_with_its_parents_selector(selector: ABModelSelector) -> None:
    selector.track_result("parent", "A", 1.0)
    assert selector.flush(60)
    process = multiprocessing.get_context("fork").Process(
        target=selector.track_result, args=("child", "A", 1.0)
    )
    process.start()
    process.join(120)
    assert process.exitcode == 0
    assert selector.get_report().facts["results"] == 2
