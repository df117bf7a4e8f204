from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raxe_core.errors import ConfigError
from raxe_core.yaml_file import line_of, read_yaml, write_yaml

COMMENTED = """\
# who may change this: the platform team
b: 1   # first

a:
  # inner note
  deep: [x, y]
"""


def test_comments_and_order_survive_a_change(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(COMMENTED)
    content = read_yaml(path)
    assert [line_of(content, key) for key in ("b", "a")] == [2, 4]
    assert line_of(content["a"], "deep") == 6
    content["b"] = 2
    write_yaml(path, content)
    assert path.read_text() == COMMENTED.replace("b: 1", "b: 2")


@pytest.mark.parametrize("text", [None, "", "# only a comment\n", "---\n"])
def test_nothing_is_an_empty_mapping(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "c.yaml"
    if text is not None:
        path.write_text(text)
    assert read_yaml(path) == {}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a: &x [1]\nb: *x\n", "aliases"),
        (b"a:\n  <<: {b: 1}\n", "merge keys"),
        (b"a: 1\na: 2\n", "duplicate key"),
        (b"a: [1\n", "line"),
        (b"a: \xff\n", "not UTF-8 at byte 3"),
        (b"[1, 2]\n", "holds a CommentedSeq, not keys"),
        (b"text\n", "not keys with values"),
        (b"a: 1\n---\nb: 2\n", "document"),
        (b"a: " + b"x" * 70_000, "more than the 65,536 allowed"),
        (b"[" * 60_000, "nested more than 32 deep"),
        (b"? {a: [b]}\n: 1\n", "keys must be text"),
        (b"? [a, {b: c}]\n: 1\n", "keys must be text"),
    ],
    ids=range(12),
)
def test_what_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=f"(?i){reason}") as error:
        read_yaml(path)
    assert str(error.value).startswith(f"{path}: ")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40) | st.text(list("ab:-[]{}&*!|>'\"#%@`?, \n\t0~"), max_size=30))
def test_any_bytes_are_a_mapping_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes | str
) -> None:
    path = tmp_path_factory.mktemp("y") / "c.yaml"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    try:
        assert isinstance(read_yaml(path), dict)
    except ConfigError as error:
        assert str(error).startswith(str(path))  # noqa: PT017


def test_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"c\.yaml: cannot be written"):
        write_yaml(tmp_path / "file" / "c.yaml", {"a": 1})
