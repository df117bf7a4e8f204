"""Files that a stranger might send: see ``CASES`` in the modules, one for each kind of file."""
