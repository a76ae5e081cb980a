"""How the steps are wired; the public functions, imported where they are first used."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .app import create_ponder, create_ponder_graph
    from .rehearsal import preview
    from .solver import aresume, asolve, resume, solve
    from .surfaces.chat import PonderChatModel
    from .surfaces.middleware import DeliberateMiddleware
    from .surfaces.tool import as_tool

__all__ = [
    "DeliberateMiddleware",
    "PonderChatModel",
    "aresume",
    "as_tool",
    "asolve",
    "create_ponder",
    "create_ponder_graph",
    "preview",
    "resume",
    "solve",
]

MODULES = {
    "DeliberateMiddleware": ".surfaces.middleware",
    "PonderChatModel": ".surfaces.chat",
    "as_tool": ".surfaces.tool",
    "create_ponder": ".app",
    "create_ponder_graph": ".app",
    "preview": ".rehearsal",
}


def __dir__() -> list[str]:
    """Name what there is to import."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> object:
    """Import LangGraph, which takes a second or more, only where a function is wanted."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(MODULES.get(name, ".solver"), __name__), name)
