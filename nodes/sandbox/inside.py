"""The supervisor of one sandbox: a script of its own, which puts up the layers, starts the program and reaps it.

It gets two descriptors: the specification (JSON) to read, and the report (a JSON object a line) to write: first the
layers that are up, then how the program ended. A layer that the kernel refuses is left out, and not reported.
SIGTERM, or the death of whoever started it, ends the program and all its children.
"""

import ctypes
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

Spec = dict[str, Any]
NAMESPACES = {"mount": 0x00020000, "ipc": 0x08000000, "network": 0x40000000, "pid": 0x20000000}
"""Layer -> its flag of unshare(2)."""
NEW_USER = 0x10000000
SET_DEATH_SIGNAL, DROP_CAPABILITY, SET_SUBREAPER, NO_NEW_PRIVILEGES = 1, 24, 36, 38  # of prctl(2)
BIND, RECURSIVE, PRIVATE = 4096, 16384, 1 << 18  # of mount(2)
NO_SUID, NO_DEVICES, NO_EXEC = 2, 4, 8
MOUNT_SETATTR, HERE, READ_ONLY_AND_NO_SUID = 442, -100, 3  # of mount_setattr(2)
NOBODY = 65534
DEVICES = ("null", "zero", "full", "random", "urandom")
SWEEPS = 1000

libc = ctypes.CDLL(None, use_errno=True)


class Over(BaseException):
    """The sandbox is to end now."""


