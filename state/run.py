"""What a run knows: the problem, its candidates, the way taken, the answer, and the graph's four schemas.

Everything here is persisted: the classes are frozen, live in this package and do not move.
"""

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

from langchain_core.messages import AnyMessage
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from .budget import Budget, Call, Limit, Spent, Usage
from .calibration import Calibration
from .form import PLAIN, Form
from .merge import added, merging
from .settings import Level, Settings

AnswerType = Literal["number", "math", "choice", "code", "json", "text"]
Finish = Literal["stop", "length", "error", "other"]
ConfidenceSource = Literal["vote", "logprob", "verifier", "self-rated"]
Rule = Literal[
    "verified", "agreement", "scores", "person", "confidence", "majority", "judge", "consistent", "first", "none"
]
"""What decided; `nodes/selectors/` has a file for each."""
StopReason = Literal["verified", "confident", "complete", "no branch left", "patience", "compute budget"] | Limit
"""Why a run ended.

`verified`: a candidate passed the verifier; `confident`: the vote is settled; `complete`: the policy has made its
calls; `no branch left`: the highest branch left it open; `patience`: a whole branch brought nothing better; `compute
budget`: the calls that the assessment or `max_compute_budget` allows are made; else the limit of the budget reached.
"""


Kind = Literal["exact", "weak"]
"""`exact`: what passes is right; `weak`: a model's opinion, which can be argued into anything by many candidates."""


class Frozen(BaseModel):
    """A persisted value."""

    model_config = ConfigDict(frozen=True)


class Problem(Frozen):
    """What is to be solved."""

    text: str
    messages: list[AnyMessage] = Field(default_factory=list)
    """The chat before the problem, passed to the model untouched."""
    answer_type: AnswerType | None = None
    """None: read off the problem's text."""
    verifier: str = ""
    """The spec of the problem's own verifier, which goes before the graph's; empty: it has none."""
    form: Form = PLAIN
    verbatim: bool = False
    """Samples ask `messages` as they stand; `text`, which is one of them, only says what they are about."""
    epoch: str = ""
    """Set when a run starts on the problem; a new epoch is a new run."""


@dataclass(frozen=True)
class Reply:
    """What a model said."""

    text: str
    finish: Finish = "stop"
    usage: Usage | None = None
    """None: the server reported nothing."""
    mean_logprob: float | None = None
    """Mean natural log-probability of the text's tokens; None where the server gives none."""
    model: str = ""
    """Who answered; empty: the model that was asked."""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    """As LangChain's messages hold them: name, args, id."""


@dataclass(frozen=True)
class Asked:
    """A call that has ended, beside the reply; None where the call failed or was lost."""

    call: Call
    reply: Reply | None = None


class Verdict(Frozen):
    """What a verifier says of one candidate."""

    score: float = Field(ge=0, le=1)
    passed: bool | None = None
    """None: the verifier only scores."""
    feedback: str = ""
    """What to do better; it flows into a revision."""
    kind: Kind = "exact"
    outcomes: tuple[bool, ...] = ()
    """Of each test whether it passed, where there are several; all candidates of a run have the same tests."""
    behaviour: str = ""
    """What a program did on the tests' inputs, as a name that those share which did the same; empty: unknown."""
    awaits: str = ""
    """The rubric by which a model is still to grade the candidate; empty: this is the verdict."""
    failed: str = ""
    """Why the verifier could not tell; empty: it could."""

    @classmethod
    def failure(cls, reason: str, kind: Kind) -> Self:
        """Make the verdict of a verifier that could not tell."""
        return cls(score=0, passed=False, kind=kind, failed=reason)


class Candidate(Frozen):
    """One attempt at the problem; a failed or truncated one is kept, with that state."""

    id: str
    text: str = ""
    tool_calls: list[dict[str, Any]] = []
    raw: str | None = None
    """The answer as it stands in the text; None where none was found."""
    answer: str | None = None
    """Its canonical form: equal answers are equal strings. None never votes."""
    aliases: tuple[str, ...] = ()
    """Canonical forms that may mean the same: of `5 km` that of `5`."""
    branch: str = ""
    strategy: str = ""
    model: str = ""
    parents: tuple[str, ...] = ()
    confidence: float | None = None
    """0 to 1."""
    confidence_source: ConfidenceSource | None = None
    verdict: Verdict | None = None
    usage: Usage = Usage()
    finish: Finish = "stop"
    error: str = ""

    @property
    def written(self) -> str:
        """All that was said, tool calls included."""
        calls = [json.dumps({"tool": call["name"], "arguments": call["args"]}) for call in self.tool_calls]
        return "\n".join(filter(None, [self.text, *calls]))

    @property
    def rank(self) -> tuple[bool, bool, bool, str]:
        """Of two candidates with one id the higher one is kept."""
        verdict = self.verdict
        return (not self.error, verdict is not None, verdict is not None and not verdict.awaits, self.text)

    @property
    def verified(self) -> bool:
        """An exact verifier has passed it."""
        return self.verdict is not None and self.verdict.kind == "exact" and bool(self.verdict.passed)


