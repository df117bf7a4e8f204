"""``raxe models``: the group."""

from __future__ import annotations

from raxe_core.cli.lazy import LazyGroup

models = LazyGroup(
    name="models",
    help="List, test, validate and select models.",
    table={
        "list": ("raxe_core.cli.models_show:list_models", "List all models."),
        "info": ("raxe_core.cli.models_show:info", "Show one model."),
        "test": ("raxe_core.cli.models_test:test", "Measure a model's quality on prompts."),
        "compare": ("raxe_core.cli.models_compare:compare", "Compare models on the same prompts."),
        "benchmark": ("raxe_core.cli.models_benchmark:benchmark", "Measure speed and memory."),
        "threshold": ("raxe_core.cli.models_threshold:threshold", "Tune a model's threshold."),
        "validate": ("raxe_core.cli.models_validate:validate_model", "Check a model's integrity."),
        "which": ("raxe_core.cli.models_which:which", "Tell which model a scan would use."),
        "sign": ("raxe_core.cli.models_sign:sign", "Sign a model."),
        "verify": ("raxe_core.cli.models_sign:verify", "Verify a model's signature."),
        "set-default": ("raxe_core.cli.models_default:set_default", "Make a model the default."),
        "alias": ("raxe_core.cli.models_default:alias", "Give a model another name."),
        "rollback": ("raxe_core.cli.models_default:roll_back", "Undo the last set-default."),
        "history": ("raxe_core.cli.models_default:history", "List changes of default and aliases."),
        "add": ("raxe_core.cli.models_files:add", "Put a bundle into the drop-in folder."),
        "pack": ("raxe_core.cli.models_files:pack", "Pack a folder into a bundle."),
    },
)
