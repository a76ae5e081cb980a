"""Run a program that nobody trusts, and leave nothing of it behind.

Covered, each layer proved by a hostile program in tests/nodes/test_sandbox.py:
- its own session and process group; ended, with all children, when it has run its time, written more than it may, or
  ponder dies; zombies are reaped;
- limits on CPU seconds, memory, file sizes, open files and processes (each of them per process, but the last);
- a folder of its own that is deleted afterwards, and no environment but PATH and HOME;
- where ponder runs as root: a user that no other process has;
- where the kernel permits (Linux as root, or with unprivileged user namespaces): process, network, IPC and mount
  namespaces. It sees no other process, no network, not even loopback's, and of the files only its folder (of limited
  size), the system's programs and Python's, not writable.

Not covered: errors of the kernel; side channels; the sum of the memory of several processes; load on the machine within
the limits. Without the namespaces it may read and write what its user may, reach the network, and, unless ponder runs
as root, signal ponder itself. `ponder doctor` shows the layers that are up here. On Windows nothing is run.
"""

from .outcome import Limits, Outcome
from .run import ALL_LAYERS, SEES, layers, run, turn

__all__ = ["ALL_LAYERS", "SEES", "Limits", "Outcome", "layers", "run", "turn"]
