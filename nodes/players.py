"""Extreme models, to be played through the machine before anything is paid, for the least and the most of a run.

They decide how much is asked, by what they answer, and how much is counted, by the tokens they claim.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from langchain_core.messages import BaseMessage

from ..state.budget import Usage
from ..state.form import Form
from ..state.run import Candidate, Kind, Problem, Verdict
from .answers.choices import options_of
from .gate import read_at_most
from .ports import Asking, ChatModel, Reply, Request, Verifier
from .reply import type_of
from .verify import Settled, asking_part, kind_of

BYTES_PER_TOKEN = 16
"""Most bytes of a text that one token stands for, on average; English has about 4."""
LAST = "search"
EARLY = ("assess", "direct", "parallel")
"""The branches that only sample."""
LETTERS = "ABCDEFGHIJ"

Voice = Literal[
    "agrees", "differs", "once", "silent", "silent after assess", "silent after direct", "silent after parallel"
]
Appetite = Literal["little", "long replies", "all"]
Silence = Literal["", "early", "to the last"]


def read_at_least(messages: Sequence[BaseMessage]) -> int:
    """Return the fewest tokens that a prompt can be; of images nothing is known."""
    return 1 + sum(len(str(message.text).encode(errors="surrogatepass")) for message in messages) // BYTES_PER_TOKEN


def met_by_all(form: Form) -> Form:
    """Return a form of the same size that any JSON meets, and that a call with any arguments does."""
    schema = None if form.output_schema is None else filled(form.output_schema)
    return form.model_copy(update={"output_schema": schema, "tools": [taking_all(tool) for tool in form.tools]})


def taking_all(tool: dict[str, Any]) -> dict[str, Any]:
    """Return a tool that takes any arguments."""
    function = tool.get("function", {})
    if not isinstance(function.get("parameters"), Mapping):
        return tool
    return {**tool, "function": {**function, "parameters": filled(function["parameters"])}}


def filled(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that asks for nothing in as many bytes."""
    return {"x" * (len(json.dumps(schema)) - len('{"": 0}')): 0} if schema else {}


def answer(problem: Problem, number: int) -> str:
    """Write an answer of the problem's type in as few bytes as may be; other numbers are other answers."""
    if type_of(problem) != "choice":
        return str(number)
    letters = sorted(options_of(problem.text)) or LETTERS
    if number < len(letters):
        return letters[number]
    # Several choices at once are an answer, too.
    return f"Answer: {letters[0]},{letters[1 + number % (len(letters) - 1)]}"


def replied(problem: Problem, form: Form, number: int, room: int = 0, *, called: bool = True) -> Reply:
    """Reply in the form that was asked for, at the length of the room: by a tool where one may, or must, be called."""
    if not form.tools or not (called or form.must_call):
        return Reply(answer(problem, number).rjust(room))
    name = sorted(form.names, key=len)[-1 if room else 0]
    given = {"": str(number).rjust(room)} if number or room else {}
    return Reply("", tool_calls=[{"name": name, "args": given, "id": "1", "type": "tool_call"}])


def unfit(form: Form, room: int) -> Reply:
    """Reply in no form that was asked for."""
    if form.tools:
        return Reply("", tool_calls=[{"name": "", "args": {"": " " * room}, "id": "1", "type": "tool_call"}])
    return Reply("?".rjust(room))


def branch_of(request: Request) -> str:
    """Return the branch that asks."""
    return request.place.split("-")[1]


def index_of(request: Request) -> int:
    """Return the number of a call in its wave."""
    return int(request.place.split("-")[3].partition("#")[0])


@dataclass(frozen=True)
class Optimist:
    """A model with which a run is soon over: what it says is found perfect.

    `agrees` gives one answer, `differs` others each time, `once` only the first of a step, where each has to be graded;
    one that falls silent after a step leaves the later ones without a text to work on, which is an end too.
    """

    problem: Problem
    voice: Voice = "agrees"
    difficulty: float = 0
    appetite: Appetite = "little"
    """How many tokens it claims, where a limit on them could end the run earlier."""
    clear: float = math.inf
    """How many verdicts are clear: where a verifier cannot tell, a critique may end what its word does not."""

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        said = {"rate": f"Difficulty: {self.difficulty}", "critique": "Score: 10", "grade": "Passed", "tests": "None"}
        read = read_at_most(messages, request.form) if self.appetite == "all" else read_at_least(messages)
        usage, room = Usage(input_tokens=read, output_tokens=1, cached_tokens=read), 0
        if self.appetite != "little":
            usage = Usage(input_tokens=read, output_tokens=request.max_tokens)
            room = request.max_tokens * BYTES_PER_TOKEN
        text = said.get(request.kind)
        reply = self.propose(request, room) if text is None else Reply(text.rjust(room))
        return Reply(reply.text, usage=usage, mean_logprob=0, tool_calls=reply.tool_calls)

    def propose(self, request: Request, room: int) -> Reply:
        """Answer, or say nothing."""
        silent, _, last = self.voice.partition(" after ")
        spoken = EARLY[: EARLY.index(last) + 1] if last else ()
        if silent == "silent" and branch_of(request) not in spoken:
            return Reply("")
        if self.voice == "once" and "-000-000" not in request.place:
            return Reply("")
        differs = self.voice == "differs"
        return replied(self.problem, request.form, index_of(request) if differs else 0, room, called=differs)


