"""Answers drawn from stated laws, where no recording with a usable licence shows a regime.

A problem's law is the probability p of its right answer and those of its rivals; each sample is drawn from it alone.
"""

from collections.abc import Callable, Sequence
from random import Random

from ponder.nodes.ports import Reply
from tests.benchmarks.replay.recordings import Question, Sample

QUESTIONS, SAMPLES = 500, 40

Law = tuple[float, Sequence[float]]


def agreeing(random: Random) -> Law:
    """A model that mostly agrees with itself, rightly or wrongly: p from Beta(0.55, 0.13), 0.81 on average.

    What is left falls to 1, 2 or 4 rivals in unequal parts (squares of exponential lots).
    """
    p = random.betavariate(0.55, 0.13)
    lots = [random.expovariate(1) ** 2 for _ in range(random.choice((1, 2, 4)))]
    return p, [(1 - p) * lot / sum(lots) for lot in lots]


def contested(random: Random) -> Law:
    """A model that often wavers: p even over 0.2 to 0.8, and one rival gets half to nine tenths of what is left."""
    p, part = random.uniform(0.2, 0.8), random.uniform(0.5, 0.9)
    return p, [(1 - p) * part, *[(1 - p) * (1 - part) / 4] * 4]


def drawn(law: Callable[[Random], Law]) -> Callable[[int], list[Question]]:
    """Return what draws problems from a law."""

    def draw(seed: int) -> list[Question]:
        random = Random(f"{law.__name__}/{seed}")  # noqa: S311 - nothing secret
        return [question(random, law, number) for number in range(QUESTIONS)]

    return draw


def question(random: Random, law: Callable[[Random], Law], number: int) -> Question:
    """Draw one problem; answer 0 is right."""
    p, rivals = law(random)
    answers = random.choices(range(1 + len(rivals)), [p, *rivals], k=SAMPLES)
    replies = tuple(Sample(Reply(f"Answer: {answer}")) for answer in answers)
    return Question(str(number), law.__name__, f"What is the answer to problem {number}?", "0", replies)


LAWS = {law.__name__: drawn(law) for law in (agreeing, contested)}
