"""The documentation tells the truth: its examples run, its links lead somewhere.

A block's first line may say ``file=NAME``: it is saved for the blocks below. ``no-run`` is for what
cannot run here. ``# exits N`` behind a command is its exit code, 0 where nothing is said.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest
import tiny_model

from raxe_core import ModelRegistry, errors, hookspecs
from raxe_core.config import load_config
from raxe_core.manifest import Manifest, structure_manifest
from raxe_core.metadata import ModelMetadata, structure
from raxe_core.strict_json import parse_json

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "plugins/*/README.md", "changelog.d/README.md")
    for page in ROOT.glob(pattern)
)
MODEL_IDS = ("v1.0_onnx_int8", "v1.0_pytorch")  # those of the pages
BLOCK = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")


@attrs.frozen
class Block:
    """A fenced block of a page."""

    language: str
    options: str
    code: str
    line: int

    @property
    def file(self) -> str | None:
        match = re.search(r"\bfile=(\S+)", self.options)
        return match[1] if match else None


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        line = text[: match.start()].count("\n") + 2
        yield Block(match[1], match[2], match[3], line)


def read(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a model to pack, in a home where the model of the pages is found."""
    home, work = tmp_path / "home", tmp_path / "work"
    (home / ".raxe" / "models").mkdir(parents=True)
    (work / "site").mkdir(parents=True)
    for name, value in {
        "HOME": home,
        "USERPROFILE": home,
        "RAXE_HOME": home / ".raxe",
        "PYTHONPATH": work / "site",
        "PYTHONUTF8": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(work)
    monkeypatch.syspath_prepend(work / "site")
    tiny_model.write_source(work / "my-model", "v2.0_mine")
    known = {model.model_id for model in ModelRegistry().list_models()}
    for model_id in {*MODEL_IDS} - known:
        tiny_model.write_bundle(home / ".raxe" / "models", model_id)
    return work


def save(block: Block, place: Path) -> None:
    """Save a block; a plugin's project counts as installed at once, in the folder ``site``."""
    assert block.file is not None
    path = place / block.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.code, encoding="utf-8")
    site = place / "site"
    if path.name == "pyproject.toml":
        name = re.search(r'^name = "(.+)"$', block.code, re.MULTILINE)
        points = re.search(
            r'^\[project\.entry-points\.raxe\]\n(\w+) = "(\w+)"', block.code, re.MULTILINE
        )
        assert name is not None
        assert points is not None
        info = site / f"{name[1].replace('-', '_')}-0.1.0.dist-info"
        info.mkdir()
        (info / "entry_points.txt").write_text(f"[raxe]\n{points[1]} = {points[2]}\n")
    elif (path.parent / "pyproject.toml").exists():
        shutil.copy(path, site)
        importlib.invalidate_caches()


def commands_of(block: Block) -> Iterator[tuple[str, int]]:
    """Return the commands of a block with their exit codes; what they print is left out."""
    lines = block.code.splitlines()
    if block.language == "console":
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    for line in lines:
        command, _, code = line.partition("# exits ")
        yield command.strip(), int(code or 0)


def run_commands(block: Block, where: str) -> None:
    shell = shutil.which("sh")
    if shell is None:
        pytest.skip("the commands of the pages need a POSIX shell")
    for command, expected in commands_of(block):
        done = subprocess.run(
            [shell, "-c", command], capture_output=True, encoding="utf-8", check=False, timeout=300
        )
        assert done.returncode == expected, f"{where}: {command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, f"{where}: {command}\n{done.stderr}"


def run_block(block: Block, place: Path, namespace: dict[str, Any], where: str) -> None:
    if block.language == "json" and not (block.file or "").endswith(".jsonl"):
        value = parse_json(block.code.encode())
        if "format_version" in value:
            structure_manifest(value, where)
        elif "model_id" in value:
            structure(value, ModelMetadata, where)
    if block.language == "yaml":
        (place / "config.yaml").write_text(block.code)
        load_config(place / "config.yaml")
    if block.file is not None:
        save(block, place)
    elif block.language == "python":
        exec(compile(block.code, where, "exec"), namespace)
    elif block.language in ("console", "bash"):
        run_commands(block, where)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_examples_of_a_page_run(page: Path, place: Path) -> None:
    if page.parent.parent.name == "plugins":
        pytest.importorskip(page.parent.name.replace("-", "_"))
    if "raxe abtest" in page.read_text("utf-8"):
        pytest.importorskip("raxe_abtest")
    if "$ raxe models sign" in page.read_text("utf-8"):
        pytest.importorskip("model_signing")
    namespace: dict[str, Any] = {"__name__": "example"}
    for block in blocks_of(page):
        assert block.language, f"{name_of(page)}, line {block.line}: the block has no language"
        if "no-run" not in block.options:
            run_block(block, place, namespace, f"{name_of(page)}, line {block.line}")


