"""The argument MODEL: a model id or alias that the shell can complete."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from raxe_core.errors import RaxeError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["MODEL"]


class _ModelType(click.ParamType[str]):
    name = "model"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the ids and aliases that begin with ``incomplete``; none when that fails."""
        from click.shell_completion import CompletionItem

        from raxe_core.config import load_config
        from raxe_core.registry import ModelRegistry

        root = ctx.find_root().params.get("config_path")
        try:
            config = load_config(Path(root) if root else None)
            models = ModelRegistry(config).list_models()
        except RaxeError:
            return []
        names = [(model.model_id, model.name) for model in models]
        names += [(alias, model_id) for alias, model_id in config.get("aliases").items()]
        return [
            CompletionItem(name, help=help_text)
            for name, help_text in names
            if name.startswith(incomplete)
        ]


MODEL = _ModelType()
