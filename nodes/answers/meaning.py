"""What an answer is once it is read: the key that equal answers share."""

from dataclasses import dataclass

from ...state.run import AnswerType

LONGEST = 2000
"""Characters of an answer that is looked into; a longer one is text."""


@dataclass(frozen=True)
class Meaning:
    """What equal answers share, and what they might also be."""

    key: str
    """Equal answers have equal keys."""
    aliases: frozenset[str] = frozenset()
    """Keys of what it might also be written as: `5 km` without its unit, `x = 5` without its name."""

    def named(self, key: str, *aliases: str) -> "Meaning":
        """Return the meaning of the same thing with something said about it."""
        return Meaning(key, self.aliases | {self.key, *aliases})


@dataclass(frozen=True)
class Extracted:
    """An answer found in a text."""

    raw: str
    canonical: str
    type: AnswerType
    aliases: tuple[str, ...] = ()
    """See `Meaning.aliases`."""
