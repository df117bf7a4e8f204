"""Plugins that ship with the core, written against the same hooks as anybody's."""
