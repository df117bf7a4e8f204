"""The store, on SQLite and on PostgreSQL: the sums are those of the log, whoever writes."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import signal
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from raxe_abtest.config import Experiment, experiment_from
from raxe_abtest.errors import ExperimentError, SettingsError, StoreError
from raxe_abtest.statistics.sums import Sums
from raxe_abtest.store import open_store
from raxe_abtest.store.base import Store
from raxe_abtest.store.records import ARMS, Event, Look

NewStore = Callable[[], Store]
DAY = 86_400.0


def experiment(**settings: object) -> Experiment:
    return experiment_from({"variant_a": "A", "variant_b": "B", "key": "exp", **settings})


def results(seed: int, count: int, users: int = 50) -> list[Event]:
    """Return random results; a user's variant is fixed by the number."""
    rng, events = random.Random(seed), []
    for n in range(count):
        user = rng.randrange(users)
        events.append(
            Event(
                "result", time.time(), f"u{user}", user % 2, f"{seed}-{n}",
                rng.lognormvariate(3, 0.5), float(rng.random() < 0.9),
            )
        )  # fmt: skip
    return events


def sums_of(events: list[Event], variant: int, field: str) -> Sums:
    per_user: dict[str | None, list[float]] = defaultdict(list)
    for event in events:
        if event.variant == variant:
            per_user[event.unit].append(getattr(event, field))
    total = Sums()
    for values in per_user.values():
        s, m = sum(values), float(len(values))
        total = total.plus(Sums(1, s, m, s * s, s * m, m * m))
    return total


def check_sums(store_where: str, events: list[Event]) -> None:
    store = open_store(store_where)
    snapshot = store.snapshot("exp")
    for variant in (0, 1):
        for metric, field in (("accuracy", "accuracy"), ("latency", "latency_ms")):
            found = snapshot.sums[0, ARMS, variant, metric]
            assert tuple(found) == pytest.approx(tuple(sums_of(events, variant, field)))
    assert sum(n for pairs in snapshot.histograms.values() for _, n in pairs) == len(events)
    assert snapshot.facts["results"] == len(events)
    store.close()


def test_running_sums_are_those_of_the_log(new_store: NewStore) -> None:
    store = new_store()
    registration = store.register(experiment())
    events = results(1, 600)
    for start in range(0, 600, 70):
        store.write(registration, events[start : start + 70], DAY)
    check_sums(store_address(store), events)
    logged = list(store.export(registration.number))
    assert len(logged) == 600
    assert json.dumps(logged)
    assert not any(event["unit"] in ("u1", "u2") for event in logged)


def test_a_request_counts_once(new_store: NewStore) -> None:
    store = new_store()
    registration = store.register(experiment())
    events = results(1, 20)
    store.write(registration, events, DAY)
    store.write(registration, events, DAY)
    snapshot = store.snapshot("exp")
    assert snapshot.facts["results"] == 20
    assert snapshot.facts["duplicates"] == 20


def test_the_first_variant_of_a_user_wins(new_store: NewStore) -> None:
    store = new_store()
    registration = store.register(experiment())
    first = Event("exposure", 1.0, "u", 0)
    store.write(registration, [first, first, first._replace(variant=1)], DAY)
    store.write(registration, [Event("result", 2.0, "u", 1, accuracy=1.0)], DAY)
    snapshot = store.snapshot("exp")
    assert snapshot.sums[0, ARMS, 0, "users"].k == 1
    assert (0, ARMS, 1, "users") not in snapshot.sums
    assert snapshot.facts["crossovers"] == 2


