"""``raxe abtest``: start, watch, decide and end experiments."""

from __future__ import annotations

from raxe_core.cli.lazy import LazyGroup

abtest = LazyGroup(
    name="abtest",
    help="Run A/B tests of models.\n\n\b\nExamples:\n"
    "  raxe abtest plan --baseline 0.90 --effect 0.02\n"
    "  raxe abtest start v1.0_pytorch v1.0_onnx_int8 --split 0.1\n"
    "  raxe abtest report\n"
    "  raxe abtest promote",
    table={
        "plan": ("raxe_abtest.cli_plan:plan_command", "Say how many users it takes."),
        "start": ("raxe_abtest.cli_change:start", "Start an experiment, or change its split."),
        "status": ("raxe_abtest.cli_show:status", "List the experiments of the store."),
        "label": ("raxe_abtest.cli_label:label", "Add labels that came late, from a file."),
        "report": ("raxe_abtest.cli_show:report", "Show figures, evidence and what to do."),
        "watch": ("raxe_abtest.cli_show:watch", "Report again and again until it is decided."),
        "stop": ("raxe_abtest.cli_change:stop", "Stop: every user gets the control."),
        "promote": ("raxe_abtest.cli_change:promote", "Make the winner the default model."),
        "export": ("raxe_abtest.cli_show:export", "Write the log as lines of JSON."),
    },
)
