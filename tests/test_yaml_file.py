from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raxe_core.errors import ConfigError
from raxe_core.yaml_file import line_of, read_yaml, with_value, write_yaml

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
        (b"a: 1\nb: !foo {c: 1}\n", r"line 2: tags \(!name\)"),
        (b"a: !!str 1\n", "line 1: tags"),
        (b"a: !!python/name:os.system x\n", "line 1: tags"),
        (b"a: ! x\n", "line 1: tags"),
        (b"--- !!map\na: 1\n", "line 1: tags"),
        (b"a: !foo\n  - 1\n", "line 1: tags"),
        (b"a: \xff\n", "not UTF-8 at byte 3"),
        (b"a: +_\n", "lacks its digits"),
        (b"[1, 2]\n", "holds a list, not keys"),
        (b"text\n", "holds a single value, not keys"),
        (b"a: 1\n---\nb: 2\n", "document"),
        (b"a: " + b"x" * 70_000, "more than the 65,536 allowed"),
        (b"[" * 60_000, "nested more than 32 deep"),
        (b"? {a: [b]}\n: 1\n", "keys must be text"),
        (b"? [a, {b: c}]\n: 1\n", "keys must be text"),
    ],
    ids=range(19),
)
def test_what_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=f"(?i){reason}") as error:
        read_yaml(path)
    assert str(error.value).startswith(f"{path}: ")


@settings(max_examples=60)
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


SECTIONS = """\
# ours
l2_model:
  # inner
  selection: auto # why
  unset: # nothing
  # about the model
  model_id: x # here

# policy
policy:
  block_score: 0.5
# the end
"""


@pytest.mark.parametrize(
    ("key", "value", "old", "new"),
    [
        ("l2_model.selection", None, "  selection: auto # why\n", ""),
        ("l2_model.model_id", None, "  model_id: x # here\n", ""),
        ("policy.block_score", None, "  block_score: 0.5\n", ""),
        ("policy", None, "policy:\n  block_score: 0.5\n", ""),
        ("l2_model.selection", "best", "selection: auto", "selection: best"),
        ("l2_model.a.b", 1, "x # here\n", "x # here\n  a:\n    b: 1\n"),
        ("policy.other", 1, "block_score: 0.5\n", "block_score: 0.5\n  other: 1\n"),
        ("aliases", {"a": "b"}, "  block_score: 0.5\n", "  block_score: 0.5\naliases:\n  a: b\n"),
        ("l2_model.unset", 1, "  unset: # nothing\n", "  unset: 1\n"),
        ("l2_model.unset", None, "  unset: # nothing\n", ""),
        ("l2_model.none.deep", None, "", ""),
        ("none", None, "", ""),
    ],
)
def test_a_key_comes_and_goes_and_every_comment_stays(
    tmp_path: Path, key: str, value: object, old: str, new: str
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(SECTIONS)
    write_yaml(path, with_value(path, read_yaml(path), key.split("."), value))
    assert path.read_text() == SECTIONS.replace(old, new, 1)


@pytest.mark.parametrize(
    "text",
    [
        "# only a comment\n",
        "a: 1\n# ours\n",
        "# ours\na:\n  b: 1\n# ours\n",
        "a:\n- 1\n- 2\n# ours\n",
        "# ours\na: {b: 1}\n",
        "a: 1\n# ours\ntrue: 1\n# ours\n",
        "# ours\na: |\n  # text\n\n  text\n",
    ],
)
def test_a_file_is_emptied_and_filled_and_comments_stay(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    for keys, value in ((["a"], None), (["b", "c"], "# x\n\ny"), (["b", "c"], None), (["c"], [1])):
        write_yaml(path, with_value(path, read_yaml(path), keys, value))
    assert read_yaml(path)["c"] == [1]
    assert path.read_text().count("# ours") == text.count("# ours")


@settings(max_examples=60)
@given(st.data())
def test_any_value_is_set_and_removed_beside_the_others(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    names = st.text("ab# -:é", min_size=1, max_size=4)
    plain = st.text("a'\"#:- {[\né", max_size=90) | st.integers() | st.booleans()
    values: st.SearchStrategy[Any] = plain | st.lists(plain, min_size=1, max_size=3)
    values |= st.dictionaries(names, values, min_size=1, max_size=3)
    before = data.draw(st.dictionaries(names, values, min_size=1, max_size=3))
    key, value = data.draw(names), data.draw(values)
    path = tmp_path_factory.mktemp("y") / "c.yaml"
    write_yaml(path, before)
    write_yaml(path, with_value(path, read_yaml(path), [key], value))
    assert read_yaml(path) == {**before, key: value}
    write_yaml(path, with_value(path, read_yaml(path), [key], None))
    assert read_yaml(path) == {k: v for k, v in before.items() if k != key}


def test_what_the_library_could_not_read_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text('b: "x\\u2028: y"\na: 1\n')
    content = read_yaml(path)
    with pytest.raises(ConfigError, match=r"c\.yaml: a cannot be changed"):
        with_value(path, content, ["a"], None)
