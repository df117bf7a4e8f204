from __future__ import annotations

import gzip
import hashlib
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxe_core.errors import DatasetError
from raxe_core.evaluation.datasets import Dataset, Prompt, read_dataset, standard_dataset
from raxe_core.evaluation.stream import PromptStream
from raxe_core.metadata import FAMILIES


def read(folder: Path, name: str, content: str | bytes, label: str | None = None) -> Dataset:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_dataset([path], label)


@pytest.mark.parametrize(
    ("name", "label", "is_threat"),
    [
        ("threats.txt", None, True),
        ("Attack_1.TXT", None, True),
        ("benign-de.txt", None, False),
        ("safe.txt", None, False),
        ("any.txt", "threat", True),
        ("any.txt", "benign", False),
    ],
)
def test_txt_is_one_prompt_a_line(
    tmp_path: Path, name: str, label: str | None, is_threat: bool
) -> None:
    dataset = read(tmp_path, name, "\ufefffirst\r\n\n  two  words \n# not a directive", label)
    assert dataset.prompts == tuple(
        Prompt(text, is_threat) for text in ("first", "  two  words ", "# not a directive")
    )
    assert dataset.threats == 3 * is_threat


def test_directives_label_the_lines_after_them(tmp_path: Path) -> None:
    text = "#: label=threat family=PI subfamily=hijack lang=de\na\n#: label=benign lang=fr\nb\n"
    assert read(tmp_path, "x.txt", text).prompts == (
        Prompt("a", True, "PI", "hijack", "de"),
        Prompt("b", False, None, None, "fr"),
    )


@pytest.mark.parametrize(
    "word", ["1", "true", "Threat", "ATTACK", " malicious ", "injection", "0", "false", "safe"]
)
def test_csv_and_jsonl_agree(tmp_path: Path, word: str) -> None:
    rows = f'prompt,label,family,extra\n"two\nlines, ""quoted""",{word},JB,x\n'
    line = f'{{"text": "two\\nlines, \\"quoted\\"", "label": "{word}", "family": "JB"}}\n\n'
    is_threat = word not in ("0", "false", "safe")
    wanted = (Prompt('two\nlines, "quoted"', is_threat, "JB" if is_threat else None),)
    assert read(tmp_path, "x.csv", rows).prompts == wanted
    assert read(tmp_path, "x.jsonl", line).prompts == wanted
    assert read(tmp_path, "x.ndjson.gz", gzip.compress(line.encode())).prompts == wanted


@pytest.mark.parametrize(("label", "is_threat"), [("1", True), ("true", True), ("0", False)])
def test_jsonl_labels_may_be_numbers_and_booleans(
    tmp_path: Path, label: str, is_threat: bool
) -> None:
    (prompt,) = read(tmp_path, "x.jsonl", f'{{"text": "t", "label": {label}}}').prompts
    assert prompt.is_threat is is_threat


@pytest.mark.parametrize(("label", "is_threat"), [("1.0", True), ("0.0", False)])
def test_csv_labels_may_be_numbers_of_a_table_program(
    tmp_path: Path, label: str, is_threat: bool
) -> None:
    (prompt,) = read(tmp_path, "x.csv", f"prompt,text,label\na,,{label}\n").prompts
    assert (prompt.text, prompt.is_threat) == ("a", is_threat)


def test_long_field_of_a_csv_is_one_prompt(tmp_path: Path) -> None:
    text = "attack row,benign\n" * 20_000
    (prompt,) = read(
        tmp_path, "x.csv.GZ", gzip.compress(f'text,label\n"{text}",1\n'.encode())
    ).prompts
    assert prompt.text == text


