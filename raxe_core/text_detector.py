"""TextDetector: tokenizer, windows and judgement around any runtime's forward pass.

A runtime plugin brings the forward pass; what is the same for every runtime stands here, once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from raxe_core.detector import DetectionResult, Span
from raxe_core.errors import ModelLoadError, RaxeError, RuntimeUnavailableError, UsageError
from raxe_core.manifest import InputSpec, Manifest
from raxe_core.scoring import HeadValues, Scorer, threat_log_odds

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

    from raxe_core.explanation import Explanation

__all__ = ["Forward", "TextDetector"]

# (windows, heads) -> the values of those heads for each window.
Forward = Callable[[Sequence[Sequence[int]], Sequence[str]], Sequence[HeadValues]]

# A longer text is tokenized in segments, and windows are run in blocks: memory stays bounded.
SEGMENT_CHARACTERS = 50_000
SEGMENT_OVERLAP = 2_000
BLOCK_WINDOWS = 256
# A shorter text most likely has one window; where it has more, it is tokenized a second time.
SHORT_CHARACTERS = 1_000
# A longer text is refused, so that the time for one text is bounded.
MAX_CHARACTERS = 1_000_000
MAX_TOKENS = 500_000


class _Window(NamedTuple):
    """One window of one text; its segment starts at character ``base``."""

    text: int
    base: int
    encoding: Encoding


class _Best(NamedTuple):
    """The highest-scoring window of a text so far."""

    score: float
    window: _Window
    values: HeadValues


class TextDetector:
    """A detector for models that read token ids.

    ``forward(windows, heads)`` gets lists of token ids, each at most ``max_tokens`` long, and
    returns for each window the logits of the heads (and the embedding, when asked for it); what it
    returns for a window must not depend on its neighbours. ``release`` is called once, on close.

    Raises:
        ModelLoadError: ``tokenizer_json`` is not a tokenizer.
        RuntimeUnavailableError: the library ``tokenizers`` is not installed.
    """

    def __init__(
        self,
        model_id: str,
        manifest: Manifest,
        tokenizer_json: bytes,
        forward: Forward,
        release: Callable[[], None] = lambda: None,
    ) -> None:
        self.model_id = model_id
        self.manifest = manifest
        self._tokenizer = _load_tokenizer(model_id, manifest.input, tokenizer_json)
        self._scorer = Scorer(model_id, manifest.outputs)
        self._forward = forward
        self._release: Callable[[], None] | None = release
        heads = ("binary", "family", "subfamily")
        self._heads = tuple(name for name in heads if getattr(manifest.outputs, name) is not None)

    def analyze(self, text: str, l1_results: Any = None) -> DetectionResult:
        """Judge one text. The window with the highest score decides, and is the evidence."""
        started = time.perf_counter()
        if len(text) <= SHORT_CHARACTERS:
            encoding = self._encode(text)
            ids = encoding.ids
            if len(ids) < self.manifest.input.max_tokens or not encoding.overflowing:
                # In one piece: an inference leaves the processor's caches full of the model, and
                # each function called after it takes several times as long as usual.
                scorer = self._scorer
                try:
                    (values,) = self._forward((ids,), self._heads)
                    score = scorer.threat_probability(values)
                    evidence = None
                    if score >= scorer.threshold:
                        evidence = _span(0, encoding, len(text))
                    return scorer.judge(values, score, evidence, started)
                except (RaxeError, KeyboardInterrupt):
                    raise
                except BaseException as error:  # a plugin may even call sys.exit
                    raise self._undecided("runtime", error) from error
        (best,) = self._decide((text,), self._heads)
        return self._result(text, best, started)

    def analyze_batch(self, texts: Sequence[str]) -> list[DetectionResult]:
        """Judge texts; ``processing_time_ms`` is each text's share of the whole time."""
        started = time.perf_counter()
        decided = self._decide(texts, self._heads)
        pairs = zip(texts, decided, strict=True)
        results = [self._result(text, best, started) for text, best in pairs]
        share = (time.perf_counter() - started) * 1e3 / max(len(texts), 1)
        return [result._replace(processing_time_ms=share) for result in results]

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector of length 1 per text: the mean over its windows.

        Raises:
            RaxeError: the model has no embedding output.
        """
        if self.manifest.outputs.embedding is None:
            raise RaxeError(f"Model {self.model_id} has no embedding output.")
        sums: list[list[float]] = [[] for _ in texts]
        for block in self._blocks(texts):
            for window, values in zip(block, self._run(block, ("embedding",)), strict=True):
                vector, known = values["embedding"], sums[window.text]
                known = known or [0.0] * len(vector)
                sums[window.text] = [a + b for a, b in zip(known, vector, strict=True)]
        return [_normalized(vector) for vector in sums]

    def explain(self, text: str) -> Explanation:
        """Return the window that decided, and the weight of each of its words; see Explanation.

        It costs as much as judging up to 65 windows.
        """
        from raxe_core.explanation import Explanation, word_groups

        head = self.manifest.outputs.binary
        (best,) = self._decide((text,), ("binary",))
        groups = word_groups(best.window.encoding, text, best.window.base)
        without = self._values([group.rest for group in groups], ("binary",)) if groups else ()
        whole = threat_log_odds(head, best.values["binary"])
        weights = [
            (group.span, whole - threat_log_odds(head, values["binary"]))
            for group, values in zip(groups, without, strict=True)
        ]
        weights.sort(key=lambda item: -item[1])
        evidence = _span(best.window.base, best.window.encoding, len(text))
        return Explanation(evidence, best.score, tuple(weights))

    @property
    def vocabulary_size(self) -> int:
        """The number of tokens that the tokenizer knows."""
        return self._tokenizer.get_vocab_size(with_added_tokens=True)

    def close(self) -> None:
        """Free the model's memory; closing twice is fine."""
        release, self._release = self._release, None
        if release is not None:
            self._forward = _closed(self.model_id)
            release()

    def _decide(self, texts: Sequence[str], heads: Sequence[str]) -> list[_Best]:
        """Return each text's window with the highest score; an empty text has a window too."""
        best: dict[int, _Best] = {}
        for block in self._blocks(texts):
            for window, values in zip(block, self._run(block, heads), strict=True):
                score = self._scorer.threat_probability(values)
                known = best.get(window.text)
                if known is None or score > known.score:
                    best[window.text] = _Best(score, window, values)
        return [best[number] for number in range(len(texts))]

    def _run(self, block: Sequence[_Window], heads: Sequence[str]) -> Sequence[HeadValues]:
        return self._values([window.encoding.ids for window in block], heads)

    def _blocks(self, texts: Sequence[str]) -> Iterator[list[_Window]]:
        """Yield the windows of all texts, so many at a time as memory holds."""
        block: list[_Window] = []
        for number, text in enumerate(texts):
            for window in self._windows(number, text):
                block.append(window)
                if len(block) == BLOCK_WINDOWS:
                    yield block
                    block = []
        if block:
            yield block

    def _values(
        self, windows: Sequence[Sequence[int]], heads: Sequence[str]
    ) -> Sequence[HeadValues]:
        """Run the model over some windows.

        Raises:
            RaxeError: the detector is closed, or the runtime failed.
        """
        try:
            values = self._forward(windows, heads)
            if len(values) != len(windows) or not all(map(set(heads).issubset, values)):
                raise ValueError("the values are not those of every window and head")
            return values
        except (RaxeError, KeyboardInterrupt):
            raise
        except BaseException as error:  # a plugin may even call sys.exit
            raise self._undecided("runtime", error) from error

    def _undecided(self, part: str, error: BaseException) -> RaxeError:
        """Its message may hold the text, so only its type is told on."""
        return RaxeError(
            f"The {part} of model {self.model_id} failed with {type(error).__name__}, so the text "
            f"is undecided. Check it with: raxe models validate {self.model_id}"
        )

    def _windows(self, number: int, text: str) -> Iterator[_Window]:
        if len(text) > MAX_CHARACTERS:
            raise UsageError(
                f"A text of {len(text):,} characters is longer than the {MAX_CHARACTERS:,} that "
                "are judged as one. Split it."
            )
        tokens = 0
        for base in range(
            0, max(len(text) - SEGMENT_OVERLAP, 1), SEGMENT_CHARACTERS - SEGMENT_OVERLAP
        ):
            encoding = self._encode(text[base : base + SEGMENT_CHARACTERS])
            encodings = [encoding, *encoding.overflowing]
            tokens += sum(map(len, encodings))
            if tokens > MAX_TOKENS:
                raise UsageError(
                    f"A text of {len(text):,} characters has more than the {MAX_TOKENS:,} tokens "
                    "that are judged as one. Split it."
                )
            for window in encodings:
                yield _Window(number, base, window)

    def _encode(self, text: str) -> Encoding:
        if not text.isascii():
            # Half a surrogate pair is no character; the model gets the replacement character.
            text = text.encode("utf-8", "replace").decode("utf-8")
        try:
            return self._tokenizer.encode(text)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the native library panics beside Exception
            raise self._undecided("tokenizer", error) from error

    def _result(self, text: str, best: _Best, started: float) -> DetectionResult:
        evidence = None
        if best.score >= self._scorer.threshold:
            evidence = _span(best.window.base, best.window.encoding, len(text))
        return self._scorer.judge(best.values, best.score, evidence, started)


