"""Programs that no verifier checks: the model writes tests, each program runs on all of them, and the agreement counts.

CodeT (Chen et al. 2022, arXiv:2207.10397); `selectors/agreement.py` chooses. Nobody vouches for such tests: a verdict
by them is a weak one. The programs run in the sandbox, and only where `write_tests` was set when the graph was made.
"""

import ast
import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass

from ..state.errors import UsageError
from ..state.run import BranchOutput, Candidate, RunState
from ..state.settings import Settings
from .answers import extract
from .dispatch import Done, Wave
from .gate import reserve
from .stopping import takes_tests, tested
from .verify import Checks, judged
from .view import View

PER_REPLY = 5
"""Asserts taken of each reply: the first are the best (CodeT, section 4.1)."""
SECONDS = 5.0
"""A program's time for all asserts; those that it does not get to have failed."""


def wants_tests(view: View) -> bool:
    """Say whether there are different programs, some of which nothing has checked, and tests can be had."""
    votes = view.votes
    if not takes_tests(view) or len({item.answer for item in votes}) < 2:  # noqa: PLR2004 - a choice
        return False
    checked = [item.verdict for item in votes if item.verdict]
    untried = len(checked) < len(votes) and all(verdict.kind == "weak" and verdict.outcomes for verdict in checked)
    return untried and (bool(asserts(view)) or isinstance(plan_tests(view), Wave))


def plan_tests(view: View) -> Wave | Done:
    """Ask for tests, once, in as many calls as the budget admits."""
    again = [call for call in view.retries if call.kind == "tests"]
    calls = again if tested(view) else [view.call("tests", 1, index) for index in range(view.settings.write_tests)]
    return Wave(calls) if reserve(view, calls) else Done("complete", 1)


def asserts(view: View) -> list[str]:
    """Return the asserts that the model wrote, each once."""
    replies = [call.reply for call in view.calls if call.kind == "tests" and call.state == "done"]
    return list(dict.fromkeys(test for reply in replies for test in list(asserts_in(reply))[:PER_REPLY]))


def asserts_in(reply: str) -> Iterator[str]:
    """Read the asserts that call something off a reply, each on a line of its own."""
    found = extract(reply, "code")
    for line in (found.raw if found else reply).splitlines():
        try:
            (statement,) = ast.parse(line.strip()).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if isinstance(statement, ast.Assert) and any(isinstance(node, ast.Call) for node in ast.walk(statement)):
            yield ast.unparse(statement)


def check_writing(given: Settings, defaults: Settings) -> None:
    """Refuse that whoever may call a graph has it run programs, where whoever made it did not."""
    if given.write_tests and not defaults.write_tests:
        raise UsageError(f"write_tests={given.write_tests} lets programs run: set it where the graph is made")


@dataclass(frozen=True)
class TryOut:
    """Run every program that has not run yet on all tests."""

    checks: Checks

    async def __call__(self, state: RunState) -> BranchOutput:
        view = View("select", state)
        tests = asserts(view)
        if not tests or self.checks.parse is None:
            return {}
        spec = json.dumps({"type": "python", "tests": "\n".join(tests), "seconds": SECONDS})
        verifier = self.checks.parse(spec, view.problem.epoch)

        async def tried(candidate: Candidate) -> Candidate:
            verdict = await judged(verifier, view.problem, candidate)
            outcomes = verdict.outcomes or (False,) * len(tests)
            weak = verdict.model_copy(update={"kind": "weak", "passed": None, "outcomes": outcomes})
            return candidate.model_copy(update={"verdict": weak})

        untried = [item for item in view.stored if item.answer is not None and item.verdict is None]
        return {"candidates": await asyncio.gather(*map(tried, untried))}
