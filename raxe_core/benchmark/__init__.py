"""Benchmark: a model's speed and memory on this machine."""
