# ruff: noqa: ASYNC110, ASYNC220, ASYNC240 - the test waits for processes, and nothing else runs in its loop
"""Each layer of the sandbox against a program that tries to get through it; each does bounded harm where it can."""

import asyncio
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ponder.nodes.sandbox import Limits, Outcome, layers, run

LIMITS = Limits(seconds=5, cpu=5, memory=1 << 29, disk=1 << 20, output=100_000, processes=24)


async def python(code: str, limits: Limits = LIMITS, **options: object) -> Outcome:
    return await run([sys.executable, "-I", "-c", code], limits=limits, **options)  # type: ignore[arg-type]


def carrying(mark: str) -> list[str]:
    """Return the command lines of living processes and zombies that carry a mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [path.read_text()] if mark in path.read_text() else []
        except OSError:
            continue
    return found


def zombies() -> set[str]:
    """Return the zombies among our own children."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state == "Z" and int(parent) == os.getpid():
            found.add(path.parent.name)
    return found


@pytest.fixture
def sentinel() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


async def test_a_program_runs_with_its_files_its_input_and_no_environment() -> None:
    outcome = await python(
        "import os, sys; print(open('in/a.txt').read(), sys.stdin.read(), sorted(set(os.environ) - {'LC_CTYPE'}))",
        files={"in/a.txt": "file"},
        stdin=b"input",
    )
    assert (outcome.code, outcome.stdout) == (0, b"file input ['HOME', 'PATH']\n")
    assert {"session", "limits"} <= set(outcome.layers)


async def test_two_hundred_sleeping_children_are_not_granted_and_none_is_left() -> None:
    mark = secrets.token_hex(8)
    outcome = await python(f"""
import subprocess, sys
started = 0
for _ in range(200):
    try:
        sleeping = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(30) # {mark}"]
        subprocess.Popen(sleeping, start_new_session=True)
        started += 1
    except OSError:
        break
print(started)
""")
    assert 0 < int(outcome.stdout) < LIMITS.processes
    assert carrying(mark) == []


async def test_four_gigabytes_are_not_granted() -> None:
    outcome = await python("bytearray(4 << 30)")
    assert outcome.code == 1
    assert b"MemoryError" in outcome.stderr


async def test_a_program_that_prints_without_end_is_ended_and_cut() -> None:
    outcome = await python("while True: print('x' * 1000)")
    assert outcome.stopped == "output"
    assert len(outcome.stdout) == LIMITS.output
    assert outcome.how == "wrote more than it may"


async def test_it_writes_nowhere_outside_its_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    name = secrets.token_hex(8)
    outcome = await python(f"""
for folder in ({str(tmp_path)!r}, "/tmp", "/var/tmp", "/dev/shm", "/usr", "/etc", "/root", "/home"):
    try:
        open(folder + "/{name}", "w").write("x")
    except OSError:
        pass
open("own", "w").write("x")
print("own")
""")
    assert outcome.stdout == b"own\n"
    if "mount namespace" in outcome.layers:
        assert not any(Path(folder, name).exists() for folder in (tmp_path, "/tmp", "/var/tmp", "/dev/shm"))  # noqa: S108
    assert not any(Path(folder, name).exists() for folder in ("/usr", "/etc", "/root", "/home"))


async def test_files_beyond_the_limit_are_not_granted_and_the_folder_is_deleted() -> None:
    outcome = await python("""
import os
print(os.getcwd(), flush=True)
os.mkdir("locked")
os.chmod("locked", 0)
for number in range(4):
    with open(str(number), "wb", 0) as file:
        for _ in range(64):
            file.write(bytes(1 << 14))
""")
    assert outcome.code != 0
    assert not Path(outcome.stdout.decode().strip()).exists()


async def test_it_cannot_signal_other_processes(sentinel: "subprocess.Popen[bytes]") -> None:
    outcome = await python(f"import os, signal; os.kill({sentinel.pid}, signal.SIGKILL)")
    if not {"user", "pid namespace"} & set(outcome.layers):
        pytest.skip("neither another user nor a process namespace here")
    assert outcome.code == 1
    assert sentinel.poll() is None


async def test_it_cannot_reach_a_listener_on_loopback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        outcome = await python(f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)")
        if "network namespace" not in outcome.layers:
            pytest.skip("no network namespace here")
        assert b"OSError" in outcome.stderr
        listening.settimeout(0)
        with pytest.raises(BlockingIOError):
            listening.accept()


