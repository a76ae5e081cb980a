"""Everything ponder raises on purpose.

PonderError
├── UsageError          a value the caller gave cannot be used
│   ├── BudgetTooSmall  no single call on the problem fits the budget
│   └── ThreadNotFound  no run is stored under that thread
├── ModelUnreachable    no model answered, or it refused us
├── NoReply             all calls failed: there is nothing to return
├── StoreError          the store cannot be opened, read or written
└── ThreadBusy          another process works on that thread
"""


class PonderError(Exception):
    """The one base: a message that names the value and the next step."""


class UsageError(PonderError):
    """A value the caller gave cannot be used."""


class BudgetTooSmall(UsageError):  # noqa: N818 - reads as the fact it states
    """No single call on the problem fits the budget."""


class ThreadNotFound(UsageError):  # noqa: N818 - reads as the fact it states
    """No run is stored under that thread."""


class ModelUnreachable(PonderError):  # noqa: N818
    """No model answered, or it refused us; the run is saved and can be resumed."""


class NoReply(PonderError):  # noqa: N818
    """All calls failed: there is nothing to return."""


class StoreError(PonderError):
    """The store cannot be opened, read or written."""


class ThreadBusy(PonderError):  # noqa: N818
    """Another process works on that thread."""