@dataclass
class Pessimist:
    """A model that never settles anything: every reply is as long as it may be, cut off, and a text to work on.

    What it opens with decides where a run begins: so many probes that agree, at once or only when they are asked again.
    Or it says nothing until more is asked than samples, or until the last step: what finds no text begins with calls of
    its own.
    """

    problem: Problem
    agreeing: int = 0
    stutters: bool = False
    """Probes are cut off before their answer, once."""
    silence: Silence = ""
    signal: bool = False
    """Something is known against the first reply, by its verifier or its form; of the others all has to be asked."""
    complaint: int = 0
    """Bytes of what may be known against a reply and that no model has written."""
    answers: bool = False
    """No reply is cut off, and each holds another answer."""
    difficulty: float = 0
    given: int = 0
    """Replies so far."""

    @property
    def clear(self) -> float:
        """How many verdicts are clear."""
        return int(self.signal)

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        read, room = read_at_most(messages, request.form), request.max_tokens
        if request.kind in {"revise", "expand"}:
            read += self.complaint
        said = {"rate": f"Difficulty: {self.difficulty}", "critique": "Score: 5", "judge": "Neither"}.get(request.kind)
        said = {"grade": "Failed", "tests": "None"}.get(request.kind, said)
        reply = self.propose(request, room) if said is None else Reply(said.rjust(room))
        # A doubtful probe: where it is the only one, the problem passes for easy without.
        sure = -3.0 if request.kind == "probe" else None
        usage = Usage(input_tokens=read, output_tokens=room)
        return Reply(reply.text, reply.finish, usage, sure, tool_calls=reply.tool_calls)

    def propose(self, request: Request, room: int) -> Reply:
        """Reply with a text that nobody has written before, or with none."""
        self.given += 1
        branch, first = branch_of(request), "-000-" in request.place
        if self.signal and self.given == 1 + self.agreeing and request.form.spelled:
            return unfit(request.form, room)
        if (self.silence == "early" and branch in EARLY) or (self.silence == "to the last" and branch != LAST):
            return Reply("", "length")
        if request.kind == "probe" and self.agreeing and not (self.stutters and first):
            number = index_of(request)
            return replied(self.problem, request.form, 0 if number < self.agreeing else number, room)
        if self.answers:
            return replied(self.problem, request.form, self.given - 1, room)
        return Reply(str(self.given).rjust(room), "length")


@dataclass
class StandIn:
    """A verifier that passes all, or none; after so many verdicts it can tell nothing more."""

    kind: Kind
    passes: bool
    awaits: str = ""
    """What a model is asked, where it is asked."""
    left: float = math.inf
    """Verdicts that are clear."""
    model: ChatModel | None = None
    bounded: ClassVar[bool] = True

    def begin(self, clear: float) -> None:
        """Serve in a play of its own."""
        self.left = clear

    @property
    def asking(self) -> Asking | None:
        """Itself, where it asks."""
        return self if self.awaits else None

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        if not self.awaits:
            return self.verdict()
        if not candidate.text.strip():
            return Verdict(score=0, passed=False, kind=self.kind)
        return Verdict(score=0, kind=self.kind, awaits=self.awaits)

    def read(self, problem: Problem, candidate: Candidate, reply: str) -> Verdict:
        """Judge, whatever the model has said."""
        return self.verdict()

    def settled(self, verdict: Verdict) -> Settled:
        """Put the model's verdict in its place."""
        return Settled(verdict)

    def verdict(self) -> Verdict:
        """Pass, refuse, or fail."""
        self.left -= 1
        if self.left < 0:
            return Verdict.failure("it cannot tell", self.kind)
        return Verdict(score=float(self.passes), passed=self.passes, kind=self.kind)


def only_asks(verifier: Verifier) -> bool:
    """Say whether a verifier leaves every candidate to a model: no part of it can decide alone."""
    return asking_part(verifier) is not None and not hasattr(verifier, "parts")


def stand_ins(verifier: Verifier | None, *, passes: bool) -> list[StandIn | None]:
    """Return who may play a verifier: a model is asked always or, where other parts can decide alone, never.

    What passes nothing asks as often as it may; what is weak as a whole may have parts that pass something for certain.
    """
    kind, asking = kind_of(verifier), asking_part(verifier)
    if kind is None or verifier is None:
        return [None]
    asks: list[StandIn | None] = [] if asking is None else [StandIn(kind, passes, asking.awaits)]
    if asks and (not passes or only_asks(verifier)):
        return asks
    kinds = dict.fromkeys((kind, "exact")) if passes else (kind,)
    return [*asks, *(StandIn(each, passes) for each in kinds)]


Player = Optimist | Pessimist
