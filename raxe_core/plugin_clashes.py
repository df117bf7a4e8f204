"""No two plugins may claim the same thing, and none what is built in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

__all__ = ["clashes"]


def clashes(
    claims: Iterable[tuple[str, str]], kind: str, built_in: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """Yield each plugin whose claim cannot hold, with the reason.

    ``claims`` are pairs of a plugin and what it claims, things of one ``kind``.
    """
    claimants: dict[str, list[str]] = {}
    for plugin, thing in claims:
        claimants.setdefault(thing, []).append(plugin)
    for thing, plugins in claimants.items():
        if thing in built_in:
            reason = f"the {kind} {thing!r} is built in"
        elif len(plugins) > 1:
            reason = f"{' and '.join(plugins)} both claim the {kind} {thing!r}"
        else:
            continue
        for plugin in plugins:
            yield plugin, reason
