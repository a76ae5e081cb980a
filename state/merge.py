"""Unite records of a run that come from several places at once, or once more."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
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
    """Take records into a list that is sorted by id, as this returns it: idempotent and independent of order.

    Nested graphs, retries, forks and resumes return records that the parent has already. What a step brings is found
    its place in a list that has grown long, so that the list costs no step more than a copy.
    """
    merged = list(left)
    for item in right:
        at = index_of(item.id, merged)
        if at == len(merged) or merged[at].id != item.id:
            merged.insert(at, item)
        elif merged[at].rank < item.rank:
            merged[at] = item
    return merged


def index_of(key: str, records: Sequence[Keyed]) -> int:
    """Return where a record of that id stands, or would stand, among records sorted by id."""
    return bisect_left(records, key, key=attrgetter("id"))


def read(kind: type[B], items: Iterable[Any]) -> list[B]:
    """Return records as they are: who edits a run through a server can only send JSON."""
    return [kind.model_validate(item) if isinstance(item, dict) else item for item in items]


def merging(kind: type[BaseModel]) -> Callable[[Any, Any], Any]:
    """Return the reducer of a channel that holds such records."""

    def merged(left: Any, right: Any) -> Any:
        known: list[Any] = read(kind, left)
        return merge(known, read(kind, right))

    return merged


def added(left: Any, right: Any) -> Any:
    """Add messages to a chat as LangGraph does; it takes a second to import, and who only reads runs needs none."""
    from langgraph.graph.message import add_messages

    return add_messages(left, right)
