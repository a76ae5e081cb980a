"""What a run knows and how it is kept; never calls a model. Names are imported where they are first used."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .budget import Budget, Spent
    from .checkpointer import SQLAlchemySaver
    from .errors import (
        ChoiceNeeded,
        ModelUnreachable,
        PonderError,
        StoreError,
        ThreadBusy,
        ThreadNotFound,
        UsageError,
    )
    from .preview import Preview
    from .run import Answer, Assessment, Candidate, Problem, Verdict
    from .settings import Settings

__all__ = [
    "Answer",
    "Assessment",
    "Budget",
    "Candidate",
    "ChoiceNeeded",
    "ModelUnreachable",
    "PonderError",
    "Preview",
    "Problem",
    "SQLAlchemySaver",
    "Settings",
    "Spent",
    "StoreError",
    "ThreadBusy",
    "ThreadNotFound",
    "UsageError",
    "Verdict",
]

MODULES = {
    **dict.fromkeys(("Budget", "Spent"), ".budget"),
    **dict.fromkeys(("Answer", "Assessment", "Candidate", "Problem", "Verdict"), ".run"),
    "Preview": ".preview",
    "SQLAlchemySaver": ".checkpointer",
    "Settings": ".settings",
}
"""Where the names are that name no error."""


def __dir__() -> list[str]:
    """Name what there is to import."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> object:
    """Import LangGraph and SQLAlchemy, which take a second or more, only where a name needs them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(MODULES.get(name, ".errors"), __name__), name)
