"""An assistant behind RAXE: what a user writes is judged before the assistant reads it.

    python examples/guarded_chat.py < questions.txt

The model comes from the configuration: switch it with ``raxe models set-default``, and this program
uses the new one from the next question on, without a restart.
"""

from __future__ import annotations

import sys

from raxe_core import Raxe, RaxeError, ThreatBlockedError


def main() -> None:
    """Answer each line of standard input."""
    with Raxe() as raxe:

        @raxe.protect
        def answer(question: str) -> str:
            """Stand in for the call of a language model."""
            return f"You asked: {question}"

        for line in sys.stdin:
            try:
                print(answer(line.strip()))
            except ThreatBlockedError as error:
                print(f"I cannot read that. {error}")


if __name__ == "__main__":
    try:
        main()
    except RaxeError as error:  # no model can be used, or the configuration is wrong
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