def test_quote_that_is_never_closed_is_fatal_though_malformed_rows_are_skipped(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.csv"
    path.write_text('text,label\na,1\n"b,1\nc,0\n')
    with pytest.raises(DatasetError, match="from line 3 on is never closed"):
        list(PromptStream([path], strict=False))


def test_directive_without_a_label_keeps_that_of_the_file(tmp_path: Path) -> None:
    (prompt,) = read(tmp_path, "threats.txt", "#: family=PI\na").prompts
    assert (prompt.is_threat, prompt.family) == (True, "PI")


def test_files_of_one_name_keep_their_digests(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "threats (2).txt" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.write_text(path.parent.name)
    stream = PromptStream(paths)
    assert len(list(stream)) == len(set(stream.sha256.values())) == 2


def test_line_separators_inside_a_prompt_do_not_split_it(tmp_path: Path) -> None:
    text = "a\u2028b\x0bc\x85d\x0ce"
    assert [p.text for p in read(tmp_path, "threats.txt", text).prompts] == [text]
    line = '{"text": "a\u2028b\x85c", "label": 1}'
    assert [p.text for p in read(tmp_path, "x.jsonl", line).prompts] == ["a\u2028b\x85c"]


@pytest.mark.parametrize(
    ("header", "column"), [("text,label,label", "label"), ("text,text,label", "text")]
)
@pytest.mark.parametrize("strict", [True, False])
def test_a_column_that_is_there_twice_is_refused(
    tmp_path: Path, header: str, column: str, strict: bool
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f"{header}\na,1,0\nb,0,1\n")
    with pytest.raises(DatasetError, match=rf"line 1: the column '{column}' is there 2 times"):
        list(PromptStream([path], strict=strict))


def test_columns_without_a_name_may_be_many(tmp_path: Path) -> None:
    assert len(read(tmp_path, "x.csv", "text,label,,\na,1,,\n").prompts) == 1


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.txt", "a", "line 1: the label is missing, it must be threat or benign"),
        ("x.txt", "#: label=perhaps\na", "line 2: the label is 'perhaps'"),
        ("x.txt", "#: lable=threat\na", "line 1: 'lable=threat' is not label=, family="),
        ("x.csv", "text,label\na,1\nb,maybe\n", "line 3: the label is 'maybe'"),
        ("x.csv", "words,label\na,1\n", "line 2: has no text. Name the column"),
        ("x.csv", "text,label\na\n", "line 2: the label is missing"),
        ("x.csv", 'text,label\n"a,1\n', "a quote that is opened from line 2 on is never closed"),
        ("x.csv", "label,text\n1,a, b\n", "line 2: has more cells than the header"),
        ("x.csv", "text,label\n ,1\n", "line 2: has no text"),
        ("x.csv", "text,label\n", "holds no prompt"),
        ("x.jsonl", '{"text": "a", "label": 1}\n{"text": "b"', "line 2: "),
        ("x.jsonl", "[]", "line 1: expected an object"),
        ("x.jsonl", '{"text": 5, "label": 1}', "line 1: has no text"),
        ("x.jsonl", '{"text": "a", "label": null}', "line 1: the label is missing"),
        ("x.jsonl", "\n \n", "holds no prompt"),
        ("threats.txt", b"ok\nsecond\ncaf\xe9\n", "line 3: not UTF-8"),
        ("threats.txt.gz", b"plain", "is not a whole gzip file"),
        ("threats.txt.gz", gzip.compress(b"a" * 999, mtime=0)[:-9], "is not a whole gzip file"),
        ("prompts.parquet", b"", "datasets are .txt, .csv or .jsonl"),
    ],
)
def test_fault_names_file_line_and_reason(
    tmp_path: Path, name: str, content: str | bytes, reason: str
) -> None:
    with pytest.raises(DatasetError) as error:
        read(tmp_path, name, content)
    assert str(error.value).startswith(str(tmp_path / name))
    assert reason in str(error.value)


@given(st.binary(max_size=80), st.sampled_from(["threats.txt", "x.csv", "x.jsonl", "x.csv.gz"]))
def test_any_bytes_are_a_dataset_or_a_dataset_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    try:
        assert read(tmp_path_factory.mktemp("d"), name, content).prompts
    except DatasetError as error:
        assert name in str(error)  # noqa: PT017


def test_files_are_joined_with_their_digests(tmp_path: Path) -> None:
    paths = [tmp_path / "threats.txt", tmp_path / "benign.txt"]
    for path in paths:
        path.write_text(f"from {path.name}")
    dataset = read_dataset(paths)
    assert [(prompt.text, prompt.is_threat) for prompt in dataset.prompts] == [
        ("from threats.txt", True),
        ("from benign.txt", False),
    ]
    assert dataset.name == "threats.txt + benign.txt"
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    assert dict(dataset.sha256) == digests


STANDARD = standard_dataset()


def of_file(name: str) -> tuple[Prompt, ...]:
    """The prompts of one file of the standard dataset."""
    folder = Path(read_dataset.__globals__["__file__"]).parent / "test_datasets"
    return read_dataset([folder / name]).prompts


@pytest.mark.parametrize(
    ("name", "least", "labels"),
    [
        ("threats.txt", 150, {True}),
        ("benign.txt", 150, {False}),
        ("edge_cases.txt", 60, {True, False}),
    ],
)
def test_standard_dataset_is_large_enough(name: str, least: int, labels: set[bool]) -> None:
    prompts = of_file(name)
    assert len(prompts) >= least
    assert {prompt.is_threat for prompt in prompts} == labels


def test_standard_dataset_covers_families_languages_and_look_alikes() -> None:
    threats = [prompt for prompt in STANDARD.prompts if prompt.is_threat]
    per_family = {family: sum(p.family == family for p in threats) for family in FAMILIES}
    assert min(per_family.values()) >= 20
    assert {prompt.family for prompt in threats} == set(FAMILIES)
    assert all(prompt.subfamily for prompt in STANDARD.prompts)
    for side in (True, False):
        languages = {p.lang for p in STANDARD.prompts if p.is_threat is side and p.lang}
        assert len(languages) >= 5
    assert sum(p.subfamily == "benign_lookalike" for p in STANDARD.prompts) >= 30


def test_standard_dataset_has_no_duplicates() -> None:
    folded = [
        " ".join(unicodedata.normalize("NFKC", prompt.text).casefold().split())
        for prompt in STANDARD.prompts
    ]
    assert {text for text in folded if folded.count(text) > 1} == set()
