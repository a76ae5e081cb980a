"""What a model wrote as short text without control characters, and a candidate in a few words."""

import shlex
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from ...state.budget import Spent
    from ...state.run import Assessment, Candidate, Verdict

WIDTH = 60
"""Characters of a model's text in one line."""


def on_terminal(stream: IO[str] | None) -> bool:
    """Say whether a stream is a terminal; a command that was started with one closed has none."""
    return stream is not None and stream.isatty()


def plain(text: str, width: int = WIDTH) -> str:
    """Make a model's text safe for a terminal: one short line without control characters."""
    line = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(line.split())
    return cut(line, width)


def quoted(word: str) -> str:
    """Write a word for the shell; what a terminal might obey, in the notation of bash and zsh."""
    if word.isprintable():
        return shlex.quote(word)
    kept = {byte: chr(byte) for byte in range(32, 127) if chr(byte) not in "'\\"}
    return "$'" + "".join(kept.get(byte, f"\\x{byte:02x}") for byte in word.encode(errors="surrogateescape")) + "'"


def cut(line: str, width: int) -> str:
    """Cut a line that is too long, behind a word where one ends in its last third."""
    if len(line) <= width:
        return line
    kept = line[: width - 1]
    word = kept.rfind(" ") if line[width - 1] != " " else len(kept)
    return (kept[:word].rstrip() if word >= width * 2 // 3 else kept) + "…"


def counted(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def level(found: "Assessment") -> str:
    """Write the level of an assessment in words."""
    return found.level.replace("_", " ")


def made(spent: "Spent", allowed: int | None = None, unsettled: int = 0, standing: str = "") -> str:
    """Tell how many calls were made, of those allowed, and how many besides are lost or not known to have ended."""
    told = counted(spent.calls, "call") if allowed is None else f"{spent.calls} of {counted(allowed, 'call')}"
    lost = f" and {spent.lost} lost" if spent.lost else ""
    return f"{told}{lost}" + (f", {unsettled} {standing}" if unsettled else "")


def cells(candidate: "Candidate") -> tuple[str, ...]:
    """Describe a candidate in five short cells."""
    sure = "" if candidate.confidence is None else f"{candidate.confidence:.2f}"
    return (candidate.branch, candidate.strategy, outcome(candidate), sure, plain(candidate.text, 40))


def objection(candidate: "Candidate") -> str:
    """Return why the verifier did not pass it; empty where it did, or says nothing."""
    verdict = candidate.verdict
    return plain(remark(verdict), 120) if verdict is not None and verdict.passed is False else ""


def remark(verdict: "Verdict") -> str:
    """Return what a verifier says beside its score: what to do better, or why it could not tell."""
    failed = verdict.failed and f"verifier failed: {verdict.failed}"
    return "\n".join(dict.fromkeys(filter(None, (verdict.feedback, failed))))


def outcome(candidate: "Candidate", width: int = 30) -> str:
    """Return the answer, or why there is none."""
    if candidate.error:
        return plain(candidate.error, width + 10)
    if candidate.raw is None:
        return "cut off" if candidate.finish == "length" else "no answer"
    passed = candidate.verdict.passed if candidate.verdict else None
    return plain(candidate.raw, width) + {True: " ✓", False: " ✗", None: ""}[passed]