@pytest.mark.parametrize("label_first", [False, True])
def test_late_labels(new_store: NewStore, label_first: bool) -> None:
    store = new_store()
    registration = store.register(experiment())
    scan = Event("result", time.time(), "u", 1, "r1", 5.0, verdict=True)
    label = Event("label", time.time(), None, -1, "r1", label=True)
    for event in (label, scan) if label_first else (scan, label):
        store.write(registration, [event], DAY)
    store.write(registration, [label], DAY)
    snapshot = store.snapshot("exp")
    assert snapshot.sums[0, ARMS, 1, "accuracy"] == Sums(1, 1, 1, 1, 1, 1)
    assert snapshot.sums[0, ARMS, 1, "recall"].mean == 1
    assert (0, ARMS, 1, "false_positive_rate") not in snapshot.sums
    assert snapshot.sums[0, ARMS, 1, "labelled"].mean == 1
    assert snapshot.facts["duplicate_labels"] == 1


def test_a_label_that_does_not_come_counts_as_missing(new_store: NewStore) -> None:
    store = new_store()
    registration = store.register(experiment())
    old = Event("result", time.time() - 2 * DAY, "u", 0, "r1", verdict=True)
    store.write(registration, [old], DAY)
    store.write(registration, [Event("count", 1.0, None, -1, "invalid")], DAY)
    store.write(registration, [Event("count", 1.0, None, -1, "invalid")], DAY)
    assert store.snapshot("exp").sums[0, ARMS, 0, "labelled"] == Sums(1, 0, 1, 0, 0, 1)


def test_a_labelled_failure_counts_as_labelled(new_store: NewStore) -> None:
    store = new_store()
    registration = store.register(experiment())
    old = time.time() - 2 * DAY
    failed = Event("result", old, "u", 0, "r1", error=True)
    label = Event("label", old, None, -1, "r1", label=True)
    for event in (failed, label, Event("count", 1.0, None, -1, "invalid")):
        store.write(registration, [event], 3 * DAY if event is failed else DAY)
    snapshot = store.snapshot("exp")
    assert snapshot.sums[0, ARMS, 0, "labelled"] == Sums(1, 1, 1, 1, 1, 1)
    assert (0, ARMS, 0, "accuracy") not in snapshot.sums


@pytest.mark.parametrize("label_first", [False, True])
def test_a_pair_before_its_result(new_store: NewStore, label_first: bool) -> None:
    store = new_store()
    registration = store.register(experiment(shadow=True))
    pair = Event("pair", time.time(), "u", 1, "r1", 2.0, verdict=False, other=True)
    scan = Event("result", time.time(), "u", 0, "r1", 5.0, verdict=False)
    label = Event("label", time.time(), None, -1, "r1", label=True)
    for event in (pair, label, scan) if label_first else (pair, scan, label):
        store.write(registration, [event], DAY)
    store.write(registration, [scan], DAY)
    snapshot = store.snapshot("exp")
    assert snapshot.facts["results"] == snapshot.facts["duplicates"] == 1
    assert snapshot.sums[0, ARMS, 0, "accuracy"] == Sums(1, 0, 1, 0, 0, 1)
    assert snapshot.sums[0, ARMS, 0, "labelled"] == Sums(1, 1, 1, 1, 1, 1)
    assert snapshot.facts["pair:1:only_treatment"] == 1


@pytest.mark.parametrize("label_first", [False, True])
def test_pairs(new_store: NewStore, label_first: bool) -> None:
    store = new_store()
    registration = store.register(experiment(shadow=True))
    scan = Event("result", time.time(), "u", 0, "r1", 5.0, verdict=False)
    pair = Event("pair", time.time(), "u", 1, "r1", 2.0, verdict=False, other=True)
    label = Event("label", time.time(), None, -1, "r1", label=True)
    events = [label, scan, pair] if label_first else [scan, pair, label]
    for event in [*events, pair, label]:
        store.write(registration, [event], DAY)
    snapshot = store.snapshot("exp")
    assert snapshot.sums[0, "pair:1", 1, "accuracy"] == Sums(1, 1, 1, 1, 1, 1)
    assert snapshot.sums[0, "pair:1", 1, "latency"].s == 2.0
    assert snapshot.facts["pair:1:only_treatment"] == 1


