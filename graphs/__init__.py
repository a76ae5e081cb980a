"""How the steps are wired; the public functions."""

from .app import create_ponder, create_ponder_graph
from .solver import aresume, asolve, resume, solve

__all__ = ["aresume", "asolve", "create_ponder", "create_ponder_graph", "resume", "solve"]
