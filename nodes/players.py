"""Extreme models, to be played through the machine before anything is paid, for the least and the most of a run.

They decide how much is asked, by what they answer, and how much is counted, by the tokens they claim.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from langchain_core.messages import BaseMessage

from ..state.budget import Usage
from ..state.run import AnswerType, Candidate, Kind, Problem, Verdict
from .answers import infer_type
from .gate import read_at_most
from .ports import Asking, ChatModel, Reply, Request, Verifier
from .selectors import most_compared
from .verify import Settled, asking_part, kind_of

BYTES_PER_TOKEN = 16
"""Most bytes of a text that one token stands for, on average; English has about 4."""
PASSES = "Passed"
"""An optimist's grade."""
LAST = "search"
EARLY = ("assess", "direct", "parallel")
"""The branches that only sample."""

Voice = Literal["agrees", "differs", "silent", "silent after assess", "silent after direct", "silent after parallel"]
Appetite = Literal["little", "long replies", "all"]
Opening = Literal["doubts", "wavers", "is cut off", "stutters", "is silent", "to the last"]


def read_at_least(messages: Sequence[BaseMessage]) -> int:
    """Return the fewest tokens that a prompt can be; of images nothing is known."""
    return 1 + sum(len(str(message.text).encode(errors="surrogatepass")) for message in messages) // BYTES_PER_TOKEN


def answer(problem: Problem, number: int) -> str:
    """Write an answer of the problem's type in as few bytes as may be; other numbers are other answers."""
    kind: AnswerType | None = problem.answer_type or infer_type(problem.text)
    return "ABCDEFGHIJ"[number % 10] if kind == "choice" else str(number)


def branch_of(request: Request) -> str:
    """Return the branch that asks."""
    return request.place.split("-")[1]


@dataclass(frozen=True)
class Optimist:
    """A model with which a run is soon over: what it says is found perfect.

    `agrees` gives one answer, `differs` others each time; one that falls silent after a step leaves the later ones
    without a text to work on, which is an end too.
    """

    problem: Problem
    voice: Voice = "agrees"
    difficulty: float = 0
    appetite: Appetite = "little"
    """How many tokens it claims, where a limit on them could end the run earlier."""

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        said = {"rate": f"Difficulty: {self.difficulty}", "critique": "Score: 10", "grade": PASSES, "tests": "None"}
        text = said.get(request.kind) or self.propose(request)
        read = read_at_most(messages, request.form) if self.appetite == "all" else read_at_least(messages)
        if self.appetite == "little":
            return Reply(text, usage=Usage(input_tokens=read, output_tokens=1, cached_tokens=read), mean_logprob=0)
        long = text and " " * (request.max_tokens * BYTES_PER_TOKEN - len(text)) + text
        return Reply(long, usage=Usage(input_tokens=read, output_tokens=request.max_tokens), mean_logprob=0)

    def propose(self, request: Request) -> str:
        """Answer, or say nothing."""
        silent, _, last = self.voice.partition(" after ")
        spoken = EARLY[: EARLY.index(last) + 1] if last else ()
        if silent == "silent" and branch_of(request) not in spoken:
            return ""
        return answer(self.problem, int(request.place[-3:]) if self.voice == "differs" else 0)


@dataclass
class Pessimist:
    """A model that never settles anything: no answer outweighs two others, and nothing it says is good enough.

    Every reply is as long as it may be. After as many answers as a judge compares, or after probes, replies are cut off
    before theirs: each is one more text to work on. It opens with `doubts`, probes of which only two agree; `wavers`,
    so that they agree in pairs; `stutters`, so that they are asked again before; has all of its samples cut off; or
    says nothing until more is asked than samples, or `to the last` step: what finds no text begins with its own calls.
    """

    problem: Problem
    opening: Opening = "doubts"
    difficulty: float = 0
    probed: bool = False
    given: int = 0
    """Answers so far."""

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        usage = Usage(input_tokens=read_at_most(messages, request.form), output_tokens=request.max_tokens)
        said = {"rate": f"Difficulty: {self.difficulty}", "critique": "Score: 5", "judge": "Neither"}.get(request.kind)
        said = {"grade": "Failed", "tests": "None"}.get(request.kind, said)
        if said is None and self.is_silent(branch_of(request)):
            return Reply("", "length", usage)
        text = said or self.propose(request)
        # A doubtful probe: where it is the only one, the problem passes for easy without.
        sure = -3.0 if request.kind == "probe" else None
        return Reply(text.rjust(request.max_tokens), "stop" if text else "length", usage, sure)

    def is_silent(self, branch: str) -> bool:
        """Say whether a step gets no text."""
        return (self.opening == "is silent" and branch in EARLY) or (self.opening == "to the last" and branch != LAST)

    def propose(self, request: Request) -> str:
        """Return the next answer; none is a reply that is cut off."""
        if branch_of(request) in EARLY and self.opening == "is cut off":
            return ""
        if request.kind == "probe":
            return self.probe(request)
        self.given += 1
        return "" if self.probed or self.given > most_compared(self.problem) else answer(self.problem, self.given)

    def probe(self, request: Request) -> str:
        """Return the next probe's answer, 1 1 2 3 4 and so on, or 1 1 2 2 3."""
        if self.opening == "stutters" and "-000-" in request.place:
            return ""
        self.probed = True
        self.given += 1
        return answer(self.problem, (self.given + 1) // 2 if self.opening == "wavers" else max(1, self.given - 1))


@dataclass(frozen=True)
class Always:
    """A verifier that passes everything, or nothing."""

    passed: bool
    kind: Kind = "exact"

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        return Verdict(score=float(self.passed), passed=self.passed, kind=self.kind)


@dataclass(frozen=True)
class Referring:
    """A verifier that leaves every candidate to the model."""

    awaits: str
    model: ChatModel | None = None
    kind: Kind = "weak"

    @property
    def asking(self) -> Asking:
        """It asks the model."""
        return self

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        return Verdict(score=0, kind=self.kind, awaits=self.awaits)

    def read(self, problem: Problem, candidate: Candidate, reply: str) -> Verdict:
        """Take an optimist's word."""
        passed = PASSES in reply
        return Verdict(score=float(passed), passed=passed, kind=self.kind)

    def settled(self, verdict: Verdict) -> Settled:
        """Put the model's verdict in its place."""
        return Settled(verdict)


def stand_ins(verifier: Verifier | None, *, passes: bool) -> list[Verifier | None]:
    """Return who may play a verifier: a model is asked always or, where other parts can decide alone, never."""
    kind, asking = kind_of(verifier), asking_part(verifier)
    if kind is None or verifier is None:
        return [None]
    alone: list[Verifier | None] = [Always(passes, kind)] if asking is None or hasattr(verifier, "parts") else []
    return alone if asking is None else [*alone, Referring(asking.awaits)]


Player = Optimist | Pessimist