def system(name: str, *arguments: Any) -> None:
    """Call the C library; the failure of a call is an OSError."""
    function = getattr(libc, name, None)
    if function is None:
        raise OSError(f"{name} is not there")
    if function(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def mount(source: str, target: Path, kind: str, flags: int, data: str = "") -> None:
    """Put a file system into its place."""
    words = [os.fsencode(word) for word in (source, str(target), kind)]
    system("mount", *words, ctypes.c_ulong(flags), data.encode())


def over(*_: object) -> None:
    """Handle SIGTERM."""
    raise Over


def namespaces() -> list[str]:
    """Enter every namespace that the kernel permits; without root, by way of a user namespace."""
    up = []
    if os.geteuid() != 0:
        user, group = os.geteuid(), os.getegid()
        with suppress(OSError):
            system("unshare", NEW_USER)
            up.append("user namespace")
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{NOBODY} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{NOBODY} {group} 1")
    for name, flag in NAMESPACES.items():
        with suppress(OSError):
            system("unshare", flag)
            up.append(f"{name} namespace")
    return up


def view(spec: Spec, own_processes: bool) -> Path:
    """Build a root of its own: a small tmpfs with what is visible bound into it, not writable."""
    mount("none", Path("/"), "", RECURSIVE | PRIVATE)
    root = Path(spec["folder"])
    mount("tmpfs", root, "tmpfs", NO_SUID | NO_DEVICES, f"size={spec['disk']},mode=755")
    for path in sorted(map(Path, spec["visible"]), key=lambda path: len(path.parts)):  # the outer ones first
        show(root, path)
    for name in DEVICES:
        show(root, Path("/dev", name))
    for name in ("tmp", "dev/shm"):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(0o1777)
    if not own_processes:
        show(root, Path("/proc"))
        return root
    (root / "proc").mkdir()
    with suppress(OSError):  # refused where a container hides parts of /proc
        mount("proc", root / "proc", "proc", NO_SUID | NO_DEVICES | NO_EXEC)
    return root


def show(root: Path, path: Path) -> None:
    """Bind a path into the new root; a link stays one."""
    inner = root / path.relative_to("/")
    if not path.exists() or inner.exists():
        return
    inner.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        inner.symlink_to(path.readlink())
        return
    inner.mkdir() if path.is_dir() else inner.touch()
    mount(str(path), inner, "", BIND | RECURSIVE)
    attributes = (ctypes.c_uint64 * 4)(READ_ONLY_AND_NO_SUID, 0, 0, 0)
    recursively = 0x8000
    system("syscall", MOUNT_SETATTR, HERE, os.fsencode(inner), recursively, attributes, ctypes.sizeof(attributes))


def furnish(spec: Spec, owner: int | None) -> None:
    """Write the program's files into its folder, as their owner."""
    folder = Path(spec["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder]
    for name, text in spec["files"].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        paths += [path, *(parent for parent in path.parents if folder in parent.parents)]
    for path in paths:
        path.chmod(0o700 if path.is_dir() else 0o600)
        if owner is not None:
            os.chown(path, owner, owner)


def choose_user(spec: Spec) -> int | None:
    """Return a user that nobody else is, for root to become: limits on processes are per user, and do not bind root."""
    probe = Path(spec["folder"])
    probe.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return None
    for user in (spec["user"], NOBODY):
        with suppress(OSError):  # a container maps few users
            os.chown(probe, user, user)
            return int(user)
    return None


def limits(spec: Spec, others: int) -> Iterator[tuple[int, int]]:
    """Return the limits; those on processes count all that the user has."""
    yield resource.RLIMIT_CPU, spec["cpu"]
    yield resource.RLIMIT_AS, spec["memory"]
    yield resource.RLIMIT_FSIZE, spec["disk"]
    yield resource.RLIMIT_NOFILE, spec["open_files"]
    yield resource.RLIMIT_NPROC, spec["processes"] + others
    yield resource.RLIMIT_CORE, 0


def become(spec: Spec, user: int | None, up: list[str]) -> None:
    """Turn into the program."""
    os.setsid()
    others = 0 if user is not None or "user namespace" in up else threads_of(os.geteuid())
    for kind, value in limits(spec, others):
        _, hard = resource.getrlimit(kind)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (most, most))
    if user is not None:
        for capability in range(64):
            with suppress(OSError):
                system("prctl", DROP_CAPABILITY, capability, 0, 0, 0)
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    with suppress(OSError):
        system("prctl", NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    os.chdir(spec["cwd"] or spec["folder"])
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.execve(spec["program"][0], spec["program"], spec["environment"])  # noqa: S606


def threads_of(user: int) -> int:
    """Count what a user has running: the limit counts threads."""
    found = 0
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found += sum(1 for _ in (path / "task").iterdir()) if path.stat().st_uid == user else 0
    return found


def supervise(spec: Spec, report: Callable[..., None], up: list[str]) -> None:
    """Start the program, reap whatever ends, and tell how the program ended."""
    root: Path | None = None
    if "mount namespace" in up:
        try:
            root = view(spec, "pid namespace" in up)
        except OSError:
            up.remove("mount namespace")
    if root is not None:
        os.chroot(root)
        os.chdir("/")
    user = choose_user(spec)
    if user is not None:
        up.append("user")
    furnish(spec, user)
    report(layers=up)
    with suppress(OSError):
        system("prctl", SET_SUBREAPER, 1, 0, 0, 0)
    program = os.fork()
    if program == 0:
        try:
            become(spec, user, up)
        except OSError as error:
            report(error=f"{spec['program'][0]!r} cannot be started: {error}")
        finally:
            os._exit(127)
    try:
        while True:
            ended, status = os.wait()
            if ended == program:
                report(code=os.waitstatus_to_exitcode(status))
                return
    finally:
        if "pid namespace" not in up:  # else our own end is that of all others
            sweep(program)


def sweep(program: int) -> None:
    """End the program's group, our children, and their children, which come to us as orphans."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with suppress(OSError):
        os.killpg(program, signal.SIGKILL)
    for _ in range(SWEEPS):
        for child in living():
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not ended:
            time.sleep(0.001)


def living() -> list[int]:
    """Return our children."""
    try:
        return [int(word) for word in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        return []


def main() -> None:
    """Read the specification; with a process namespace, its first process supervises, and its end ends all others."""
    signal.signal(signal.SIGTERM, over)
    with suppress(OSError):
        system("prctl", SET_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)
    with open(int(sys.argv[1])) as given:  # noqa: PTH123 - a descriptor
        spec = json.load(given)
    reporting = int(sys.argv[2])
    os.set_inheritable(reporting, False)

    def report(**said: object) -> None:
        os.write(reporting, json.dumps(said).encode() + b"\n")

    up = namespaces()
    if "pid namespace" not in up:
        supervise(spec, report, up)
        return
    first = os.fork()
    if first == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which the program could send
        try:
            system("prctl", SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
            supervise(spec, report, up)
        except BaseException as error:  # noqa: BLE001 - nothing may come back into the parent's code
            report(error=f"the sandbox cannot be put up: {error}")
        finally:
            os._exit(0)
    try:
        os.waitpid(first, 0)
    finally:
        with suppress(ProcessLookupError):
            os.kill(first, signal.SIGKILL)


if __name__ == "__main__":
    with suppress(Over):
        main()
