"""START -> begin -> assess -> route -> branch(es) -> select -> END, or the next branch up.

Every branch, the assessment and the judge are the same loop: `dispatch` admits a wave of calls and sends each off as
a task of its own; the tasks' records are merged by id; `dispatch` looks again.
"""

from collections.abc import Awaitable, Callable, Iterable

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from ..nodes import prompts
from ..nodes.assess import plan as plan_assessment
from ..nodes.critique import Critique
from ..nodes.dispatch import Dispatch, Plan
from ..nodes.judge import Judge
from ..nodes.ports import ChatModel, Verifier
from ..nodes.rate import Rate
from ..nodes.revise import Revise
from ..nodes.route import Begin, Route
from ..nodes.sample import Sample
from ..nodes.select import Select, plan_judge
from ..state.budget import CallKind
from ..state.run import BranchOutput, RunInput, RunOutput, RunState
from ..state.settings import Settings
from .branches import BRANCHES
from .twin import twin

Graph = StateGraph[RunState, Settings, RunInput, RunOutput]
CompiledGraph = CompiledStateGraph[RunState, Settings, RunInput, RunOutput]
Loop = CompiledStateGraph[RunState, Settings, RunState, BranchOutput]
Step = Callable[..., Awaitable[BranchOutput]]


def build(model: ChatModel, verifier: Verifier | None, settings: Settings) -> Graph:
    """Wire the machine for a model and an optional verifier."""
    exact = verifier is not None
    steps: dict[CallKind, Step] = {
        "rate": Rate(model),
        "probe": Sample(model, verifier),
        "sample": Sample(model, verifier),
        "critique": Critique(model),
        "revise": Revise(model, verifier),
        "expand": Revise(model, verifier, prompts.EXPAND),
        "judge": Judge(model),
    }

    def loop(name: str, plan: Plan, kinds: Iterable[CallKind]) -> Loop:
        graph = StateGraph(RunState, Settings, output_schema=BranchOutput)
        graph.add_node("dispatch", twin(Dispatch(name, plan, exact)), destinations=(*kinds, END))
        for kind in kinds:
            graph.add_node(kind, twin(steps[kind]))
            graph.add_edge(kind, "dispatch")
        graph.add_edge(START, "dispatch")
        return graph.compile(name=name)

    graph: Graph = StateGraph(RunState, Settings, input_schema=RunInput, output_schema=RunOutput)
    graph.add_node("begin", twin(Begin(settings, BRANCHES)), destinations=("assess", "route"))
    graph.add_node("assess", loop("assess", plan_assessment, ("probe", "rate")))
    graph.add_node("route", twin(Route(exact)), destinations=tuple(BRANCHES))
    for name, branch in BRANCHES.items():
        graph.add_node(name, loop(name, branch.plan, branch.kinds))
        graph.add_edge(name, "select")
    ends = (*list(BRANCHES)[1:], "judge", END)
    graph.add_node("select", twin(Select(exact)), defer=True, destinations=ends)
    graph.add_node("judge", loop("select", plan_judge, ("judge",)))
    graph.add_edge(START, "begin")
    graph.add_edge("assess", "route")
    graph.add_edge("judge", "select")
    return graph
