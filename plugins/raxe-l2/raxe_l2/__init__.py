"""The L2 models of RAXE, as a model pack."""
