"""The reference weights of the L2 models, as a model pack."""
