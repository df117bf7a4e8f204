"""The recipe: every number that decides what the models learn, in one place.

The v1.0 model is trained in three stages (``STAGES``), each from the weights of the one before; the
v1.1 student then learns from it (``DISTILLATION``). ``--set name=value`` changes single fields.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib

FAMILIES: tuple[str, ...] = ("PI", "JB", "CMD", "PII", "ENC", "RAG")

SUBFAMILIES: tuple[str, ...] = (
    "PI/delimiter_context",
    "PI/instruction_override",
    "PI/social_pressure",
    "PI/task_hijack",
    "JB/optimised_suffix",
    "JB/persona_roleplay",
    "CMD/injection_payload",
    "CMD/shell_code_exec",
    "CMD/tool_abuse",
    "PII/personal_data",
    "PII/secret_extraction",
    "PII/system_prompt_extraction",
    "ENC/base64_hex",
    "ENC/cipher_leet",
    "ENC/unicode_tricks",
    "RAG/document_injection",
    "RAG/email_injection",
)

SOURCE_FACTORS: dict[str, float] = {
    # Templates: the same sentences recur many times.
    "authored templates": 0.5,
    "authored look-alikes and tool outputs": 0.7,
    "extra authored: buried in long documents with clean twins": 0.7,
    "extra authored: indirect injections with clean twins": 0.7,
    # Labels that are doubtful out of context, or fragments.
    "prompt-armor known_attacks.jsonl / SaTML CTF 2024 (ethz-spylab)": 0.5,
    "swisskyrepo/PayloadsAllTheThings": 0.5,
    "agent-redteam (PyPI)": 0.5,
    # Benign role play and personas: the nearest thing to harmless prompts in an attack's form.
    "teknium1/GPTeacher Roleplay": 3.0,
    "danielmiessler/fabric": 2.0,
    "f/awesome-chatgpt-prompts": 2.0,
    "PlexPt/awesome-chatgpt-prompts-zh": 1.5,
    "langgptai/LangGPT": 1.5,
    # Scarce kinds: code execution with both labels, and languages.
    "AI-secure/RedCode": 1.5,
    "extra authored: code interpreter and agent abuse": 2.0,
    "extra authored: multilingual sentences": 1.5,
}
"""Factors on the square-root weight of a source (1.0 where a source is not named)."""

CALIBRATION_SOURCES: tuple[str, ...] = (
    "mosaicml/llm-foundry dolly_hhrlhf sample",
    "GSA/digitalgov.gov",
    "ShishirPatil/gorilla APIBench",
    "princeton-nlp/WebShop",
    "huggingface/course",
    "sierra-research/tau-bench",
    "PyRIT (PyPI pyrit)",
    "forcefield (PyPI)",
    "JailbreakBench/artifacts PAIR",
)
"""Sources kept out of training as a whole: the calibration split must not share their style."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All hyper-parameters, by default those of the final stage.

    Lengths are in tokens, rates are probabilities per example.
    """

    seed: int = 22
    # Data.
    corpora: str = "train,extra_benign,extra_attacks"
    calibration_share: float = 0.04
    examples: int = 76_000
    attack_share: float = 0.42
    hard_share: float = 0.08
    authored_share: float = 0.0
    # Augmentation.
    plant_rate: float = 0.25
    task_rate: float = 0.3
    obfuscate_rate: float = 0.04
    dress_rate: float = 0.35
    # Model and optimisation.
    max_tokens: int = 192
    batch_size: int = 64
    learning_rate: float = 1e-4
    layer_decay: float = 0.9
    head_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_share: float = 0.06
    label_smoothing: float = 0.05
    label_weight: float = 1.0
    kind_loss_weight: float = 0.6
    tuned_embeddings: bool = True

    def digest(self) -> str:
        """SHA-256 over all fields, to tell one trained model from another."""
        return hashlib.sha256(repr(dataclasses.asdict(self)).encode()).hexdigest()


STAGES: dict[str, Recipe] = {
    "first": Recipe(
        seed=20,
        examples=75_000,
        max_tokens=128,
        learning_rate=1.5e-4,
        plant_rate=0.15,
        task_rate=0.0,
        dress_rate=0.25,
    ),
    "second": Recipe(seed=21, examples=16_000, max_tokens=256, dress_rate=0.25),
    "final": Recipe(),
}
"""What ``train.py --stage`` runs. Hard rows are mined with the model of the second stage."""

DISTILLATION = Recipe(
    seed=40,
    examples=300_000,
    max_tokens=160,
    learning_rate=5e-4,
    layer_decay=1.0,
    plant_rate=0.3,
)
"""The draw and the optimisation of the v1.1 student."""

REFINEMENTS: dict[str, Recipe] = {
    "v1.0": Recipe(
        seed=52,
        examples=30_000,
        hard_share=0.05,
        authored_share=0.35,
        label_weight=0.4,
        kind_loss_weight=0.2,
        learning_rate=7e-5,
        head_learning_rate=2e-4,
        tuned_embeddings=False,
    ),
    "v1.1": Recipe(
        seed=60,
        examples=50_000,
        hard_share=0.05,
        authored_share=0.35,
        label_weight=0.2,
        kind_loss_weight=0.2,
        max_tokens=160,
        learning_rate=3e-4,
        layer_decay=1.0,
    ),
}
"""What ``refine.py --model`` runs: the last stage of each model."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--set name=value`` to a command."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="change a recipe field"
    )


def from_arguments(pairs: list[str], recipe: Recipe) -> Recipe:
    """The recipe with the fields of ``--set`` replaced, each cast to the field's own type."""
    for pair in pairs:
        name, _, value = pair.partition("=")
        if not hasattr(recipe, name):
            raise SystemExit(f"--set {pair}: the recipe has no field {name!r}")
        current = getattr(recipe, name)
        recipe = dataclasses.replace(recipe, **{name: type(current)(value)})
    return recipe
