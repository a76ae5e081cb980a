"""A cheap model first, a stronger one where it leaves the answer open.

FrugalGPT, Chen et al. 2023, arXiv:2305.05176.
"""

from dataclasses import dataclass

from .pool import Pool


@dataclass(frozen=True)
class Cascade(Pool):
    """A pool whose members are ordered from the cheapest to the strongest.

    The first one is probed; each window of samples asks the next one up, and what works on candidates the last. The
    votes of the highest one heard decide (`View.votes`), because a cheap model's errors agree with each other.
    """

    @property
    def name(self) -> str:
        """The names of all members; a reply names the one that gave it."""
        return " > ".join(member.name for member in self.members)

    def turn(self, place: str) -> int:
        """Return whose turn it is at a place, at the first attempt."""
        branch, window = place.split("-")[1:3]
        top = len(self.members) - 1
        steps = {"assess": 0, "direct": 0, "parallel": 1 + int(window)}
        return min(steps.get(branch, top), top)
