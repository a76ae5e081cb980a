"""Run CodeT's recorded solutions on CodeT's recorded tests, once, and keep what passed: `tests/data/codet.jsonl.gz`.

`unshare -n -p --fork uv run python -m tests.benchmarks.codet_record DIRECTORY`, where the directory holds the three
HumanEval files of microsoft/CodeT@35f54d6 (MIT). Solutions and tests are cut as CodeT cuts them: at its stop words, and
the first 5 asserts of each test sample. Each solution runs in a process of its own: as nobody, without files, with a
limit on CPU, memory, processes and time, and, by `unshare`, without network. An assert gets 0.1 s, as there.
"""

import argparse
import ast
import gzip
import json
import os
import resource
import select
import signal
import zlib
from collections.abc import Callable
from importlib import import_module
from multiprocessing import Pool
from pathlib import Path
from typing import Any

NAMES = "HumanEval_codegen16B_temp0.8_topp0.95_num100_max300_"
TARGET = Path(__file__).parent.parent / "data" / "codet.jsonl.gz"
STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
PER_SAMPLE = 5
"""Asserts taken of each test sample."""
PER_TEST, PER_CHECK, PER_SOLUTION = 0.1, 3.0, 10.0
"""Seconds for an assert, for the true tests, and for all that one process does."""
LOOPS = 5
"""Asserts that may time out; the rest then counts as failed."""
USED = (
    *("bisect", "collections", "copy", "datetime", "decimal", "encodings.ascii", "encodings.latin_1", "fractions"),
    *("functools", "hashlib", "heapq", "itertools", "json", "logging", "math", "operator", "random", "re"),
    *("statistics", "string", "threading", "time", "typing"),
)
"""Modules that solutions import: loaded before, for nobody may not read where Python is installed."""
NOBODY = 65534
MEMORY = 1 << 30


class Late(BaseException):
    """Time is up."""


def ring(*_: object) -> None:
    raise Late


def cut(text: str) -> str:
    """Cut at the first stop word."""
    for word in STOP:
        text = text.split(word, maxsplit=1)[0]
    return text


def asserts(text: str, entry: str) -> list[str]:
    """Take the asserts that call the function and parse."""
    parts = [cut(f"assert {part}".strip()).strip() for part in f"assert {text}".split("assert ") if entry in part]
    return [part for part in parts if parses(part)][:PER_SAMPLE]


