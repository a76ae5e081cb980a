"""Everything ponder raises on purpose.

PonderError
├── UsageError          a value the caller gave cannot be used
│   ├── BudgetTooSmall  no single call on the problem fits the budget
│   └── ThreadNotFound  no run is stored under that thread
├── ModelUnreachable    no model answered, or it refused us
│   └── ModelNotSetUp   its key, its file or its package is missing (a UsageError as well)
├── ChoiceNeeded        a run waits for a person to choose
├── NoReply             all calls failed: there is nothing to return
├── KeyUnknown          a request's key is none of the operator's
├── KeySpent            what the key may spend is spent
│   └── KeyHeld         … or held by requests that are under way
├── StoreError          the store cannot be opened, read or written
│   └── Unreadable      what it holds was written under another key, or is damaged
└── ThreadBusy          another process works on that thread
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

    from .question import Question


class PonderError(Exception):
    """The one base: a message that names the value and the next step."""


class UsageError(PonderError, ValueError):
    """A value the caller gave cannot be used; a server that hides what it does not know shows a `ValueError`."""


class BudgetTooSmall(UsageError):  # noqa: N818 - reads as the fact it states
    """No single call on the problem fits the budget."""

    def __init__(self, limit: str, amount: float, costs: str) -> None:
        """Name the limit, and what a call may cost."""
        super().__init__(self.told(limit, amount, costs, "max_tokens"))
        self.limit, self.amount, self.costs = limit, amount, costs

    @staticmethod
    def told(limit: str, amount: float, costs: str, output: str) -> str:
        """Say it with the names that the caller knows: of the limit, and of the output tokens of a call."""
        small = f"{limit}={amount:g} is too small for one call on this problem, which may cost {costs}"
        return f"{small}: raise it, or lower {output}"


class ThreadNotFound(UsageError):  # noqa: N818 - reads as the fact it states
    """No run is stored under that thread."""


def unknown(thread_id: str) -> ThreadNotFound:
    """Say that nothing is known of a thread."""
    return ThreadNotFound(f"thread {thread_id!r} does not exist in this store: see `ponder runs list`")


class ModelUnreachable(PonderError):  # noqa: N818
    """No model answered, or it refused us; the run is saved and can be resumed."""


class ModelNotSetUp(ModelUnreachable, UsageError):  # noqa: N818
    """The key, the file or the package of a model is missing: no call can be made before it is there."""


class ChoiceNeeded(PonderError):  # noqa: N818
    """A run waits for a person to choose between answers that are tied or in doubt; it is saved."""

    def __init__(self, thread_id: str, question: "Question") -> None:
        """Name the thread and the finalists."""
        told = ", ".join(f"{item.number}: {item.answer[:60]!r}" for item in question.finalists)
        super().__init__(f"thread {thread_id!r} waits for a choice between {told}: give resume(…, choice=NUMBER)")
        self.thread_id = thread_id
        self.question = question


class NoReply(PonderError):  # noqa: N818
    """All calls failed: there is nothing to return."""


class KeyUnknown(PonderError):  # noqa: N818
    """The key of a request is none of the operator's."""


class KeySpent(PonderError):  # noqa: N818
    """What the key may spend is spent, but for less than one call."""


class KeyHeld(KeySpent):
    """What the key may still spend is held by requests that are under way."""


class StoreError(PonderError):
    """The store cannot be opened, read or written."""


class Unreadable(StoreError):  # noqa: N818
    """What the store holds was written under another key, or is damaged."""

    def __init__(self, what: str, error: Exception) -> None:
        """Name what cannot be read, and what the serializer says of it."""
        self.why = f"set PONDER_AES_KEY to the key that it was written with, if any ({error})"
        super().__init__(f"{what} cannot be read: {self.why}")


class ThreadBusy(PonderError):  # noqa: N818
    """Another process works on that thread."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, what caused it, and so on; each once, for one may have caused itself."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and not any(cause is one for one in seen):
        yield cause
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__


def complaint(error: "ValidationError") -> str:
    """Put the first thing that pydantic refuses into one line: the place, the rule.

    A name that is not known goes before one that is missing: it may be that one misspelt.
    """
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    return ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
