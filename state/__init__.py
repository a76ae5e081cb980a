"""What a run knows and how it is kept; never calls a model."""

from .budget import Budget, Spent
from .errors import ModelUnreachable, PonderError, StoreError, ThreadBusy, ThreadNotFound, UsageError
from .run import Answer, Assessment, Candidate, Problem, Verdict
from .settings import Settings

__all__ = [
    "Answer",
    "Assessment",
    "Budget",
    "Candidate",
    "ModelUnreachable",
    "PonderError",
    "Problem",
    "Settings",
    "Spent",
    "StoreError",
    "ThreadBusy",
    "ThreadNotFound",
    "UsageError",
    "Verdict",
]
