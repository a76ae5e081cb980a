"""The side of the sandbox that ponder is on: start the supervisor, read what the program writes, end it in time."""

import asyncio
import json
import os
import secrets
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

from ...state.errors import UsageError
from .outcome import Limits, Outcome, Stopped

INSIDE = Path(__file__).with_name("inside.py")
SEES = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/nix/store", sys.prefix, sys.base_prefix)
"""What a program sees besides its own folder."""
ALL_LAYERS = (
    *("session", "limits", "user"),
    *(f"{name} namespace" for name in ("pid", "network", "mount", "ipc")),
)
"""What may stand around a program; a user namespace stands in for the user where ponder is not root."""
SEARCHED = "/usr/local/bin:/usr/bin:/bin"
GRACE_SECONDS = 2.0
"""For the supervisor to end what it started, before it is ended itself."""


async def run(
    program: Sequence[str],
    *,
    files: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    limits: Limits | None = None,
    visible: Sequence[str] = SEES,
    cwd: str | None = None,
    pipes: Sequence[int] = (),
) -> Outcome:
    """Run a program in a sandbox; `{folder}` in its words is its folder.

    `files` (relative name -> text) are written into that folder; `cwd` is another folder to start in, which is
    `visible` then; `pipes` are descriptors that it inherits, and that are closed here.
    Being cancelled ends the program.

    Raises:
        UsageError: this system has no sandbox.

    """
    if sys.platform == "win32":
        raise UsageError("code cannot be run on Windows, which has no sandbox for it: use Linux, macOS or WSL")
    wake, waker = os.pipe()
    settled: Future[Outcome] = Future()
    job = Job(program, files or {}, stdin, limits or Limits(), visible, cwd, pipes, wake)
    # A thread of its own: the pool's few may all be waiting for a program.
    threading.Thread(target=job.settle, args=(settled,), name="sandbox", daemon=True).start()
    done = asyncio.wrap_future(settled)
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        os.write(waker, b"x")
        await asyncio.wait([done])
        raise
    finally:
        os.close(wake)
        os.close(waker)


@dataclass
class Job:
    """One program in its sandbox, from the thread that looks after it."""

    program: Sequence[str]
    files: Mapping[str, str]
    stdin: bytes
    limits: Limits
    visible: Sequence[str]
    cwd: str | None
    pipes: Sequence[int]
    wake: int
    """Readable once nobody waits for the program any more."""
    written: dict[str, bytearray] = field(default_factory=lambda: {"out": bytearray(), "err": bytearray()})
    reported: bytearray = field(default_factory=bytearray)

    def settle(self, done: Future[Outcome]) -> None:
        """Run, and hand the outcome to whoever waits."""
        try:
            done.set_result(self.conduct())
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            done.set_exception(error)

    def conduct(self) -> Outcome:
        """Start the program, read, and end it."""
        folder = tempfile.mkdtemp(prefix="ponder-")
        began = time.monotonic()
        try:
            stopped = self.watch(folder, began + self.limits.seconds)
        finally:
            remove(folder)
        said: dict[str, object] = {}
        for line in self.reported.splitlines():
            said |= json.loads(line)
        code, layers = said.get("code"), said.get("layers")
        return Outcome(
            code=code if isinstance(code, int) and not stopped and "error" not in said else None,
            stdout=bytes(self.written["out"]),
            stderr=bytes(self.written["err"]),
            stopped=stopped,
            error=str(said.get("error", "")),
            layers=("session", "limits", *layers) if isinstance(layers, list) else (),
            seconds=time.monotonic() - began,
        )

    def watch(self, folder: str, deadline: float) -> Stopped:
        """Read from the program until it has ended or has to."""
        ends = {name: os.pipe() for name in ("out", "err", "report")}
        with tempfile.TemporaryFile() as spec, tempfile.TemporaryFile() as stdin, selectors.DefaultSelector() as ready:
            spec.write(json.dumps(self.specification(folder)).encode())
            stdin.write(self.stdin)
            for file in (spec, stdin):
                file.seek(0)
            process = subprocess.Popen(  # noqa: S603 - our own supervisor
                [sys.executable, "-I", "-S", str(INSIDE), str(spec.fileno()), str(ends["report"][1])],
                stdin=stdin,
                stdout=ends["out"][1],
                stderr=ends["err"][1],
                pass_fds=(spec.fileno(), ends["report"][1], *self.pipes),
                start_new_session=True,
                cwd="/",
                env={},
            )
            for pipe in self.pipes:
                os.close(pipe)
            for name, (reading, writing) in ends.items():
                os.close(writing)
                ready.register(reading, selectors.EVENT_READ, name)
            ready.register(self.wake, selectors.EVENT_READ, "wake")
            try:
                return self.read(ready, deadline)
            finally:
                end(process)
                self.last_words(ends["report"][0])
                for reading, _ in ends.values():
                    os.close(reading)

    def specification(self, folder: str) -> dict[str, object]:
        """Write down what the supervisor has to know."""
        return {
            **asdict(self.limits),
            "program": [word.replace("{folder}", folder) for word in self.program],
            "environment": {"PATH": SEARCHED, "HOME": folder},
            "files": dict(self.files),
            "folder": folder,
            "visible": self.visible,
            "cwd": self.cwd,
            "user": 1 << 30 | secrets.randbits(29),
        }

    def read(self, ready: selectors.BaseSelector, deadline: float) -> Stopped:
        """Read until all has ended; the report ends with the supervisor, and what outlives it has little time."""
        open_ends = {"out", "err", "report"}
        while open_ends:
            found = ready.select(max(0.0, deadline - time.monotonic()))
            if not found:
                return "time" if "report" in open_ends else ""
            for key, _ in found:
                name = str(key.data)
                if name == "wake":
                    return ""
                data = os.read(key.fd, 1 << 16)
                if not data:
                    ready.unregister(key.fd)
                    open_ends.discard(name)
                    if name == "report":
                        deadline = min(deadline, time.monotonic() + GRACE_SECONDS)
                elif not self.keep(name, data):
                    return "output"
        return ""

    def keep(self, name: str, data: bytes) -> bool:
        """Keep what was written, as far as it is allowed."""
        if name == "report":
            self.reported += data
            return True
        left = self.limits.output - sum(map(len, self.written.values()))
        self.written[name] += data[:left]
        return len(data) <= left

    def last_words(self, report: int) -> None:
        """Read what the supervisor has reported while it was ended."""
        os.set_blocking(report, False)
        with suppress(BlockingIOError):
            while data := os.read(report, 1 << 16):
                self.reported += data


def end(process: "subprocess.Popen[bytes]") -> None:
    """End the supervisor, which ends all others first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def remove(folder: str) -> None:
    """Delete a folder, also what its owner may not touch."""
    with suppress(OSError, RecursionError):
        for path, names, _ in os.walk(folder):
            for name in names:
                if not Path(path, name).is_symlink():
                    Path(path, name).chmod(0o700)
        shutil.rmtree(folder)


turns: "WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]" = WeakKeyDictionary()


@asynccontextmanager
async def turn() -> AsyncIterator[None]:
    """Wait until a processor is free: time limits are meant for a program that has one."""
    waiting = turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(os.cpu_count() or 1))
    async with waiting:
        yield


async def layers() -> tuple[str, ...]:
    """Return the layers that are up here, as a program that does nothing finds them."""
    outcome = await run([sys.executable, "-I", "-S", "-c", ""])
    if outcome.code != 0:
        raise UsageError(f"the sandbox cannot run Python here: {outcome.how} {outcome.stderr.decode()[-500:]}")
    return outcome.layers
