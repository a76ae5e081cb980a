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

MODULES = {
    "budget": ("Budget", "Spent"),
    "checkpointer": ("SQLAlchemySaver",),
    "errors": (
        "ChoiceNeeded",
        "ModelUnreachable",
        "PonderError",
        "StoreError",
        "ThreadBusy",
        "ThreadNotFound",
        "UsageError",
    ),
    "preview": ("Preview",),
    "run": ("Answer", "Assessment", "Candidate", "Problem", "Verdict"),
    "settings": ("Settings",),
}

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


def __getattr__(name: str) -> object:
    """Import LangGraph and SQLAlchemy, which take a second or more, only where a name needs them."""
    for module, names in MODULES.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
