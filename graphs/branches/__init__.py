"""The ways to spend compute: one file each, all alike, and the one registry."""

from dataclasses import dataclass

from ...nodes.dispatch import Plan
from ...nodes.flight import Enough
from ...state.budget import CallKind
from . import direct, parallel, refine, search


@dataclass(frozen=True)
class Branch:
    """A plan and the kinds of calls it sends."""

    plan: Plan
    kinds: tuple[CallKind, ...]
    enough: Enough | None = None
    """Whether a wave's samples that are still in the air can be let go."""


BRANCHES: dict[str, Branch] = {
    "direct": Branch(direct.plan, ("sample",)),
    "parallel": Branch(parallel.plan, ("sample",), parallel.enough),
    "refine": Branch(refine.plan, ("sample", "critique", "revise")),
    "search": Branch(search.plan, ("sample", "critique", "expand", "revise", "step")),
}