def test_a_new_split_is_a_new_epoch(new_store: NewStore) -> None:
    store = new_store()
    assert len(store.register(experiment()).epochs) == 1
    assert len(store.register(experiment(coverage=0.5)).epochs) == 1
    registration = store.register(experiment(traffic_split=0.1))
    assert len(registration.epochs) == 2
    store.write(registration, [Event("exposure", 1.0, "u", 1)], DAY)
    assert store.snapshot("exp").sums[1, ARMS, 1, "users"].k == 1
    assert store.first_assignment(registration, "u") == (1, 1)
    assert store.first_assignment(registration, "v") is None


@pytest.mark.parametrize(
    "change",
    [
        {"variant_b": "C"},
        {"hash": "unleash"},
        {"hash": "eppo", "salt": "x"},
        {"namespace": {"name": "n", "range": [0.5, 1]}},
    ],
)
def test_what_would_move_users_is_refused(new_store: NewStore, change: dict[str, object]) -> None:
    store = new_store()
    store.register(experiment())
    with pytest.raises(ExperimentError, match="another key"):
        store.register(experiment(**change))


def test_state_and_looks(new_store: NewStore) -> None:
    store = new_store()
    number = store.register(experiment()).number
    store.add_looks(number, [Look(1.0, "B", "accuracy", 10, 0.1, None, None, 2.0)])
    store.add_looks(number, [Look(2.0, "B", "accuracy", 20, 0.1, -0.1, 0.3, 1.0)])
    assert [look.users for look in store.looks(number)] == [10, 20]
    assert store.snapshot("exp").peaks["B", "accuracy"] == (2.0, 20.0)
    store.set_state(number, "stopped", "A", "enough")
    other = new_store().registration("exp")
    assert other is not None
    assert (other.state, other.model_id, other.reason) == ("stopped", "A", "enough")
    with pytest.raises(ExperimentError, match="No experiment"):
        store.snapshot("unknown")


def test_a_rollback_does_not_undo_a_decision(new_store: NewStore) -> None:
    store = new_store()
    number = store.register(experiment()).number
    assert store.set_state(number, "promoted", "B", "by hand")
    assert not store.set_state(number, "rolled_back", "A", "guardrail")
    found = store.registration("exp")
    assert found is not None
    assert (found.state, found.model_id, found.reason) == ("promoted", "B", "by hand")
    assert store.set_state(number, "running", None, "started again")
    assert store.set_state(number, "rolled_back", "A", "guardrail")


def test_only_what_happened_while_it_ran_counts(new_store: NewStore) -> None:
    store = new_store()
    registration = store.register(experiment(shadow=True))

    def happen(name: str) -> None:
        """One user each comes, is answered and has a pair."""
        came = Event("exposure", time.time(), name, 0)
        scan = Event("result", time.time(), name, 0, name, 5.0, verdict=True)
        pair = Event("pair", time.time(), name, 1, name, verdict=True, other=False)
        store.write(registration, [came, scan, pair], DAY)

    happen("before")
    late = Event("result", time.time(), "late", 0, "late", 5.0, verdict=True)
    assert store.set_state(registration.number, "stopped", "A", "enough")
    happen("after")
    assert store.set_state(registration.number, "promoted", "B", "by hand")
    happen("much later")
    store.write(registration, [late], DAY)  # it waited
    labels = [
        Event("label", time.time(), None, -1, name, label=True) for name in ("before", "after")
    ]
    store.write(registration, labels, DAY)
    snapshot = store.snapshot("exp")
    assert snapshot.sums[0, ARMS, 0, "users"].k == snapshot.facts["results"] == 2
    assert snapshot.facts["not_running"] == 6
    assert snapshot.sums[0, ARMS, 0, "accuracy"] == Sums(1, 1, 1, 1, 1, 1)
    assert snapshot.sums[0, "pair:1", 1, "accuracy"] == Sums(1, -1, 1, 1, -1, 1)
    assert store.set_state(registration.number, "running", None, "started again")
    happen("again")
    snapshot = store.snapshot("exp")
    assert snapshot.facts["results"] == 3
    assert snapshot.facts["not_running"] == 6


