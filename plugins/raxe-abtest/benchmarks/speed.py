"""Speed: assignment beside GrowthBook's SDK, enqueueing, durable events, and the report."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from raxe_abtest import ABModelSelector
from raxe_abtest.recorder import MAX_BATCH as BATCH
from raxe_abtest.store import open_store
from raxe_abtest.store.records import Event


def per_call(call: Callable[[str], object], users: list[str]) -> float:
    """Return the CPU microseconds of one call, best of 5 runs."""
    best = float("inf")
    for _ in range(5):
        started = time.process_time()
        for user in users:
            call(user)
        best = min(best, (time.process_time() - started) / len(users))
    return 1e6 * best


def select_speed(folder: Path) -> None:
    """Print select() for new and for known users, and GrowthBook's run()."""
    users = [f"user{number}" for number in range(20_000)]
    best = float("inf")
    with ABModelSelector("A", "B", store=folder / "select.db") as selector:
        recorder = selector._recorder
        recorder.put = recorder._queue.append  # type: ignore[method-assign]
        for _ in range(5):
            selector._known = {}
            recorder._queue.clear()
            started = time.process_time()
            for user in users:
                selector.select(user)
            best = min(best, (time.process_time() - started) / len(users))
        known = per_call(selector.select, users)
        recorder._queue.clear()
    print(f"select(), new user:   {1e6 * best:.2f} us ({1 / best:,.0f}/s)")
    print(f"select(), known user: {known:.2f} us ({1e6 / known:,.0f}/s)")
    try:
        from growthbook import Experiment, GrowthBook
    except ImportError:
        print("GrowthBook's SDK is not installed: pip install growthbook")
        return
    book, trial = GrowthBook(attributes={"id": "x"}), Experiment("exp", ["A", "B"])

    def theirs(user: str) -> object:
        book.set_attributes({"id": user})
        return book.run(trial)

    other = per_call(theirs, users[:5_000])
    print(f"GrowthBook run():     {other:.2f} us ({1e6 / other:,.0f}/s)")
    print(f"ratio: {other / (1e6 * best):.1f} (new user), {other / known:.1f} (known user)")


def enqueue_speed(folder: Path) -> None:
    """Print how long track_result() holds up a request."""
    with ABModelSelector("A", "B", store=folder / "enqueue.db") as selector:
        times, cpu = [], []
        for number in range(20_000):
            user = f"u{number % 3_000}"
            started, worked = time.perf_counter(), time.thread_time()
            selector.track_result(user, "A", 1.0, 1.0)
            cpu.append(time.thread_time() - worked)
            times.append(time.perf_counter() - started)
    for name, values in (("wall", sorted(times)), ("CPU", sorted(cpu))):
        p50, p99 = 1e6 * values[10_000], 1e6 * values[19_800]
        print(f"track_result(): p50 {p50:.1f} us, p99 {p99:.1f} us ({name})")


def write_speed(folder: Path, count: int) -> None:
    """Print durable events a second, and the time of a report on them."""
    selector = ABModelSelector("A", "B", store=folder / "write.db")
    selector.flush()
    store = open_store(str(folder / "write.db"))
    registration = store.register(selector.experiment)
    wall = cpu = 0.0
    for start in range(0, count, BATCH):
        events = [_event(selector, n, count) for n in range(start, min(start + BATCH, count))]
        before, worked = time.perf_counter(), time.process_time()
        store.write(registration, events, 86_400)
        wall, cpu = wall + time.perf_counter() - before, cpu + time.process_time() - worked
    print(f"durable events: {count / wall:,.0f}/s wall, {count / cpu:,.0f}/s of CPU time")
    reports = []
    for _ in range(20):
        started = time.process_time()
        selector.get_report()
        reports.append(time.process_time() - started)
    print(f"get_report() at {count:,} events: {1e3 * sorted(reports)[10]:.2f} ms (CPU, median)")
    selector.close()


def _event(selector: ABModelSelector, number: int, count: int) -> Event:
    unit = f"u{number * 7919 % (count // 10)}"
    assigned = selector._standing.assigned(unit)
    assert assigned is not None
    latency, right = 10.0 + number % 97, float(number % 11 > 0)
    return Event("result", 0.0, unit, assigned[1], None, latency, right)


def main(count: int) -> None:
    """Print all figures."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), ignore_cleanup_errors=True) as name:
        select_speed(Path(name))
        enqueue_speed(Path(name))
        write_speed(Path(name), count)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1_000_000)
