"""A scripted model: answers come from a function of the prompt and the number of the call."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from langchain_core.messages import BaseMessage

from ponder.nodes.ports import CallFailed, Reply, Request
from ponder.state.budget import Usage

Script = Callable[[str, int], str | Reply | BaseException]


class Cut(BaseException):
    """What ends a run in the middle of a call, as a signal does: the model's own errors do not."""


def kind_of(prompt: str) -> str:
    """Tell from a prompt which step asks."""
    marks = {
        "addresses_grader": "grade",
        "Score: <0-10>": "critique",
        "Better: 1": "judge",
        "Difficulty:": "rate",
        "<feedback>": "improve",
    }
    marks |= {"Most consistent: <number>": "consistent", "assert CALL": "tests"}
    return next((kind for mark, kind in marks.items() if mark in prompt), "sample")


@dataclass
class ScriptedModel:
    """Counts its calls and the most that were in flight at once."""

    script: Script = lambda _prompt, number: f"Answer: {number}"
    name: str = "scripted"
    latency: float = 0.0
    prompts: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    flying: int = 0
    most_flying: int = 0

    @property
    def calls(self) -> int:
        return len(self.prompts)

    @property
    def kinds(self) -> list[str]:
        return [kind_of(prompt) for prompt in self.prompts]

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        number = len(self.prompts)
        self.prompts.append(str(messages[-1].content))
        self.requests.append(request)
        self.flying += 1
        self.most_flying = max(self.most_flying, self.flying)
        try:
            await asyncio.sleep(self.latency)
            said = self.script(self.prompts[number], number)
        finally:
            self.flying -= 1
        if isinstance(said, BaseException):
            raise said
        return said if isinstance(said, Reply) else Reply(said, usage=Usage(input_tokens=10, output_tokens=5))


def always(answer: str) -> Script:
    """Give one answer, whatever is asked; critiques give a middling score."""
    return lambda prompt, _: "Score: 5" if kind_of(prompt) == "critique" else f"Answer: {answer}"


def cycle(*answers: str) -> Script:
    """Give the answers in turn; critiques give a middling score, judgements the first place."""

    def script(prompt: str, number: int) -> str:
        fixed = {"critique": "Score: 5", "judge": "Better: 1", "rate": "Difficulty: 5"}
        return fixed.get(kind_of(prompt)) or f"Answer: {answers[number % len(answers)]}"

    return script


def passing(message: str = "HTTP 503") -> CallFailed:
    """Make a failure after which trying again may help, at once."""
    return CallFailed(message, retry_after=0.001)
