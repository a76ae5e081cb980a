"""What a program in the sandbox may use, and how it ended."""

import signal
from dataclasses import dataclass
from typing import Literal

Stopped = Literal["", "time", "output"]


@dataclass(frozen=True)
class Limits:
    """What a program may use."""

    seconds: float = 10.0
    """From start to end."""
    cpu: int = 10
    """Seconds of CPU, of each process."""
    memory: int = 1 << 30
    """Bytes of address space, of each process."""
    disk: int = 64 << 20
    """Bytes of a file; with a mount namespace, of all its files."""
    output: int = 1 << 20
    """Bytes on standard output and standard error together."""
    open_files: int = 64
    processes: int = 32
    """Processes and threads, all together."""


@dataclass(frozen=True)
class Outcome:
    """How a program ended."""

    code: int | None = None
    """Its exit code, or minus the signal that ended it; None where it was ended or did not start."""
    stdout: bytes = b""
    stderr: bytes = b""
    stopped: Stopped = ""
    """The limit of ours that ended it."""
    error: str = ""
    """Why it did not start."""
    layers: tuple[str, ...] = ()
    """What stood around it."""
    seconds: float = 0.0

    @property
    def how(self) -> str:
        """How it ended, in words."""
        if self.error or self.stopped:
            ended = {"time": f"had not ended after {self.seconds:.1f} s", "output": "wrote more than it may"}
            return self.error or ended[self.stopped]
        if self.code is None:
            return "was ended from outside"
        if self.code < 0:
            return f"was ended by {signal.Signals(-self.code).name}"
        return f"exited with code {self.code}"
