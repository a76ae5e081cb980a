"""An answer passes where a command says so by its exit code."""

import asyncio
import os
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from ...state.errors import UsageError
from ...state.run import Candidate, Problem, Verdict
from ..sandbox import SEES, Limits, run, turn

PLACE = "{answer_file}"
ANSWER = "answer.txt"


@dataclass(frozen=True)
class Command:
    """Run a program in the sandbox: `{answer_file}` is a file with the answer, which is also on its standard input.

    It starts in the working directory, which it sees and cannot write. 0 passes; what it writes is the feedback.
    """

    command: str
    limits: Limits = field(default_factory=Limits)
    bounded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _ = self.words

    @property
    def words(self) -> list[str]:
        """The command's words, its program with its whole path.

        Raises:
            UsageError: it is no command, or the program is missing.

        """
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise UsageError(f"{self.command!r} is no command: {error}") from error
        program = shutil.which(words[0]) if words else None
        if program is None:
            raise UsageError(f"{self.command!r} cannot be run: the program is missing or not executable")
        # Not resolved: many programs ask by which name they were called.
        return [os.path.abspath(program), *words[1:]]  # noqa: PTH100

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        answer = candidate.raw if candidate.raw is not None else candidate.text
        found, here = await asyncio.to_thread(lambda: (self.words, str(Path.cwd())))
        words = [word.replace(PLACE, f"{{folder}}/{ANSWER}") for word in found]
        async with turn():
            outcome = await run(
                words,
                files={ANSWER: answer},
                stdin=answer.encode(errors="surrogatepass"),
                limits=self.limits,
                visible=(*SEES, here, str(Path(words[0]).parent)),
                cwd=here,
            )
        if outcome.code == 0:
            return Verdict(score=1, passed=True)
        said = (outcome.stdout + b"\n" + outcome.stderr).decode(errors="replace").strip()
        return Verdict(score=0, passed=False, feedback=f"{Path(words[0]).name} {outcome.how}\n{said[-1500:]}".strip())