def test_few_blocks_are_kept_from_running() -> None:
    kept = [block for page in PAGES for block in blocks_of(page) if "no-run" in block.options]
    assert all(block.language == "bash" for block in kept), (
        "only installations and measurements may be no-run"
    )
    # Measurements take minutes here; the tests of those commands run them on tiny models.
    words = ("pip", "nox", "models benchmark", "models compare", "models threshold")
    assert all(any(word in block.code for word in words) for block in kept)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_links_of_a_page_resolve(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for link in LINK.findall(text):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), f"{name_of(page)}: {link}"
        if anchor:
            assert anchor in anchors_of(target), f"{name_of(page)}: {link}"


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_index() -> None:
    index = read("index.md")
    for page in DOCS.rglob("*.md"):
        if page.name != "index.md":
            assert f"({page.relative_to(DOCS).as_posix()})" in index


@pytest.mark.parametrize("page", ["reference/cli.md", "reference/hooks.md"])
def test_generated_pages_are_current(page: str) -> None:
    assert read(page) == generator().PAGES[page](), "run: python docs/generate.py"


def test_help_prints_what_the_page_says() -> None:
    made = generator()
    paths = list(made.command_paths(made.root))
    assert ("models", "test") in paths
    environment = {**os.environ, "COLUMNS": "82", "RAXE_PLUGINS": "", "PYTHONUTF8": "1"}
    raxe = [sys.executable, "-c", "from raxe_core.cli.main import main; main(prog_name='raxe')"]
    for path in paths:
        done = subprocess.run(
            [*raxe, *path, "--help"],
            capture_output=True,
            check=True,
            encoding="utf-8",
            env=environment,
        )
        assert done.stdout.strip() in read("reference/cli.md"), path
        assert f"## {' '.join(('raxe', *path))}\n" in read("reference/cli.md")


def test_every_hook_is_documented() -> None:
    page = read("reference/hooks.md")
    hooks = [name for name, value in vars(hookspecs.RaxeSpec).items() if inspect.isfunction(value)]
    assert len(hooks) >= 6
    for hook in hooks:
        section = page.partition(f"## {hook}\n")[2].partition("\n## ")[0]
        assert "```python" in section, f"{hook} has no example"


def test_every_variable_is_documented() -> None:
    page = read("reference/configuration.md")
    for path in (ROOT / "raxe_core").rglob("*.py"):
        code = path.read_text(encoding="utf-8")
        for variable in set(re.findall(r"\bRAXE_[A-Z0-9_]+\b", code)) - {"RAXE_API"}:
            assert f"| `{variable}` |" in page, f"{path.name}: {variable}"


@pytest.mark.parametrize("wrong", ["nonsense: x", "l2_model:\n  nonsense: x"])
def test_every_key_of_the_configuration_is_documented(wrong: str, tmp_path: Path) -> None:
    page = read("reference/configuration.md")
    (tmp_path / "config.yaml").write_text(wrong)
    with pytest.raises(errors.ConfigError) as caught:
        load_config(tmp_path / "config.yaml")
    known = str(caught.value).partition(" Known: ")[2].rstrip(".").split(", ")
    assert len(known) > 1
    for key in known:
        assert re.search(rf"^\| `(l2_model\.)?{re.escape(key)}[`.]", page, re.MULTILINE), key


def test_every_error_is_documented_with_its_exit_code() -> None:
    page = read("reference/errors.md")
    for name, error in vars(errors).items():
        if inspect.isclass(error) and issubclass(error, errors.RaxeError):
            parent = "" if error is errors.RaxeError else f"`{error.__bases__[0].__name__}` "
            assert f"| `{name}` | {parent}| {error.exit_code} |" in page


@pytest.mark.parametrize(
    ("cls", "page"),
    [(ModelMetadata, "reference/metadata.md"), (Manifest, "reference/bundle-format.md")],
)
def test_every_field_is_documented(cls: Any, page: str) -> None:
    text = read(page)
    for field in fields_of(cls):
        assert f"`{field}`" in text, field


def fields_of(cls: Any) -> Iterator[str]:
    for name, form in typing.get_type_hints(cls).items():
        yield name
        for kind in [form, *getattr(form, "__args__", ())]:
            if attrs.has(kind) or hasattr(kind, "_fields"):
                yield from fields_of(kind)
