"""Killed, raced, out of space, without a home: every file of ours is the old or the new one."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import crash_writers
import pytest
from tiny_model import write_bundle

from conftest import RunRaxe
from raxe_core import files
from raxe_core.benchmark.profile import measured_figures, profile_path, save_profile
from raxe_core.config import load_config
from raxe_core.defaults import change_setting, read_history, rollback, set_default
from raxe_core.discovery import discover_folder, model_from_file
from raxe_core.errors import ConfigError
from raxe_core.evaluation.sharded import Partial
from raxe_core.files import locked
from raxe_core.install import add_model
from raxe_core.strict_json import parse_json

ROUNDS = 12
WRITERS = 4
CONFIG = "# ours\npolicy: {block_score: 0.5}  # keep\n"


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a place: a disk's fsync makes thousands of writes slow."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="raxe") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Processes forked from one that has imported the writers and nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["crash_writers"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
        first = context.Process(target=os.getpid)
        first.start()
        first.join()
    return context


Kill = Callable[[Callable[..., None]], Iterator[None]]


@pytest.fixture
def kill(processes: ForkServerContext, home: Path) -> Kill:
    """Start a writer and kill it at a random moment, ROUNDS times; to be iterated."""

    def rounds(writer: Callable[..., None]) -> Iterator[None]:
        moments = random.Random(writer.__name__)
        for _ in range(ROUNDS):
            ready = processes.Event()
            process = processes.Process(target=writer, args=(home, ready))
            process.start()
            assert ready.wait(60)
            process.join(moments.uniform(0, 0.02))
            process.kill()
            process.join()
            assert process.exitcode == -9
            yield

    return rounds


def leftovers(folder: Path) -> list[Path]:
    """Make what killed writers left old, and return it."""
    found = [path for path in folder.rglob(".*") if path.suffix != ".lock"]
    for path in found:
        os.utime(path, (0, 0))
    files._sweep.cache_clear()
    return found


def test_killed_config_set(kill: Kill, home: Path) -> None:
    config = home / "config.yaml"
    config.write_text(CONFIG)
    names: set[str] = set()
    for _ in kill(crash_writers.write_settings):
        aliases = load_config().get("aliases")
        assert names <= set(aliases)  # a change that was made is never lost
        assert set(aliases.values()) <= set(crash_writers.MODELS)
        assert config.read_text().startswith(CONFIG)
        names = set(aliases)
    left = leftovers(home)
    change_setting("aliases.last", "v9.0_tiny", config)
    assert [path for path in left if path.exists()] == []


def test_killed_set_default_and_rollback(kill: Kill, home: Path) -> None:
    known = 0
    for _ in kill(crash_writers.write_default):
        changes = read_history()
        lines = (home / "history.jsonl").read_bytes().splitlines()
        assert len(changes) == len([line for line in lines if line]) >= known
        current = load_config().get("l2_model.model_id")
        assert current in (changes[-1].after, changes[-1].before)
        known = len(changes)
    left = leftovers(home)
    set_default("v9.1_tiny", home / "config.yaml", "test")
    before = read_history()[-1].before
    assert rollback(home / "config.yaml").after == before
    assert load_config().get("l2_model.model_id") == before
    assert [path for path in left if path.exists()] == []


def test_killed_discovery(kill: Kill, home: Path) -> None:
    write_bundle(home / "models")
    for _ in kill(crash_writers.write_index):
        (index,) = (home / "cache").glob("*.json")
        head, rows, text = index.read_bytes().split(b"\n")
        assert parse_json(head).keys() == {"version", "folder", "crc"}
        assert len(parse_json(rows)) == 1
        assert parse_json(text)["model_id"] == "v9.0_tiny"
        assert [m.problem for m in discover_folder(home / "models", "test")] == [None]
    left = leftovers(home / "cache")
    os.utime(home / "models" / "raxe_model_l2_v9.0_tiny.raxe", (1, 1))
    discover_folder(home / "models", "test")
    assert [path for path in left if path.exists()] == []


def test_killed_validation(kill: Kill, home: Path) -> None:
    write_bundle(home / "models")
    for _ in kill(crash_writers.write_validated):
        for path in (home / "cache" / "validated").glob("[!.]*"):
            assert parse_json(path.read_bytes())["content"] == f"sha256:{path.name}"


def test_killed_benchmark(kill: Kill, home: Path) -> None:
    known: set[str] = set()
    for _ in kill(crash_writers.write_profile):
        models = parse_json(profile_path().read_bytes())["models"]
        assert known <= set(models)
        assert all(measured_figures(name, None) == {"memory_mb": 5.0} for name in models)
        known = set(models)
    left = leftovers(home)
    save_profile({"last": (None, {"memory_mb": 5.0})}, "2026-01-01")
    assert [path for path in left if path.exists()] == []


def test_killed_add(kill: Kill, home: Path, tmp_path: Path) -> None:
    sources = [
        write_bundle(
            tmp_path / f"source{number}", input={"max_tokens": 16 + number, "window_overlap": 4}
        )
        for number in range(3)
    ]
    (tmp_path / "source1" / "metadata").mkdir()
    (tmp_path / "source1" / "metadata" / "v9.0_tiny.json").write_text('{"name": "By sidecar"}')
    contents = {path.read_bytes() for path in sources}
    for _ in kill(crash_writers.write_models):
        (model,) = discover_folder(home / "models", "test")
        assert (model.problem, model.name in ("By sidecar", "Tiny tiny")) == (None, True)
        assert (home / "models" / sources[0].name).read_bytes() in contents
    left = leftovers(home)
    add_model(sources[1], replace=True)
    assert model_from_file(home / "models" / sources[1].name, "test").name == "By sidecar"
    assert [path for path in left if path.exists()] == []


def test_killed_evaluation(kill: Kill, home: Path) -> None:
    output = home / "out.jsonl"
    for _ in kill(crash_writers.write_shards):
        if output.exists():
            rows = [json.loads(line) for line in output.read_text().splitlines()]
            assert len(rows) == crash_writers.SHARDS * len(crash_writers.PROMPTS)
        for shard in (home / "out.jsonl.partial").glob("*.jsonl"):
            found = Partial(output, {}, resume=True, rows=True).read(
                int(shard.stem), len(crash_writers.PROMPTS)
            )
            assert found == crash_writers.VERDICTS
    left = leftovers(home)
    partial = Partial(output, {}, resume=False, rows=True)
    partial.join()
    assert [path for path in left if path.exists()] == []
    assert not (home / "out.jsonl.partial").exists()


def race(processes: ForkServerContext, home: Path, writer: Callable[..., None], count: int) -> None:
    writing = [processes.Process(target=writer, args=(home, n, count)) for n in range(WRITERS)]
    for process in writing:
        process.start()
    for process in writing:
        process.join(120)
        assert process.exitcode == 0


def test_writers_at_once_lose_nothing(processes: ForkServerContext, home: Path) -> None:
    race(processes, home, crash_writers.set_aliases, 5)
    names = {f"w{writer}n{number}" for writer in range(WRITERS) for number in range(5)}
    assert set(load_config().get("aliases")) == names
    race(processes, home, crash_writers.set_defaults, 5)
    changes = read_history()
    assert len((home / "history.jsonl").read_bytes().split(b"\n")) == len(changes) + 2
    whys = {f"{writer}:{number}" for writer in range(WRITERS) for number in range(5)}
    assert {change.why for change in changes} == whys
    race(processes, home, crash_writers.save_profiles, 5)
    assert set(parse_json(profile_path().read_bytes())["models"]) == names
    assert [path for path in home.rglob(".*") if path.suffix != ".lock"] == []


def test_lock_names_its_holder_and_is_free_when_it_dies(
    processes: ForkServerContext, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LOCK_SECONDS", 0.1)
    ready = processes.Event()
    holder = processes.Process(target=crash_writers.hold_lock, args=(home, ready))
    holder.start()
    assert ready.wait(60)
    with pytest.raises(ConfigError, match=rf"process {holder.pid} on \S+ is changing it"):
        change_setting("aliases.a", "v9.0_tiny", home / "config.yaml")
    holder.kill()
    holder.join()
    change_setting("aliases.a", "v9.0_tiny", home / "config.yaml")


def test_lock_of_two_threads_and_of_two_names_is_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LOCK_SECONDS", 0.05)
    (home / "link.yaml").symlink_to(home / "config.yaml")
    with locked(home / "config.yaml"), pytest.raises(ConfigError, match="is changing it"):
        change_setting("aliases.a", "v9.0_tiny", home / "link.yaml")


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    code = "import sys; sys.argv[0] = 'raxe'; from raxe_core.cli.main import program; program()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=False, text=True, stderr=subprocess.PIPE, **{"stdout": subprocess.PIPE, **options},
    )  # fmt: skip


def no_space() -> None:
    """Let every write to a file fail, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.mark.parametrize(
    "arguments",
    [
        ("config", "set", "aliases.b", "v9.0_tiny"),
        ("models", "set-default", "v9.0_tiny"),
        ("models", "add", "{tmp}/raxe_model_l2_v9.1_new.raxe"),
        ("models", "pack", "{tmp}/.source_v9.1_new"),
        (
            "models",
            "test",
            "v9.0_tiny",
            "--prompts",
            "{tmp}/benign.txt",
            "--output",
            "{tmp}/out.jsonl",
        ),
    ],
    ids=lambda arguments: arguments[1],
)
def test_full_disk_is_an_error_and_changes_nothing(
    home: Path, dropped_in: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (home / "config.yaml").write_text(CONFIG)
    (tmp_path / "benign.txt").write_text("hello\n")
    write_bundle(tmp_path, "v9.1_new").chmod(0o444)

    def state() -> dict[str, bytes]:
        paths = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]
        return {str(path): path.read_bytes() for path in paths}

    before = state()
    done = run(*(part.format(tmp=tmp_path) for part in arguments), preexec_fn=no_space)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ")
    assert "File too large" in done.stderr
    assert done.stderr.count("\n") == 1
    assert state() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_output_without_space_is_an_error() -> None:
    with Path("/dev/full").open("w") as full:
        done = run("models", "list", stdout=full)
    assert (done.returncode, done.stderr) == (2, "Error: the output: No space left on device\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_what_cannot_be_written_at_the_end_is_no_success() -> None:
    code = (
        "import atexit, sys; from raxe_core.cli.main import program; "
        "atexit.register(print, 'late'); sys.argv[1:] = ['--version']; program()"
    )
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode
    assert b"No space left on device" in done.stderr


def test_a_thread_that_is_not_done_is_waited_for() -> None:
    code = """
import sys, threading
from raxe_core.cli.main import program

def work():
    threading.main_thread().join()
    print("done")

threading.Thread(target=work).start()
sys.argv[1:] = ["config", "path"]
program()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == ["done"]


ALWAYS = (("--help",), ("--version",), ("plugins", "list"), ("config", "path"))
READING = (("config", "show"), ("models", "list"), ("models", "which"), ("models", "history"))
SCANNING = (("models", "test", "v9.0_tiny", "--prompts", "benign.txt"), ("scan", "hello"))
WRITING = (("config", "set", "aliases.b", "v9.0_tiny"), ("models", "set-default", "v9.0_tiny"))
EACH = """
import json, sys
from click.testing import CliRunner
from raxe_core.cli.main import main
found = []
for arguments in json.load(sys.stdin):
    result = CliRunner().invoke(main, arguments)
    if not isinstance(result.exception, SystemExit | None):
        raise result.exception
    found.append([result.exit_code, result.stderr])
    assert (result.stdout + result.stderr).replace("\\n", "").isprintable()
json.dump(found, sys.stdout)
"""


def as_an_owner() -> tuple[str, ...]:
    """Return what makes a process of root obey the modes of files, as everybody's does."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root may do everything, and setpriv is not there to change that")
    return ("setpriv", "--inh-caps=-all", "--bounding-set=-all")


def read_only(folder: Path) -> None:
    folder.chmod(0o555)


def forbidden(folder: Path) -> None:
    folder.chmod(0o000)


def a_file(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("")


def a_circle(folder: Path) -> None:
    folder.rmdir()
    folder.symlink_to(folder)


def as_it_is(folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("variable", "name", "damage", "works"),
    [
        ("HOME", ".", read_only, (*READING, *SCANNING)),
        ("HOME", "not/there", read_only, READING),
        ("HOME", ".", a_file, READING),
        ("HOME", ".", forbidden, ()),
        ("RAXE_HOME", ".", read_only, READING),
        ("RAXE_HOME", ".", a_file, READING),
        ("RAXE_HOME", "in", forbidden, ()),
        ("RAXE_HOME", ".", a_circle, ()),
        ("RAXE_HOME", "long" * 100, as_it_is, ()),
        ("RAXE_HOME", "not/there", as_it_is, (*READING, *WRITING)),
        ("RAXE_HOME", "line\nand \x1b[31m", as_it_is, (*READING, *WRITING)),
        ("RAXE_HOME", "bytes \udcff", as_it_is, (*READING, *WRITING, *SCANNING)),
    ],
)
def test_every_command_bears_every_home(
    tmp_path: Path,
    tiny_bundle: Path,
    variable: str,
    name: str,
    damage: Callable[[Path], None],
    works: tuple[tuple[str, ...], ...],
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    damage(folder)
    (tmp_path / "benign.txt").write_text("hello\n")
    commands = dict.fromkeys((*ALWAYS, *READING, *WRITING, *works))
    environment = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
    environment |= {"RAXE_PLUGINS": "raxe-onnx", "RAXE_MODELS_PATH": str(tiny_bundle.parent)}
    done = subprocess.run(
        [*as_an_owner(), sys.executable, "-c", EACH],
        input=json.dumps([*commands]),
        env={**environment, variable: str(folder / name)},
        check=False, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    if not folder.is_symlink():
        folder.chmod(0o755)
    assert done.stderr == ""
    for arguments, (code, said) in zip(commands, json.loads(done.stdout), strict=True):
        expected = (0, "") if arguments in ALWAYS + works else (2, "Error: ")
        assert (arguments, (code, said[:7])) == (arguments, expected)


@pytest.mark.parametrize("name", ["config.yaml", "history.jsonl", "profiles", "cache"])
@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\0" * 100,
        b"[" * 100_000,
        b"{",
        b"[1]",
        b"\xff\xfe",
        b'{"models": {"v9.0_tiny": {"figures": [1]}}}',
    ],
    ids=["empty", "zeros", "deep", "torn", "list", "binary", "types"],
)
def test_damaged_file_is_named_or_made_anew(
    home: Path, dropped_in: Path, raxe: RunRaxe, name: str, damage: bytes
) -> None:
    def every() -> dict[str, int]:
        commands = ("models list", "models history", "config set aliases.b v9.0_tiny",
                    "models set-default v9.0_tiny", "config path", "models which")  # fmt: skip
        codes = {}
        for command in commands:
            result = raxe(*command.split())
            assert isinstance(result.exception, SystemExit | None)
            if result.exit_code:
                assert f"{name}" in result.stderr
            codes[command] = result.exit_code
        return codes

    save_profile({"v9.0_tiny": (dropped_in, {"memory_mb": 5.0})}, "2026-01-01")
    assert set(every().values()) == {0}
    path = home / name
    (target,) = path.glob("*.json") if path.is_dir() else [path]
    target.write_bytes(damage)
    broken = name == "config.yaml" and damage not in (b"", b"{}")
    codes = every()
    assert codes["config path"] == 0
    assert set(codes.values()) == ({0, 2} if broken else {0})
    target.unlink()
    assert set(every().values()) == {0}


def test_config_set_mends_a_wrong_setting(home: Path, raxe: RunRaxe) -> None:
    (home / "config.yaml").write_text("l2_model:\n  on_failure: shrug\n")
    assert (raxe("config", "show").exit_code, raxe("config", "path").exit_code) == (2, 0)
    assert raxe("config", "set", "l2_model.on_failure", "raise").exit_code == 0
    assert raxe("config", "get", "l2_model.on_failure").stdout == "raise\n"
    (home / "config.yaml").write_text("a: 1\nb: [\n")
    result = raxe("config", "set", "l2_model.on_failure", "raise")
    assert (result.exit_code, "config.yaml: line 3" in result.stderr) == (2, True)


@pytest.mark.parametrize("value", ["[a", "*a", "!!python/name:os.system x", "[" * 2_000, "\x1b"])
def test_value_that_is_no_yaml_is_refused(home: Path, raxe: RunRaxe, value: str) -> None:
    result = raxe("config", "set", "l2_model.model_id", value)
    assert (result.exit_code, result.stderr.startswith("Error: ")) == (2, True)
    assert not (home / "config.yaml").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("aliases.a", "x" * 70_000),
        ("aliases.", "v9.0_tiny"),
        ("aliases.a\nb", "v9.0_tiny"),
        ("l2_model.load_timeout_s", ".nan"),
        ("l2_model.load_timeout_s", "1" + "0" * 400),
        ("l2_model.ab_test.", "x"),
        ("l2_model.ab_test.x", "2026-01-01"),
        ("l2_model.ab_test.x", "[" * 40 + "]" * 40),
    ],
)
def test_value_that_could_not_be_read_again_is_refused(
    home: Path, raxe: RunRaxe, key: str, value: str
) -> None:
    result = raxe("config", "set", key, value)
    assert (result.exit_code, result.stderr.startswith("Error: ")) == (2, True)
    assert not (home / "config.yaml").exists()
