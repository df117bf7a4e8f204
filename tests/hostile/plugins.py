"""Plugins of careless authors: what they do, and what is said of them."""

from __future__ import annotations

import attrs

HEAD = (
    "import sys, time\n"
    "from raxe_core import Command, Criteria, DetectionResult, Model, ModelMetadata, Reporter\n"
    "from raxe_core import Selection, Strategy, hookimpl\n"
    "RAXE_API = 1\n"
)
RUNTIME = (
    "RUNTIMES = ('bad',)\n"
    "class Detector:\n"
    "    def analyze(self, text, l1_results=None): return self.analyze_batch([text])[0]\n"
    "    def analyze_batch(self, texts): {0}\n"
    "    def close(self): {1}\n"
    "@hookimpl\ndef create_detector(model): {2}\n"
)
PASS = (
    "return [DetectionResult(model_id='v1.0_bad', is_threat=False, predictions=(),"
    " scores={'PI': 0.0, 'PII': 0.0, 'threat': 0.0}, threshold=0.5, processing_time_ms=0.0)"
    " for _ in texts]"
)


@attrs.frozen
class Plugin:
    """The code of a hooks module, and what ``raxe plugins list`` says of it."""

    code: str
    reason: str
    entry_points: bytes | None = None
    status: str = "failed"


def hook(name: str, body: str, arguments: str = "") -> str:
    """A module with one hook."""
    return f"{HEAD}@hookimpl\ndef {name}({arguments}):\n    {body}\n"


def runtime(judge: str = PASS, close: str = "pass", load: str = "return Detector()") -> str:
    """A module with a runtime."""
    return HEAD + RUNTIME.format(judge, close, load)


WRONG_RECORDS = {
    "discover_models": ("Model", "['v1.0_x']", "{'v1.0_x': 1}", "[None]"),
    "score_criteria": ("Criteria", "['fast']", "[('x', 'y', len)]", "7"),
    "selection_strategies": ("Strategy", "[Criteria('x', 'y', len)]", "object()", "[Strategy]"),
    "reporters": ("Reporter", "[print]", "'html'", "[Reporter('../x', '', str)]"),
    "commands": ("Command", "[Command(None, '', 'a:b')]", "[Command('x', 'y', len)]", "3.5"),
}
FAULTS: dict[str, Plugin] = {
    "missing import": Plugin("import no_such_module_anywhere", "ModuleNotFoundError"),
    "syntax": Plugin("def (:", "SyntaxError"),
    "NUL in the source": Plugin("x = 1\0", "null bytes|SyntaxError|ValueError"),
    "exit at import": Plugin("import sys; sys.exit(0)", "SystemExit: 0"),
    "interrupt at import": Plugin("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "panic at import": Plugin(
        "raise type('PanicException', (BaseException,), {})('\\x1b[31mnative')", "Panic"
    ),
    "endless recursion": Plugin("def f(): f()\nf()", "RecursionError"),
    "no memory": Plugin("raise MemoryError", "MemoryError"),
    "closed output": Plugin("import sys; sys.stdout.close(); sys.stdout = None", "RAXE_API"),
    "no version of the API": Plugin("", "RAXE_API = None", status="incompatible"),
    "future API": Plugin("RAXE_API = 99", "RAXE_API = 99", status="incompatible"),
    "API that shouts": Plugin(
        "class A:\n    def __repr__(self): raise ValueError\nRAXE_API = A()", "ValueError"
    ),
    "unknown hook": Plugin(hook("discover_modles", "return []"), "unknown hook"),
    "runtime without a hook": Plugin(f"{HEAD}RUNTIMES = ('x',)", "go together"),
    "runtime of another": Plugin(
        runtime().replace("('bad',)", "('onnx',)"), "both claim the runtime 'onnx'"
    ),
    "built-in criteria": Plugin(
        hook("score_criteria", "return [Criteria('latency', '', len)]"), "'latency' is built in"
    ),
    "built-in reporter": Plugin(
        hook("reporters", "return [Reporter('json', '', str)]"), "'json' is built in"
    ),
    "built-in command": Plugin(
        hook("commands", "return [Command('models', '', 'os:system')]"), "'models' is built in"
    ),
    "object as the entry point": Plugin(HEAD, "No module named", b"[raxe]\nmain = a.b:c\n"),
    "path as the entry point": Plugin(HEAD, "failed|Error", b"[raxe]\nmain = ../../x\n"),
    "no name": Plugin(HEAD, "Error", b"[raxe]\nmain =\n"),
    "not UTF-8": Plugin(HEAD, "not UTF-8", b"[raxe]\nmain = caf\xe9\n"),
    "raises": Plugin(hook("discover_models", "raise OSError('gone')"), "OSError: gone"),
    "exits": Plugin(hook("discover_models", "sys.exit(0)"), "SystemExit: 0"),
    "interrupts": Plugin(hook("discover_models", "raise KeyboardInterrupt"), "KeyboardInterrupt"),
    "late generator": Plugin(
        hook(
            "discover_models",
            "yield Model(ModelMetadata('v1.0_x', 'X', '1.0', 'x'), 'x'); raise ValueError('half')",
        ),
        "ValueError: half",
    ),
    "import that never ends": Plugin(
        "import time\nwhile True: time.sleep(1)", "did not return within 0.3 seconds"
    ),
    "criteria that never come": Plugin(
        hook("score_criteria", "while True: time.sleep(1)"), "did not return within 0.3 seconds"
    ),
    "never returns": Plugin(
        hook("discover_models", "while True: time.sleep(1)"), "did not return within"
    ),
    "endless generator": Plugin(
        hook("discover_models", "while True: yield time.sleep(0.1)"), "did not return|NoneType"
    ),
    **{
        f"{name} gives {wrong}": Plugin(hook(name, f"return {wrong}"), f"{kind}|TypeError")
        for name, (kind, *wrongs) in WRONG_RECORDS.items()
        for wrong in wrongs
    },
    **{
        f"{name} exits": Plugin(hook(name, "sys.exit(0)"), "SystemExit: 0")
        for name in WRONG_RECORDS
    },
}
# Plugins that look sound until they are asked to judge.
JUDGES: dict[str, str] = {
    "exits": runtime("sys.exit(0)"),
    "raises": runtime("raise ValueError"),
    "interrupts": runtime("raise KeyboardInterrupt"),
    "panics": runtime("raise type('PanicException', (BaseException,), {})"),
    "nothing": runtime("return [None for _ in texts]"),
    "text": runtime("return ['safe' for _ in texts]"),
    "NaN": runtime(PASS.replace("0.0}", "float('nan')}")),
    "score above one": runtime(PASS.replace("0.0}", "7}")),
    "no score": runtime(PASS.replace(", 'threat': 0.0", "")),
    "score in words": runtime(PASS.replace("0.0}", "'low'}")),
    "no verdict": runtime(PASS.replace("is_threat=False", "is_threat=None")),
    "too few": runtime("return []"),
    "load exits": runtime(load="sys.exit(0)"),
    "load gives nothing": runtime(load="return None"),
    "load gives something": runtime(load="return object()"),
    "load raises": runtime(load="raise ValueError"),
}
