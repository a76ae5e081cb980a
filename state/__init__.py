"""What a run knows and how it is kept; never calls a model."""

from typing import TYPE_CHECKING

from .budget import Budget, Spent
from .errors import ModelUnreachable, PonderError, StoreError, ThreadBusy, ThreadNotFound, UsageError
from .run import Answer, Assessment, Candidate, Problem, Verdict
from .settings import Settings

if TYPE_CHECKING:
    from .checkpointer import SQLAlchemySaver

__all__ = [
    "Answer",
    "Assessment",
    "Budget",
    "Candidate",
    "ModelUnreachable",
    "PonderError",
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


def __getattr__(name: str) -> object:
    """Import SQLAlchemy only where the saver is wanted."""
    if name == "SQLAlchemySaver":
        from .checkpointer import SQLAlchemySaver

        return SQLAlchemySaver
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
