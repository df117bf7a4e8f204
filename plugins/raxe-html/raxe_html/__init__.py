"""HTML reports for RAXE: the reporter ``html``."""
