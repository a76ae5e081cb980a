"""How the steps are wired; the public functions, imported where they are first used."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .app import create_ponder, create_ponder_graph
    from .rehearsal import preview
    from .solver import aresume, asolve, resume, solve

__all__ = ["aresume", "asolve", "create_ponder", "create_ponder_graph", "preview", "resume", "solve"]


def __getattr__(name: str) -> object:
    """Import LangGraph, which takes a second or more, only where a function is wanted."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = {"create_ponder": ".app", "create_ponder_graph": ".app", "preview": ".rehearsal"}.get(name, ".solver")
    return getattr(import_module(module, __name__), name)
