"""Evaluation: a model's quality on a dataset of labelled prompts."""
