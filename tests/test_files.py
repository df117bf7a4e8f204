from __future__ import annotations

import os
from pathlib import Path

import pytest

from raxe_core import files
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


def test_old_temporary_files_are_removed_and_no_others(tmp_path: Path) -> None:
    with replacing(tmp_path / "killed") as temporary:
        left, fresh = (temporary.with_name(f".{n}{temporary.suffix}") for n in (1, 2))
    others = [tmp_path / ".config.yaml.tmp", tmp_path / "notes", tmp_path / ".lock"]
    for path in (left, fresh, *others):
        path.write_text("")
        if path != fresh:
            os.utime(path, (0, 0))
    files._sweep.cache_clear()
    atomic_write(tmp_path / "a", b"new")
    assert not left.exists()
    assert all(path.exists() for path in (fresh, *others))


@pytest.mark.skipif(os.name == "nt", reason="this system has other permissions")
def test_permissions_stay_and_a_new_file_can_be_private(tmp_path: Path) -> None:
    path = tmp_path / "a"
    atomic_write(path, b"one", mode=0o600)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    atomic_write(path, b"two")
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.name == "nt", reason="links take rights here")
def test_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "dotfiles" / "config.yaml", tmp_path / "config.yaml"
    link.symlink_to(target)
    for content in (b"made", b"changed"):
        atomic_write(link, content)
        assert (link.is_symlink(), target.read_bytes()) == (True, content)
    assert set(tmp_path.rglob("*")) == {link, target, target.parent}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    atomic_write(pipe, b"report")
    assert (os.read(reader, 100), pipe.is_fifo()) == (b"report", True)
    os.close(reader)


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


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 200_000])
def test_whole_file_is_read_up_to_the_limit(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(os.urandom(size))
    assert read_regular(path, size) == read_regular(path, 1 << 30) == path.read_bytes()


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
