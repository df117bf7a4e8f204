"""The arguments MODEL, a model id or alias, and ALIAS, which the shell can complete."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from raxe_core.errors import RaxeError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from raxe_core.config import Config

__all__ = ["ALIAS", "MODEL"]


class _ModelType(click.ParamType[str]):
    name = "model"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin with ``incomplete``; none when that fails."""
        from click.shell_completion import CompletionItem

        from raxe_core.config import load_config

        root = ctx.find_root().params.get("config_path")
        try:
            names = self._names(load_config(Path(root) if root else None))
        except RaxeError:
            return []
        return [
            CompletionItem(name, help=help_text)
            for name, help_text in names
            if name.startswith(incomplete)
        ]

    def _names(self, config: Config) -> list[tuple[str, str]]:
        """Return ids and aliases, each with a help text."""
        from raxe_core.registry import ModelRegistry

        models = ModelRegistry(config).list_models()
        return [(model.model_id, model.name) for model in models] + _aliases(config)


class _AliasType(_ModelType):
    name = "alias"

    def _names(self, config: Config) -> list[tuple[str, str]]:
        return _aliases(config)


def _aliases(config: Config) -> list[tuple[str, str]]:
    return list(config.get("aliases").items())


MODEL = _ModelType()
ALIAS = _AliasType()
