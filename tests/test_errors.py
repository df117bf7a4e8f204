from __future__ import annotations

import pytest

from raxe_core import errors
from raxe_core.errors import InvalidModelError, RaxeError, did_you_mean

ERRORS = [getattr(errors, name) for name in errors.__all__ if name != "did_you_mean"]


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_is_one_of_ours_with_its_exit_code(kind: type[RaxeError]) -> None:
    assert issubclass(kind, RaxeError)
    assert kind.exit_code == (1 if issubclass(kind, InvalidModelError) else 2)


def test_the_tree_in_the_documentation_is_the_real_one() -> None:
    tree = (errors.__doc__ or "").partition("::")[2].partition("Each message")[0]
    drawn, parents = {}, ["Exception"]
    for line in filter(None, map(str.rstrip, tree.splitlines())):
        name = line.lstrip(" │├└─").split()[0]
        depth = line.index(name) // 4
        drawn[name] = parents[depth - 1]
        parents[depth:] = [name]
    assert drawn == {kind.__name__: kind.__mro__[1].__name__ for kind in ERRORS}


@pytest.mark.parametrize(
    ("word", "hint"), [("latancy", " Did you mean 'latency'?"), ("zzz", ""), ("", "")]
)
def test_nearest_word(word: str, hint: str) -> None:
    assert did_you_mean(word, ["latency", "memory"]) == hint