async def test_zombies_and_orphans_are_reaped() -> None:
    mark = secrets.token_hex(8)
    before = zombies()
    outcome = await python(f"""
import os, time
if os.fork() == 0:
    os._exit(0)  # a zombie
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv({sys.executable!r}, ["python", "-I", "-S", "-c", "import time; time.sleep(30) # {mark}"])
    os._exit(0)  # which leaves an orphan
time.sleep(0.2)
""")
    assert outcome.code == 0
    assert (carrying(mark), zombies() - before) == ([], set())


async def test_ignoring_sigterm_does_not_help_and_the_time_is_kept() -> None:
    mark = secrets.token_hex(8)
    began = time.monotonic()
    outcome = await python(
        f"import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(30) # {mark}",
        Limits(seconds=0.5),
    )
    assert (outcome.stopped, outcome.code) == ("time", None)
    assert outcome.how.startswith("had not ended after 0.")
    assert time.monotonic() - began < 5
    assert carrying(mark) == []


async def test_processor_time_is_limited() -> None:
    outcome = await python("while True: pass", Limits(seconds=20, cpu=1))
    assert (outcome.how, outcome.stopped) == ("was ended by SIGKILL", "")


async def test_deep_recursion_ends_the_program_alone() -> None:
    outcome = await python("import sys; sys.setrecursionlimit(10**9)\nf = lambda _: sorted([0], key=f)\nf(0)")
    assert outcome.how in {"was ended by SIGSEGV", "exited with code 1"}  # some interpreters count C's frames too


async def test_a_missing_program_is_told() -> None:
    outcome = await run(["/no/such/program"])
    assert outcome.code is None
    assert "'/no/such/program' cannot be started" in outcome.how


async def test_being_cancelled_ends_the_program() -> None:
    mark = secrets.token_hex(8)
    running = asyncio.create_task(python(f"import time; time.sleep(30) # {mark}"))
    while not carrying(mark):
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert carrying(mark) == []


async def test_a_killed_parent_leaves_nothing_behind() -> None:
    mark = secrets.token_hex(8)
    program = f"""
import asyncio, sys
from ponder.nodes.sandbox import run
asyncio.run(run([sys.executable, "-I", "-c", "import time; time.sleep(20) # " + "{mark[::-1]}"[::-1]]))
"""
    with subprocess.Popen([sys.executable, "-c", program]) as parent:
        while not carrying(mark):
            await asyncio.sleep(0.01)
        parent.kill()
    for _ in range(500):
        if not carrying(mark):
            return
        await asyncio.sleep(0.01)
    pytest.fail("the program outlived its parent")


async def test_the_layers_that_are_up_are_told() -> None:
    assert {"session", "limits"} <= set(await layers())


SYSTEM_PYTHON = Path("/usr/bin/python3")
WITHOUT = {
    "root that may make no namespaces": ("--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"),
    "another user than root": ("--reuid", "12345", "--regid", "12345", "--clear-groups"),
}
SCRIPT = """
import asyncio, sys
from ponder.nodes.sandbox import Limits, run
program = '''
import os, subprocess, sys
started = 0
for _ in range(200):
    try:
        sleeping = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(30) # MARK"]
        subprocess.Popen(sleeping, start_new_session=True)
        started += 1
    except OSError:
        break
try:
    os.kill(SENTINEL, 9)
except OSError:
    pass
print(started)
'''
outcome = asyncio.run(run([sys.executable, "-I", "-c", program], limits=Limits(seconds=20, processes=24)))
print(outcome.stdout.decode().strip(), *outcome.layers, sep=",")
"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="drops rights that only root has")
@pytest.mark.parametrize("rights", WITHOUT)
def test_with_fewer_rights_the_layers_that_are_left_hold(rights: str, sentinel: "subprocess.Popen[bytes]") -> None:
    mark, root = secrets.token_hex(8), Path(__file__).parents[2]
    script = SCRIPT.replace("MARK", mark).replace("SENTINEL", str(sentinel.pid))
    command = ["setpriv", *WITHOUT[rights], str(SYSTEM_PYTHON), "-B", "-c", script]
    environment = {"PYTHONPATH": str(root / ".typings"), "PATH": os.defpath}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if re.search("ModuleNotFoundError|SyntaxError|No such file", done.stderr):
        pytest.skip(f"the system's Python cannot run it: {done.stderr[-200:]}")
    assert done.stderr == ""
    started, *up = done.stdout.strip().split(",")
    if not {"user", "user namespace"} & set(up):
        pytest.skip("no user namespaces here")
    assert 0 < int(started) < 24
    assert carrying(mark) == []
    assert sentinel.poll() is None
    assert ("pid namespace" in up) == (rights == "another user than root")
