"""Unite records of a run that come from several places at once, or once more."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel


class Keyed(Protocol):
    """A record with an identity, of which the higher version stays."""

    @property
    def id(self) -> str: ...
    @property
    def rank(self) -> tuple[object, ...]: ...


K = TypeVar("K", bound=Keyed)
B = TypeVar("B", bound=BaseModel)


def merge(left: Iterable[K], right: Iterable[K]) -> list[K]:
    """Unite two lists of records by id, sorted by id: idempotent and independent of order.

    Nested graphs, retries, forks and resumes return records that the parent has already.
    """
    merged: dict[str, K] = {}
    for item in (*left, *right):
        known = merged.get(item.id)
        if known is None or known.rank < item.rank:
            merged[item.id] = item
    return [merged[key] for key in sorted(merged)]


def read(kind: type[B], items: Iterable[Any]) -> list[B]:
    """Return records as they are: who edits a run through a server can only send JSON."""
    return [kind.model_validate(item) if isinstance(item, dict) else item for item in items]


def merging(kind: type[BaseModel]) -> Callable[[Any, Any], Any]:
    """Return the reducer of a channel that holds such records."""

    def merged(left: Any, right: Any) -> Any:
        records: list[Any] = read(kind, (*left, *right))
        return merge(records, [])

    return merged


def added(left: Any, right: Any) -> Any:
    """Add messages to a chat as LangGraph does; it takes a second to import, and who only reads runs needs none."""
    from langgraph.graph.message import add_messages

    return add_messages(left, right)
