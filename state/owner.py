"""Who holds a lease: a process, named so that another one on the same machine can tell whether it is gone."""

import os
import secrets
import socket
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Self

left_behind: set[str] = set()
"""Owners of this process that hold their lease no more, but may stand in the store, which was away."""


@dataclass(frozen=True)
class Owner:
    """One holding of a lease by one process."""

    host: str
    pid: int
    world: str
    """Where the pid means something: a digest of the boot and the pid namespace; empty where that is unknown."""
    token: str
    """Tells two holdings of one process apart."""

    @classmethod
    def new(cls) -> Self:
        """Name this process."""
        return cls(socket.gethostname(), os.getpid(), this_world(), secrets.token_hex(4))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote."""
        host, pid, world, token = text.rsplit(":", 3)
        return cls(host, int(pid), world, token)

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}:{self.world}:{self.token}"

    @property
    def gone(self) -> bool:
        """Say whether it is known to hold no more: of a process, only in its own pid namespace, since the same boot."""
        return str(self) in left_behind or (bool(self.world) and self.world == this_world() and ended(self.pid))


@cache
def this_world() -> str:
    """Name this boot and this pid namespace: two containers may share a host's name, and each has a process 1."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()
        namespace = bytes(Path("/proc/self/ns/pid").readlink())
    except OSError:  # not Linux: nobody is known to be gone, and leases end by expiring
        return ""
    return blake2b(boot + namespace, digest_size=8).hexdigest()


def ended(pid: int) -> bool:
    """Say whether a process has ended; one that is killed but not waited for still has its pid."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    try:
        about = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return about.rpartition(b")")[2].split()[0] in {b"Z", b"X"}