def test_a_label_still_tells_of_the_pairs_of_a_result_with_its_accuracy(
    new_store: NewStore,
) -> None:
    store = new_store()
    registration = store.register(experiment(shadow=True))
    scan = Event("result", time.time(), "u", 0, "r1", accuracy=0.0, verdict=False)
    pair = Event("pair", time.time(), "u", 1, "r1", verdict=False, other=True)
    label = Event("label", time.time(), None, -1, "r1", label=True)
    judged = Event("label", time.time(), None, -1, "r1", accuracy=1.0)
    for event in (scan, pair, judged, label, label):
        store.write(registration, [event], DAY)
    snapshot = store.snapshot("exp")
    assert snapshot.sums[0, ARMS, 0, "accuracy"] == Sums(1, 0, 1, 0, 0, 1)
    assert snapshot.sums[0, ARMS, 0, "recall"] == Sums(1, 0, 1, 0, 0, 1)
    assert snapshot.sums[0, ARMS, 0, "labelled"] == Sums(1, 1, 1, 1, 1, 1)
    assert snapshot.facts["pair:1:only_treatment"] == 1
    assert snapshot.facts["duplicate_labels"] == 2


@pytest.mark.parametrize("pair_first", [False, True])
def test_a_pair_of_a_sticky_user_counts_after_a_change_of_the_split(
    new_store: NewStore, pair_first: bool
) -> None:
    store = new_store()
    store.register(experiment(shadow=True, sticky=True))
    registration = store.register(experiment(shadow=True, sticky=True, traffic_split=0.1))
    for request in ("r1", "r2"):
        scan = Event("result", time.time(), "u", 0, request, 5.0, verdict=False, epoch=0)
        pair = Event("pair", time.time(), "u", 1, request, 2.0, verdict=False, other=True)
        label = Event("label", time.time(), None, -1, request, label=True)
        events = [pair, scan, label] if pair_first else [scan, pair, label]
        for event in events:
            store.write(registration, [event], DAY)
    snapshot = store.snapshot("exp")
    assert snapshot.facts["pair:1:only_treatment"] == 2
    pairs = {key: sums for key, sums in snapshot.sums.items() if key[1] == "pair:1"}
    assert pairs[0, "pair:1", 1, "accuracy"] == Sums(1, 2, 2, 4, 4, 4)
    assert {key[0] for key in pairs} == {0}  # a user in two epochs would count as two


def test_a_failure_has_nothing_to_label(new_store: NewStore) -> None:
    store = new_store()
    registration = store.register(experiment())
    for error in (True, False):
        store.write(registration, [Event("result", time.time(), "u", 0, error=error)], DAY)
    assert store.snapshot("exp").sums[0, ARMS, 0, "labelled"] == Sums(1, 0, 1, 0, 0, 1)


def _write(where: str, seed: int, count: int) -> None:
    store = open_store(where)
    registration = store.register(experiment())
    events = results(seed, count)
    for start in range(0, count, 50):
        store.write(registration, events[start : start + 50], DAY)
    store.close()


