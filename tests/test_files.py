from __future__ import annotations

import os
from pathlib import Path

import pytest

from raxe_core.errors import ConfigError
from raxe_core.files import atomic_write, open_regular, raxe_home, read_regular, replacing


def test_write_and_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.json"
    atomic_write(path, b"one")
    atomic_write(path, b"two")
    assert read_regular(path, 3) == b"two"
    assert [item.name for item in path.parent.iterdir()] == ["a.json"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(b"half")
            assert path.read_bytes() == b"old"
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_file_of_another_size_or_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1234")
    with pytest.raises(OSError, match="4 bytes are more than the 3 allowed"):
        read_regular(path, 3)
    with pytest.raises(OSError, match="not a regular file") as error:
        read_regular(tmp_path, 3)
    assert error.value.filename == str(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "none", 3)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_pipe_without_a_writer_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        open_regular(tmp_path / "pipe", 10)


def test_home_is_the_variable_or_a_folder_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAXE_HOME", str(tmp_path))
    assert raxe_home() == tmp_path
    monkeypatch.setenv("RAXE_HOME", "")
    assert raxe_home() == Path.home() / ".raxe"

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(ConfigError, match="set RAXE_HOME"):
        raxe_home()
