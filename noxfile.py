"""Every check of the repository, each in its own virtual environment.

``nox`` runs what a change must pass. torch is installed first and with pip, in the exact version
that has a small CPU build; a plain ``torch`` would bring several gigabytes of GPU libraries.
"""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests", "plugin", "docs"]

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
PLUGINS = sorted(path.parent.name for path in Path("plugins").glob("*/pyproject.toml"))
TORCH = "torch==2.13.0"
TEST_TOOLS = ["pytest>=8", "hypothesis>=6.100", "onnx>=1.17", "jsonschema>=4.20"]
SIGNING = ["-e", ".[signing]"]  # an extra, which the tests of signatures skip without
# What statistics are checked against.
REFERENCES = ["hdrhistogram>=0.10", "scikit-learn>=1.4", "scipy>=1.11", "statsmodels>=0.14"]
# What a plugin's own tests need beside it.
BESIDE = {
    "raxe-abtest": ["raxe-onnx"],
    "raxe-html": ["raxe-onnx"],
    "raxe-l2": ["raxe-onnx"],
    "raxe-l2-reference": ["raxe-onnx", "raxe-torch"],
}
TOOLS = {"raxe-abtest": [*REFERENCES, "psycopg[binary]>=3.1"]}


def install(session: nox.Session, *plugins: str) -> None:
    """Install the core with these plugins from the working tree, editable."""
    if any("torch" in name for name in plugins):
        session.install(TORCH)
    folders = [f"plugins/{name}" for name in plugins]
    session.install(*(argument for folder in [".", *folders] for argument in ("-e", folder)))
    session.install(*TEST_TOOLS)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and the direction of imports."""
    session.install("ruff>=0.11", "import-linter>=2.1", "-e", ".")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-logo")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly, in code and tests."""
    install(session, *PLUGINS)
    session.install("mypy>=1.15", "types-jsonschema", "nox", "psycopg[binary]>=3.1")
    session.run("mypy", "raxe_core", "tests", "benchmarks", "examples", "noxfile.py", "conftest.py")
    for name in PLUGINS:
        session.run("mypy", f"plugins/{name}/{name.replace('-', '_')}")


@nox.session
def tests(session: nox.Session) -> None:
    """Test the core together with the ONNX runtime and the shipped models."""
    install(session, "raxe-onnx", "raxe-l2")
    session.install(*REFERENCES, *SIGNING)
    session.run("pip", "check")
    session.run("pytest", "tests", "--ignore", "tests/test_docs.py", *session.posargs)


@nox.session(python=PYTHONS)
def compatibility(session: nox.Session) -> None:
    """Run the core's tests on every supported Python."""
    install(session, "raxe-onnx", "raxe-l2")
    session.install(*SIGNING)
    session.run("pytest", "tests", "--ignore", "tests/test_docs.py", *session.posargs)


@nox.session
@nox.parametrize("name", PLUGINS)
def plugin(session: nox.Session, name: str) -> None:
    """Test one plugin alone with the core."""
    install(session, name, *BESIDE.get(name, []))
    session.install(*TOOLS.get(name, ["pytest"]))
    session.run("pip", "check")
    session.run("pytest", f"plugins/{name}/tests", *session.posargs)


@nox.session
def search(session: nox.Session) -> None:
    """Run the property tests on new examples; every other session has the same ones each time."""
    install(session, *PLUGINS)
    session.install(*REFERENCES, *SIGNING)
    folders = ["tests", *(f"plugins/{name}/tests" for name in PLUGINS)]
    command = ["pytest", "--hypothesis-profile", "search", "-m", "hypothesis"]
    for folder in folders:
        session.run(*command, folder, *session.posargs, success_codes=[0, 5])  # 5: it has none


@nox.session
def docs(session: nox.Session) -> None:
    """Run the code blocks of the documentation, and compare generated pages with the code."""
    install(session, "raxe-onnx", "raxe-l2", "raxe-abtest")
    session.install(*SIGNING)
    session.run("pytest", "tests/test_docs.py", *session.posargs)


@nox.session
def wheels(session: nox.Session) -> None:
    """Build every distribution and use the wheels as a user would."""
    out = session.create_tmp()
    folders = [".", "plugins/raxe-onnx", "plugins/raxe-l2"]
    session.run("pip", "wheel", "--no-deps", "--wheel-dir", out, *folders)
    session.install(*map(str, Path(out).glob("*.whl")))
    with session.chdir(out):
        session.run("raxe", "plugins", "list")
        session.run("raxe", "models", "validate", "v1.0_onnx_int8")


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Measure start-up, listing, selection, scans and reloads; prints ratios, asserts nothing."""
    session.install(".", "plugins/raxe-onnx", "plugins/raxe-l2", "rich")
    for name in ("startup", "listing", "selecting", "first_verdict", "overhead"):
        session.run("python", f"benchmarks/{name}.py")
    session.run("python", "benchmarks/hot_reload.py", "--flips", "50")