def test_processes_that_write_at_once_lose_nothing(where: str) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write, args=(where, seed, 300)) for seed in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
        assert process.exitcode == 0
    check_sums(where, [event for seed in range(3) for event in results(seed, 300)])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_a_connection_and_a_lock_of_its_own(new_store: NewStore) -> None:
    store = new_store()
    registration = store.register(experiment())
    inherited, held, enough = store._connection, threading.Event(), threading.Event()

    def hold() -> None:
        with store._lock:
            held.set()
            enough.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if not child:
        signal.alarm(120)  # nobody gives the parent's lock back here
        try:
            same = store.registration("exp") == registration
            os._exit(0 if same and store._connection is not inherited else 1)
        finally:
            os._exit(2)
    enough.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    assert store.registration("exp") == registration


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_forked_while_another_thread_writes_can_write(
    new_store: NewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raxe_abtest.store.database.FORK_SECONDS", 60.0)
    store = new_store()
    registration = store.register(experiment())
    begun = threading.Event()

    def write() -> None:
        with store.transaction(registration.number):
            begun.set()
            time.sleep(0.3)

    thread = threading.Thread(target=write)
    thread.start()
    begun.wait()
    child = os.fork()
    if not child:
        signal.alarm(120)
        try:
            store.write(registration, results(1, 20), DAY)
            os._exit(0)
        finally:
            os._exit(2)
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    store.write(registration, results(2, 20), DAY)
    check_sums(store_address(store), [*results(1, 20), *results(2, 20)])


def test_a_new_file_that_another_process_writes_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "ab.db"
    with contextlib.closing(sqlite3.connect(path, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        end = threading.Timer(0.3, other.rollback)
        end.start()
        store = open_store(str(path))
        assert store.register(experiment()).state == "running"
        end.join()
    store.close()


def _write_for_ever(where: str, seed: int) -> None:
    store = open_store(where)
    registration = store.register(experiment())
    for event in results(seed, 20_000):
        store.write(registration, [event], DAY)


def test_a_killed_process_leaves_whole_transactions(tmp_path: Path) -> None:
    path = tmp_path / "ab.db"
    context, moments = multiprocessing.get_context("spawn"), random.Random(1)
    for seed in range(3):
        process = context.Process(target=_write_for_ever, args=(str(path), seed))
        process.start()
        while len(known_results(path, seed)) < 20:
            process.join(0.05)
            assert process.exitcode is None
        process.join(moments.uniform(0, 0.3))
        process.kill()
        process.join()
        assert process.exitcode == -9
        written = [event for other in range(seed + 1) for event in known_results(path, other)]
        check_sums(str(path), written)
    assert {item.name for item in tmp_path.iterdir()} <= {
        "ab.db", "ab.db-wal", "ab.db-shm", "ab.db.secret", ".ab.db.secret.lock"
    }  # fmt: skip
    assert {item.stat().st_mode & 0o077 for item in tmp_path.glob("ab.db*")} == {0}


def known_results(path: Path, seed: int) -> list[Event]:
    """Return the results of a writer that reached the store: its first ones."""
    if not path.exists() or path.stat().st_size == 0:
        return []
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as connection:
        try:
            query = "SELECT COUNT(*) FROM requests WHERE request LIKE ?"
            (count,) = connection.execute(query, (f"{seed}-%",)).fetchone()
        except sqlite3.OperationalError:  # the tables are not made yet
            return []
    return results(seed, count)


def test_a_broken_file_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "ab.db"
    path.write_bytes(b"this is no database, and long enough to be looked at" * 100)
    store = open_store(str(path))
    with pytest.raises(StoreError, match=r"ab\.db"):
        store.register(experiment())
    newer = tmp_path / "newer.db"
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="newer"):
        open_store(str(newer)).register(experiment())
    with pytest.raises(StoreError, match="not known"):
        open_store("mysql://somewhere")


def test_a_server_that_is_away_is_an_error_of_ours_without_the_password() -> None:
    pytest.importorskip("psycopg")
    store = open_store("postgresql://raxe:geheim@127.0.0.1:1/x")
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1") as caught:
        store.register(experiment())
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://127.0.0.1:1/x?user=u&password=geheim",
        "postgresql://127.0.0.1:1/x?user=u&password=a&geheim",
        "postgresql://u:p@geheim@127.0.0.1:1/x",
        "postgresql://u:p/geheim@127.0.0.1:1/x",
        "postgresql://u:p?geheim@127.0.0.1:1/x",
        "postgresql://u:geheim%zz@127.0.0.1:1/x",
    ],
)
def test_no_address_shows_its_password(address: str) -> None:
    pytest.importorskip("psycopg")
    store = open_store(address)
    assert store.where == "postgresql://127.0.0.1:1/x"
    with pytest.raises(StoreError) as caught:
        store.register(experiment())
    assert "geheim" not in str(caught.value)


def test_a_store_must_be_a_text_or_a_path() -> None:
    with pytest.raises(SettingsError, match=r"ab_test\.store"):
        open_store(5)


def store_address(store: object) -> str:
    return str(getattr(store, "_address", None) or getattr(store, "_path", ""))