def _span(base: int, encoding: Encoding, length: int) -> Span:
    """Return the characters that the tokens of a window cover; it starts at ``base``."""
    special, offsets = encoding.special_tokens_mask, encoding.offsets
    if 0 not in special:
        return Span(0, length)
    first, last = special.index(0), len(special) - 1 - special[::-1].index(0)
    return Span(base + offsets[first][0], base + offsets[last][1])


def _closed(model_id: str) -> Forward:
    """Return what a closed detector of the model has for a forward pass."""

    def refuse(*_: Any) -> Sequence[HeadValues]:
        raise RaxeError(f"The detector of model {model_id} is closed. Create a new one.")

    return refuse


def _load_tokenizer(model_id: str, spec: InputSpec, data: bytes) -> Tokenizer:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise RuntimeUnavailableError(
            f"Model {model_id} needs the library tokenizers: pip install tokenizers"
        ) from None
    try:
        tokenizer: Tokenizer = Tokenizer.from_str(data.decode("utf-8"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(spec.max_tokens, stride=spec.window_overlap)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the native library panics beside Exception
        raise ModelLoadError(
            f"Model {model_id}: tokenizer.json is not a tokenizer: {error}"
        ) from error
    return tokenizer


def _normalized(vector: list[float]) -> list[float]:
    length = sum(x * x for x in vector) ** 0.5 or 1.0
    return [x / length for x in vector]
