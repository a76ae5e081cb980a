"""A model that plays recorded samples back, and the real machine run on it: nothing of a policy is written twice."""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import lru_cache
from random import Random
from typing import Any

from langchain_core.messages import BaseMessage

from ponder.graphs import create_ponder
from ponder.graphs.machine import CompiledGraph
from ponder.nodes.ports import CallFailed, Reply, Request
from ponder.state import Answer, Problem, Verdict
from ponder.state.run import Candidate
from tests.benchmarks.replay.policies import Policy
from tests.benchmarks.replay.recordings import Question, Sample

PROPOSING = ("probe", "sample")
"""The kinds of calls that were recorded; critiques and judgements were not."""
UNHURRIED: dict[str, Any] = {
    "call_timeout": 3600.0,
    "retries": 0,
    **dict.fromkeys(("concurrency", "requests_per_minute", "tokens_per_minute")),
}
"""Nothing is waited for."""


@dataclass
class Deal:
    """The samples of a problem in the order in which one run gets them, none twice."""

    question: Question
    order: Sequence[int]
    plain: bool = False
    """Say nothing of how sure the model was."""
    played: list[Sample] = field(default_factory=list)
    unrecorded: int = 0
    """Calls that no recording answers: those of a judge."""

    def next(self, request: Request) -> Reply:
        """Return the next sample; at temperature 0 the greedy one, where it was recorded."""
        if request.kind not in PROPOSING:
            self.unrecorded += 1
            raise CallFailed(f"a {request.kind} was not recorded")
        if request.temperature == 0 and self.question.greedy is not None:
            sample = self.question.greedy
        elif len(self.played) < len(self.order):
            sample = self.question.samples[self.order[len(self.played)]]
        else:
            raise CallFailed("all recorded samples have been played")
        self.played.append(sample)
        return replace(sample.reply, mean_logprob=None) if self.plain else sample.reply


dealt: ContextVar[Deal] = ContextVar("dealt")
"""What the run around plays: a compiled graph serves all of them."""


@dataclass(frozen=True)
class Playback:
    """The model of all runs."""

    name: str = "recorded"

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        return dealt.get().next(request)


@dataclass(frozen=True)
class Recorded:
    """The exact verifier, by what it said when the samples were recorded."""

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        passed = any(sample.passed for sample in dealt.get().played if sample.reply.text == candidate.text)
        return Verdict(score=float(passed), passed=passed)


@dataclass(frozen=True)
class Run:
    """What one run came to."""

    right: bool
    calls: int
    tokens: int | None
    """Input and output together; None where they were not recorded."""
    unrecorded: int


@lru_cache(maxsize=256)
def graph(policy: Policy, cap: int, *, verified: bool) -> CompiledGraph:
    """Compile a policy, with no more samples than are recorded."""
    given = {**UNHURRIED, **policy.options(cap)}
    return create_ponder(Playback(), verifier=Recorded() if verified else None, **given)


async def play(question: Question, policy: Policy, seed: str) -> Run:
    """Run a policy on a problem, with its samples dealt in an order that the seed decides for all policies alike."""
    order = list(range(len(question.samples)))
    Random(f"{seed}/{question.id}").shuffle(order)  # noqa: S311 - nothing secret
    deal = Deal(question, order, policy.plain)
    dealt.set(deal)
    machine = graph(policy, len(question.samples), verified=question.verified)
    answer: Answer = (await machine.ainvoke({"problem": question.text}))["answer"]
    right = answer.decided_by == "verified" if question.verified else question.is_right(answer.answer)
    used = [sample.reply.usage for sample in deal.played]
    counted = [usage.input_tokens + usage.output_tokens for usage in used if usage is not None]
    tokens = sum(counted) if len(counted) == len(used) else None
    return Run(right, len(deal.played), tokens, deal.unrecorded)
