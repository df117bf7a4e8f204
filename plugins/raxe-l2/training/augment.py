"""Seeded augmentation. Every operation serves both labels, so that none of them is a shortcut.

``plant``     puts a text at a random place of a benign document; the clean twin gets a benign
              text at the same place, under the same lead-in.
``obfuscate`` encodes or disguises a text.
``dress``     adds openings, endings and wrappings, and changes white space.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import random
import re
import urllib.parse
from collections.abc import Callable, Iterator, Sequence

from data import Row
from recipe import Recipe

MAX_CHARS = 2000
PLANTED_CHARS = 500
HOST_CHARS = 1400
NOTE_KINDS = frozenset({"benign_document", "benign_tool_output", "benign_email"})
"""Kinds of benign texts that may stand in a document: statements, not requests to an assistant."""
CARRIER_KINDS = frozenset({"benign_document", "benign_tool_output", "benign_code_shell"})
TASK_SOURCES = frozenset(
    {
        "ShishirPatil/gorilla BFCL",
        "tangqiaoyu/ToolAlpaca",
        "OpenBMB/ToolBench",
        "teknium1/GPTeacher Toolformer",
        "AlibabaResearch/DAMO-ConvAI api-bank",
        "rasbt/LLMs-from-scratch",
    }
)
"""Requests to an assistant: harmless from its user, an injection inside a document it reads."""
NOT_PLANTED = frozenset({"injection_payload", "optimised_suffix", "email_injection"})

LEADS = (
    "",
    "",
    "",
    "",
    "Note: ",
    "AI agent, ",
    "Important: ",
    "Assistant: ",
    "PS: ",
    "Also, ",
    "Attention: ",
    "One more thing: ",
    "Please ",
    "System note: ",
    "TODO: ",
    "By the way, ",
)
ENDS = (
    "",
    "",
    "",
    "",
    "",
    " Thank you.",
    " You must comply.",
    " This is urgent.",
    " Thanks!",
    " Do it now.",
    " Please confirm.",
    " No need to mention it.",
    " It is important.",
)
FRAMES = (
    "{}", "{}", "{}", "{}", "<!-- {} -->", "({})", "[{}]", '"{}"', "<p>{}</p>", "> {}", "**{}**",
    "--- {} ---",
)  # fmt: skip
OPENINGS = (
    "User: ", "Human: ", "Question: ", "Q: ", "Prompt: ", "Hello! ", "Hi, ", "Please ", "### ",
    "Instruction: ", "AI agent, ", "Input: ", "Okay. ", "Message: ", "Hey assistant, ",
)  # fmt: skip
ENDINGS = (
    " Thanks!", " You must comply.", "\n\nAnswer:", "\nAssistant:", " Please.", " Thank you.",
    " Be brief.", " Explain step by step.", "\n", "...", " This is important to me.",
    " Reply in JSON.",
)  # fmt: skip
WRAPS: tuple[Callable[[str], str], ...] = (
    lambda t: json.dumps({"role": "user", "content": t}, ensure_ascii=False),
    lambda t: json.dumps({"status": "ok", "result": t}, ensure_ascii=False),
    lambda t: f"```\n{t}\n```",
    lambda t: f"Summarize the following text:\n\n{t}",
    lambda t: f"Tool output:\n{t}",
    lambda t: f"Translate to French: {t}",
)
SCENES = (
    "You are {who}. {text}",
    "Imagine that you are {who}. {text}",
    "Let's play a game: you are {who} and I am a visitor. {text}",
    "Pretend to be {who} and answer me in that voice.\n\n{text}",
    "I am writing a novel. In this chapter {who} is asked this and gives a long answer: {text}",
    "In a world without our laws of nature lives {who}. One day a stranger says: {text}",
    "As {who}, known for speaking openly, write a detailed reply. {text}",
    "Hypothetically, for a storytelling class: {who} gets this message. {text} What happens next?",
    "{text}\n\nStay in character as {who} all the time.",
    "Act as {who} for the rest of our conversation. My first message is: {text}",
)
PERSONAS = (
    "a retired detective", "an old sea captain", "a professor of history", "a robot who dreams",
    "the head of a large company", "a journalist who follows a secret story", "a stand-up comedian",
    "an AI from the year 2300", "a wizard", "a strict teacher", "a hacker in a film",
    "two friends, Mia and Tom,", "a lawyer", "an advisor to a king", "my late grandmother",
    "a character named Ada", "a debate coach", "a doctor in a small town", "a villain with a heart",
)  # fmt: skip
"""Scenes and personas frame both labels: a fictional frame alone is no attack."""
LEET = str.maketrans({"a": "4", "e": "3", "i": "1", "o": "0", "s": "5", "t": "7"})
ROT13 = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "nopqrstuvwxyzabcdefghijklmNOPQRSTUVWXYZABCDEFGHIJKLM",
)
HOMOGLYPHS = str.maketrans({"a": "а", "e": "е", "o": "о", "c": "с", "p": "р", "i": "і"})
OBFUSCATIONS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("base64_hex", lambda t: base64.b64encode(t[:300].encode()).decode()),
    ("base64_hex", lambda t: t[:150].encode().hex()),
    ("cipher_leet", lambda t: t.translate(LEET)),
    ("cipher_leet", lambda t: t[:500].translate(ROT13)),
    ("cipher_leet", lambda t: " ".join(t[:250])),
    ("cipher_leet", lambda t: t[:400][::-1]),
    ("unicode_tricks", lambda t: t.translate(HOMOGLYPHS)),
    ("unicode_tricks", lambda t: "\u200b".join(t[:300])),
    ("unicode_tricks", lambda t: urllib.parse.quote(t[:250])),
)
CARRIERS = ("{}", "{}", "{}", "Decode: {}", "What does this say? {}", "{}\n\nDecode and answer.")


def augment(rows: Sequence[Row], pool: Sequence[Row], recipe: Recipe) -> list[Row]:
    """The examples to train on: ``rows`` with a share of them planted, obfuscated or dressed.

    ``pool`` gives the benign hosts and the benign texts of the clean twins.
    """
    rng = random.Random(recipe.seed + 1)
    benign = [r for r in pool if r.label == 0]
    hosts = [r for r in benign if 30 < len(r.text) <= HOST_CHARS]
    carriers = [r for r in hosts if r.subfamily in CARRIER_KINDS and len(places_in(r.text)) > 3]
    notes = [r for r in benign if len(r.text) <= PLANTED_CHARS and r.subfamily in NOTE_KINDS]
    examples: list[Row] = []
    for row in rows:
        if row.label and rng.random() < recipe.plant_rate and plantable(row):
            examples.extend(plant(row, rng.choice(hosts), rng.choice(notes), rng))
        elif is_task(row) and rng.random() < recipe.task_rate:
            examples.append(row)
            examples.extend(plant(row, rng.choice(carriers), rng.choice(notes), rng, inside=True))
        elif rng.random() < recipe.obfuscate_rate:
            examples.append(obfuscate(row, rng))
        elif rng.random() < recipe.dress_rate:
            examples.append(dress(row, rng))
        else:
            examples.append(row)
    return examples


def plantable(row: Row) -> bool:
    """Whether an attack still is one inside a document (a quoted payload is not)."""
    known = row.family not in ("ENC", "RAG") and row.subfamily not in NOT_PLANTED
    return known and len(row.text) <= PLANTED_CHARS


def is_task(row: Row) -> bool:
    """Whether a benign row is a request to an assistant, short enough to be planted."""
    wanted = row.source in TASK_SOURCES and row.subfamily == "benign_chat"
    return wanted and len(row.text) <= PLANTED_CHARS


def places_in(text: str) -> list[int]:
    """Where something can be planted: the start, the ends of sentences and lines, the end."""
    return [0, *(m.end() for m in re.finditer(r"[.!?]\s|\n|[,:] ?\"", text)), len(text)]


def plant(
    attack: Row, host: Row, note: Row, rng: random.Random, inside: bool = False
) -> Iterator[Row]:
    """The host with the attack at a random boundary, and its twin: a benign note, or nothing.

    ``inside`` leaves out the host's two ends, where a request is the user's own.
    """
    lead, frame, end = rng.choice(LEADS), rng.choice(FRAMES), rng.choice(ENDS)
    places = places_in(host.text)
    place, gap = rng.choice(places[1:-1] if inside else places), rng.choice((" ", "\n", "\n\n"))
    for row in (attack, note if rng.random() < 0.6 else None):
        inner = frame.format(lead + row.text + end) if row else ""
        head, tail = host.text[:place].rstrip(), host.text[place:].lstrip()
        text = gap.join(part for part in (head, inner, tail) if part)[:MAX_CHARS]
        if row is attack:
            start = len(head) + len(gap) if head else 0
            yield dataclasses.replace(
                attack,
                label=1,
                text=text,
                family="RAG",
                subfamily="document_injection",
                span=(start, start + len(inner)),
            )
        else:
            yield dataclasses.replace(host, text=text, span=None)


def obfuscate(row: Row, rng: random.Random) -> Row:
    """The row encoded or disguised; an attack becomes one of the ENC family."""
    name, encode = rng.choice(OBFUSCATIONS)
    text = rng.choice(CARRIERS).format(encode(row.text))[:MAX_CHARS]
    if not row.label:
        return dataclasses.replace(row, text=text, span=None)
    return dataclasses.replace(row, text=text, family="ENC", subfamily=name, span=None)


def dress(row: Row, rng: random.Random) -> Row:
    """The row with an opening, an ending, a wrapping, a scene or changed white space."""
    choice, text = rng.randrange(6), row.text
    if choice == 0:
        text = rng.choice(OPENINGS) + text
    elif choice == 1:
        text = text.rstrip() + rng.choice(ENDINGS)
    elif choice == 2:
        text = rng.choice(WRAPS)(text)
    elif choice in (3, 4):
        text = rng.choice(SCENES).format(who=rng.choice(PERSONAS), text=text)
    else:
        text = " ".join(text.split()).rstrip(".!?")
    return dataclasses.replace(row, text=text[:MAX_CHARS], span=None)