def parses(test: str) -> bool:
    try:
        compile(test, "", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def confined(work: Callable[[], Any]) -> Any:
    """Do the work in a child that can harm nothing; None where it came to no end."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        try:
            os.setsid()
            os.chdir("/")
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(nothing, stream)
            for kind, limit in (
                (resource.RLIMIT_AS, MEMORY),
                (resource.RLIMIT_CPU, int(PER_SOLUTION)),
                (resource.RLIMIT_FSIZE, 0),
                (resource.RLIMIT_NPROC, 0),
                (resource.RLIMIT_CORE, 0),
            ):
                resource.setrlimit(kind, (limit, limit))
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            signal.signal(signal.SIGALRM, ring)
            os.write(writer, zlib.compress(json.dumps(work()).encode()))
        finally:
            os._exit(0)
    os.close(writer)
    said = b""
    try:
        while select.select([reader], [], [], PER_SOLUTION)[0] and (more := os.read(reader, 1 << 16)):
            said += more
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return json.loads(zlib.decompress(said)) if said else None


def timed(seconds: float, work: Callable[[], Any]) -> Any:
    """Do it in time."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def called(test: str) -> tuple[str, str] | None:
    """Split `assert call == expected` into its two sides."""
    tree = ast.parse(test).body[0]
    asked = tree.test if isinstance(tree, ast.Assert) else None
    if isinstance(asked, ast.Compare) and len(asked.ops) == 1 and isinstance(asked.ops[0], ast.Eq):
        return ast.unparse(asked.left), ast.unparse(asked.comparators[0])
    return None


def run(program: str, tests: list[str]) -> list[tuple[bool, int]]:
    """Return for each assert whether it passed, and a number for what the call returned or raised."""
    space: dict[str, Any] = {}
    timed(PER_CHECK, lambda: exec(program, space))  # noqa: S102 - in a process that can harm nothing
    found: list[tuple[bool, int]] = []
    late = 0
    for test in tests:
        if late == LOOPS:
            found.append((False, 0))
            continue
        passed, output = False, ""
        try:
            sides = called(test)
            if sides is None:
                timed(PER_TEST, lambda: exec(test, space))  # noqa: B023, S102
                passed = True
            else:
                call, expected = sides
                value = timed(PER_TEST, lambda: eval(call, space))  # noqa: B023, S307
                output = repr(value)[:2000]
                passed = bool(timed(PER_TEST, lambda: value == eval(expected, space)))  # noqa: B023, S307
        except Late:
            late += 1
            output = output or "late"
        except BaseException as error:  # noqa: BLE001 - whatever a solution raises
            output = output or type(error).__name__
        found.append((passed, zlib.crc32(output.encode(errors="surrogatepass"))))
    return found


def check(program: str, truth: str, entry: str) -> bool:
    """Run the true tests."""
    space: dict[str, Any] = {}
    timed(PER_CHECK, lambda: exec(f"{program}\n{truth}\ncheck({entry})", space))  # noqa: S102
    return True


def record(task: dict[str, Any]) -> dict[str, Any]:
    """Run all solutions of one problem."""
    by_test: dict[str, list[int]] = {}
    for index, text in enumerate(task["test_samples"]):
        for test in asserts(text, task["entry_point"]):
            by_test.setdefault(test, []).append(index)
    tests = list(by_test)
    seen: dict[str, tuple[bool, str, int]] = {}
    rows = []
    for text in task["samples"]:
        body = cut(text)
        if body not in seen:
            program = task["prompt"] + body + "\n"
            found = confined(lambda: run(program, tests)) or [[False, 0]] * len(tests)  # noqa: B023
            right = bool(confined(lambda: check(program, task["test"], task["entry_point"])))  # noqa: B023
            passed = sum(1 << index for index, (good, _) in enumerate(found) if good)
            outputs = zlib.crc32(json.dumps([output for _, output in found]).encode())
            seen[body] = (right, f"{passed:x}", outputs)
        rows.append(seen[body])
    kinds = {row: index for index, row in enumerate(dict.fromkeys(rows))}
    outputs_of = {output: index for index, output in enumerate(dict.fromkeys(row[2] for row in rows))}
    return {
        "id": task["task_id"],
        "tests": list(by_test.values()),
        "kinds": [{"right": right, "passed": passed, "outputs": outputs_of[out]} for right, passed, out in kinds],
        "samples": [kinds[row] for row in rows],
    }


def load(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--target", type=Path, default=TARGET)
    parser.add_argument("--count", type=int, default=164)
    asked = parser.parse_args()
    for name in USED:
        import_module(name)
    tasks = load(asked.directory / "HumanEval_for_code_generation.jsonl")[: asked.count]
    solutions = {row["prompt"]: row["samples"] for row in load(asked.directory / f"{NAMES}code_solution.jsonl")}
    # The prompt of a test sample is the problem's with `pass` and a comment behind it.
    tests = load(asked.directory / f"{NAMES}test_case.jsonl")
    for task in tasks:
        task["samples"] = solutions[task["prompt"]]
        task["test_samples"] = next(row["samples"] for row in tests if row["prompt"].startswith(task["prompt"]))
    with Pool(2) as pool, gzip.open(asked.target, "wt", 9) as target:
        for done in pool.imap(record, tasks):
            target.write(json.dumps(done, separators=(",", ":")) + "\n")
            right = sum(done["kinds"][kind]["right"] for kind in done["samples"])
            print(done["id"], len(done["tests"]), "tests", len(done["kinds"]), "kinds", right, "right", flush=True)


if __name__ == "__main__":
    main()
