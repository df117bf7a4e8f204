"""Fixtures: stores of both kinds, the PostgreSQL one on a server that the tests start."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from raxe_abtest.store import open_store
from raxe_abtest.store.base import Store

NewStore = Callable[[], Store]


@pytest.fixture(autouse=True)
def same_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run assigns the same users to the same arms: a store's secret is random elsewhere."""
    monkeypatch.setattr(secrets, "token_bytes", lambda count: bytes(range(count)))


def _server_binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of an empty server, run by a user who is not root.

    It listens in a folder of its own: a port that was free might be taken before it starts.
    """
    pytest.importorskip("psycopg", reason="pip install 'raxe-abtest[postgres]'")
    binaries = _server_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server here; .ci/install-postgresql installs one")
    user = None
    if os.geteuid() == 0:
        try:
            user = pwd.getpwnam("postgres").pw_name
        except KeyError:
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    folder = Path(tempfile.mkdtemp(prefix="raxe-pg-"))
    if user is not None:
        shutil.chown(folder, user)
    data = folder / "data"

    def run(*command: str) -> None:
        subprocess.run(
            [str(binaries / command[0]), *command[1:]],
            check=True, user=user, cwd=folder, capture_output=True, timeout=120,
        )  # fmt: skip

    try:
        run("initdb", "-D", str(data), "-A", "trust", "-U", "raxe", "--no-sync")
        options = f"-c listen_addresses= -c unix_socket_directories={folder}"
        log = str(folder / "log")
        run("pg_ctl", "-D", str(data), "-o", options, "-l", log, "-w", "start")
        try:
            yield f"postgresql://raxe@/postgres?host={quote(str(folder), safe='')}"
        finally:
            run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "ab.db")
    address = str(request.getfixturevalue("postgres"))
    import psycopg

    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return address


@pytest.fixture
def new_store(where: str) -> Iterator[NewStore]:
    """Opens connections to one empty store."""
    opened: list[Store] = []

    def make() -> Store:
        opened.append(open_store(where))
        return opened[-1]

    yield make
    for store in opened:
        store.close()
