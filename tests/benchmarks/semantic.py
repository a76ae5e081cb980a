"""Is the text most like the others a better one? Recorded solutions whose answers are known, taken for free texts.

`uv run python -m tests.benchmarks.semantic [--draws 10]`

171 problems, 32 solutions each, of SmolLM2-135M; the medoid by the embeddings of the extra `semantic` sees the texts
alone. Beside it: a text drawn at random, the vote over the answers, and what the drawn texts contain. Intervals: 95%,
problems drawn again.
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence
from statistics import fmean

from ponder.nodes.models.embedding import LocalEmbedder
from ponder.nodes.selectors.medoid import likeness
from tests.benchmarks.live import problems
from tests.benchmarks.replay.measure import interval
from tests.benchmarks.selection import candidates, plain

COUNTS = (4, 8, 16)


def main() -> None:
    """Print the share of right choices by each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=10)
    draws = parser.parse_args().draws
    embedder, seconds = LocalEmbedder(), 0.0
    read = []
    for problem in problems(10_000):
        begun = time.process_time()
        vectors = embedder.embed([sample["text"] for sample in problem["samples"][:32]])
        seconds += time.process_time() - begun
        read.append((problem["id"], list(candidates(problem)), vectors))
    print(f"{seconds:.1f} s for {sum(len(vectors) for *_, vectors in read)} texts")
    for count in COUNTS:
        rates: dict[str, list[float]] = {"random": [], "medoid": [], "vote": [], "contained": []}
        for number, votes, vectors in read:
            chance = random.Random(f"{number}/{count}")  # noqa: S311 - no secret
            drawn = [chance.sample(range(len(votes)), count) for _ in range(draws)]
            good = [bool(item.verdict and item.verdict.passed) for item in votes]

            def nearest(places: Sequence[int], vectors: Sequence[Sequence[float]] = vectors) -> int:
                alike = likeness([vectors[place] for place in places])
                return places[max(range(len(places)), key=alike.__getitem__)]

            ways: dict[str, Callable[[list[int]], float]] = {
                "random": lambda places, good=good: fmean(good[place] for place in places),  # type: ignore[misc]
                "medoid": lambda places, good=good, nearest=nearest: good[nearest(places)],  # type: ignore[misc]
                "vote": lambda places, votes=votes: plain([votes[place] for place in places]),  # type: ignore[misc]
                "contained": lambda places, good=good: any(good[place] for place in places),  # type: ignore[misc]
            }
            for name, way in ways.items():
                rates[name].append(fmean(way(places) for places in drawn))
        gain = [one - other for one, other in zip(rates["medoid"], rates["random"], strict=True)]
        mean, low, high = (100 * value for value in (fmean(gain), *interval(gain)))
        told = "  ".join(f"{name} {100 * fmean(rate):.1f}%" for name, rate in rates.items())
        print(f"{count:3} texts: {told}  medoid over random {mean:+.1f} ({low:+.1f} to {high:+.1f})")


if __name__ == "__main__":
    main()