class Assessment(Frozen):
    """How hard the problem looks, and what follows from it."""

    difficulty: float = Field(ge=0, le=10)
    level: Level
    evidence: str
    """What was seen."""
    compute_budget: int
    """Calls the run may make at this level."""
    plan: tuple[str, ...]
    """Branches to run, in order or, under `cumulative`, together."""


class Leg(Frozen):
    """One stretch of the way: the branches that run now, and the calls each may make."""

    step: int = 0
    allowances: dict[str, int] = Field(default_factory=dict)


class Visit(Frozen):
    """One branch that was taken."""

    id: str
    """Step and branch."""
    branch: str
    calls: int
    candidates: int
    """Candidates explored."""
    iterations: int
    """Windows, rounds or expansions."""
    stopped: str
    """Why the branch ended."""

    @property
    def rank(self) -> tuple[int, str]:
        """Of two reports of one visit the one with more calls is the later one."""
        return (self.calls, self.stopped)


class Selection(Frozen):
    """Which candidate is the answer, by which rule, and how sure that is."""

    candidate_id: str | None
    confidence: float = Field(ge=0, le=1)
    decided_by: Rule
    settled: bool
    """Further calls are not expected to change the choice."""
    margin: float = Field(default=0, ge=0, le=1)
    """How far ahead it is of the next one, of all that the rule counts: votes, weights, scores, comparisons."""


By = Literal["strategy", "model"]


class Account(Frozen):
    """What one prompting strategy, or one model, brought to a run and cost it."""

    by: By
    name: str
    """Empty: no strategy."""
    candidates: int
    answers: int
    """Candidates that hold an answer."""
    votes: int
    """Candidates that hold the answer that was chosen."""
    passed: int
    """Candidates that passed the verifier."""
    tokens: int
    usd: float | None
    """None: no price is known."""


class Answer(Frozen):
    """The result of a run."""

    answer: str | None
    """None: no candidate holds an answer."""
    text: str
    """The whole text of the chosen candidate."""
    tool_calls: list[dict[str, Any]] = []
    confidence: float
    """0 to 1: how far the candidates support the answer."""
    decided_by: Rule
    stopped_because: StopReason
    assessment: Assessment | None
    route: list[Visit]
    candidates: list[Candidate]
    spent: Spent
    accounts: list[Account] = []
    thread_id: str = ""

    @property
    def unchecked(self) -> str:
        """How many candidates got no verdict although there is a verifier, and why; empty: none."""
        verdicts = [item.verdict for item in self.candidates if item.verdict]
        failed = [one.failed for one in verdicts if one.awaits or one.failed]
        why = next(filter(None, failed), "the run ended before")
        return f"{len(failed)} of {len(verdicts)} candidates got no verdict: {why}" if failed else ""


Candidates = Annotated[list[Candidate], merging(Candidate)]
Calls = Annotated[list[Call], merging(Call)]
Visits = Annotated[list[Visit], merging(Visit)]


class RunInput(TypedDict, total=False):
    """What the graph takes: a problem, or a chat whose last message is one."""

    problem: str | Problem
    messages: Annotated[list[AnyMessage], added]


class BranchOutput(TypedDict, total=False):
    """The delta that a branch gives back."""

    candidates: Candidates
    calls: Calls
    visits: Visits


class RunState(RunInput, BranchOutput, total=False):
    """Everything a run knows."""

    settings: Settings
    assessment: Assessment | None
    leg: Leg
    wave: list[Call]
    """The calls sent off last, at their worst case; `calls` says how they have ended."""
    selection: Selection | None
    answer: Answer | None


class RunOutput(TypedDict, total=False):
    """What the graph returns."""

    answer: Answer
    messages: Annotated[list[AnyMessage], added]


RunUpdate = RunState
"""What a node returns: the keys it changes."""

PERSISTED = (
    *(Problem, Form, Verdict, Candidate, Assessment, Leg, Visit, Selection, Account, Answer),
    *(Settings, Calibration, Budget, Call, Spent, Usage, Reply, Asked),
)
"""The classes that a checkpoint may hold, for serializers that ask which to trust."""
