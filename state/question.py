"""What a run asks a person for, where answers are tied or in doubt: carried by LangGraph's interrupt, as JSON."""

from typing import Literal

from .run import Frozen


class Finalist(Frozen):
    """One of several answers that nothing tells apart."""

    number: int
    """From 1: what a person is to name."""
    answer: str
    votes: int
    text: str
    """The whole text of a candidate that gave the answer."""


class Question(Frozen):
    """What a run that waits for a person wants to know."""

    asks: Literal["Which answer is right? Name its number."] = "Which answer is right? Name its number."
    problem: str
    finalists: list[Finalist]
    error: str = ""
    """What was wrong with the last reply."""
