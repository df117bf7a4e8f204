from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from raxe_core.entry_points import find_entry_points, normalized


def install(folder: Path, name: str, text: str) -> Path:
    info = folder / f"{name}.dist-info"
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_text(text)
    return info


def found(*folders: Path) -> list[tuple[str, str, str, str]]:
    points = find_entry_points("raxe", [str(folder) for folder in folders])
    return [(point.distribution, point.version, point.name, point.value) for point in points]


def test_group_is_read_among_others(tmp_path: Path) -> None:
    text = "[a]\nx = no\n\n[raxe]\n# note\n; note\n one=m.one \ntwo = m.two\n\n[raxe.x]\ny = no\n"
    install(tmp_path, "My_Plugin-1.0.post1", text)
    assert found(tmp_path) == [
        ("my-plugin", "1.0.post1", "one", "m.one"),
        ("my-plugin", "1.0.post1", "two", "m.two"),
    ]


def test_the_first_distribution_of_a_name_hides_later_ones(tmp_path: Path) -> None:
    install(tmp_path / "a", "p-2.0", "[raxe]\nx = new\n")
    install(tmp_path / "b", "P-1.0", "[raxe]\nx = old\n")
    assert found(tmp_path / "a", tmp_path / "b") == [("p", "2.0", "x", "new")]
    assert found(tmp_path / "b", tmp_path / "a") == [("p", "1.0", "x", "old")]


def test_result_is_sorted_by_distribution(tmp_path: Path) -> None:
    for name in ("c-1", "a-1", "b-1"):
        install(tmp_path, name, "[raxe]\nx = m\n")
    assert [name for name, *_ in found(tmp_path)] == ["a", "b", "c"]


def test_working_directory_and_odd_places_are_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "evil-1.0", "[raxe]\nx = evil\n")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.zip").write_text("")
    (tmp_path / "odd" / "empty-1.0.dist-info").mkdir(parents=True)
    (tmp_path / "odd" / "file-1.0.dist-info").write_text("")
    odd = [tmp_path / "odd", tmp_path / "none", tmp_path / "file.zip"]
    assert find_entry_points("raxe", ["", *map(str, odd)]) == []


def test_installed_plugins_are_those_that_the_standard_library_sees() -> None:
    ours = [(point.distribution, point.name, point.value) for point in find_entry_points("raxe")]
    theirs = [
        (normalized(str(point.dist and point.dist.name)), point.name, point.value)
        for point in importlib.metadata.entry_points(group="raxe")
    ]
    assert ours == sorted(theirs)
    assert ("raxe-onnx", "onnx", "raxe_onnx.hooks") in ours


@pytest.mark.parametrize("name", ["Raxe_ONNX", "raxe-onnx", "raxe.onnx", "RAXE--onnx"])
def test_names_are_normalized(name: str) -> None:
    assert normalized(name) == "raxe-onnx"
