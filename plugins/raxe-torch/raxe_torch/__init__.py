"""The torch runtime of RAXE: models of ``requirements.runtime: torch`` on PyTorch."""
