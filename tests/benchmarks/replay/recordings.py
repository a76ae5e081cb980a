"""Recorded samples: a file of JSON lines, plain or gzipped, one problem a line; what is not recorded may be missing."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ponder.nodes.answers import equal, extract, infer_type
from ponder.nodes.ports import Reply
from ponder.state.budget import Usage
from ponder.state.run import Finish

GAME24 = "Use the numbers {} once each, with + - * / and brackets, to make 24."
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Sample:
    """One recorded reply."""

    reply: Reply
    passed: bool | None = None
    """What the recording's exact verifier said; None where there was none."""


@dataclass(frozen=True)
class Question:
    """A problem, how it was answered before, and the right answer."""

    id: str
    family: str
    text: str
    gold: str | None
    """None: a verifier decides."""
    samples: tuple[Sample, ...]
    greedy: Sample | None = None

    @property
    def verified(self) -> bool:
        """Whether a verifier decides, by what it said when the samples were recorded."""
        return self.gold is None

    def is_right(self, answer: str | None) -> bool:
        """Compare an answer with the gold one, as ponder compares answers."""
        return answer is not None and equal(answer, self.gold or "", infer_type(self.text))

    def good(self) -> int:
        """Count the samples that are right; a truncated one holds no answer."""
        if self.verified:
            return sum(bool(sample.passed) for sample in self.samples)
        kind = infer_type(self.text)
        whole = [sample.reply.text for sample in self.samples if sample.reply.finish in {"stop", "other"}]
        return sum(self.is_right(found.raw) for text in whole if text.strip() and (found := extract(text, kind)))


def load(path: Path) -> list[Question]:
    """Read a file of recorded samples.

    Raises:
        ValueError: a line is not of the format; it names file and line.

    """
    return list(read(path))


def read(path: Path) -> Iterator[Question]:
    """Yield the problems of a file."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if data.startswith(GZIP) else data).decode()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield question(json.loads(line), number)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}:{number} is no recorded problem: {type(error).__name__}: {error}") from error


def question(line: dict[str, Any], number: int) -> Question:
    """Read one line: `question` or `numbers`, `answer` unless the samples say `passed`, and `samples`."""
    samples = tuple(map(sample, line["samples"]))
    verified = all(one.passed is not None for one in samples)
    if not samples or not (verified or line.get("answer") is not None):
        raise ValueError("there are no samples, or neither `answer` nor `passed` says which are right")
    return Question(
        id=str(line.get("id", number)),
        family=str(line.get("family") or "all"),
        text=str(line.get("question") or GAME24.format(" ".join(map(str, line["numbers"])))),
        gold=None if verified else str(line["answer"]),
        samples=samples,
        greedy=sample(line["greedy"]) if line.get("greedy") else None,
    )


def sample(given: dict[str, Any]) -> Sample:
    """Read one sample; without a text its recorded answer stands for it."""
    text, answer = given.get("text"), given.get("answer")
    if text is None:
        text = "" if answer is None else f"Answer: {answer}"
    read_, wrote = given.get("prompt_tokens"), given.get("completion_tokens")
    usage = None if wrote is None else Usage(input_tokens=read_ or 0, output_tokens=wrote)
    finish = cast("Finish", given.get("finish") or "stop")
    return Sample(Reply(str(text), finish, usage, given.get("mean_logprob")), given.get("passed"))
