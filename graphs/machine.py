"""START -> begin -> assess -> route -> branch(es) -> select -> END, or the next branch up.

A policy that names its branch goes there from `begin`.

Every branch, the assessment and the judge are the same loop: `dispatch` admits a wave of calls and sends each off as
a task of its own; the tasks' records are merged by id; `dispatch` looks again.
"""

from collections.abc import Awaitable, Callable, Sequence
from inspect import getdoc, getmodule
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from ..nodes.assess import LADDER
from ..nodes.assess import plan as plan_assessment
from ..nodes.consult import Consult
from ..nodes.dispatch import Dispatch, Plan
from ..nodes.flight import Enough
from ..nodes.grade import Grade
from ..nodes.propose import Propose
from ..nodes.route import Begin, Route
from ..nodes.select import Select, plan_judge
from ..nodes.try_out import TryOut, plan_tests
from ..nodes.verify import Checks
from ..state.budget import CallKind
from ..state.run import BranchOutput, RunInput, RunOutput, RunState
from ..state.settings import Settings
from .branches import BRANCHES
from .twin import Twin
from .watched import CompiledGraph, Graph

__all__ = ["CompiledGraph", "Graph", "build"]

Loop = CompiledStateGraph[RunState, Settings, RunState, BranchOutput]
Step = Callable[..., Awaitable[BranchOutput]]
NAMED = dict.fromkeys(BRANCHES, "named")
"""The branches that a policy may name."""
LEVELS = {branch: level.replace("_", " ") for level, (_, branch) in LADDER.items()}
"""Branch -> the level of difficulty that leads there first."""


def build(checks: Checks, settings: Settings, *, tireless: bool = False) -> Graph:
    """Wire the machine for a model and an optional verifier; `tireless` is never satisfied with an answer."""
    caller = checks.caller
    proposing: tuple[CallKind, ...] = ("probe", "sample", "revise", "expand", "step")

    def loop(name: str, plan: Plan, asked: Sequence[CallKind], enough: Enough | None = None) -> Loop:
        kinds: tuple[CallKind, ...] = (*asked, "grade")
        graph = StateGraph(RunState, Settings, output_schema=BranchOutput)
        graph.add_node("dispatch", Twin(Dispatch(name, plan, checks, kinds)), destinations=(*kinds, END))
        graph.add_node("grade", Twin(Grade(checks)))
        graph.add_edge("grade", "dispatch")
        for kind in asked:
            asking: Step = Propose(checks, enough) if kind in proposing else Consult(caller)
            graph.add_node(kind, Twin(asking))
            graph.add_edge(kind, "dispatch")
        graph.add_edge(START, "dispatch")
        return graph.compile(name=name)

    graph = Graph(RunState, Settings, input_schema=RunInput, output_schema=RunOutput)
    graph.model_name = caller.model.name

    def add(name: str, node: Twin | Loop, told: object, **options: Any) -> None:
        about = (getdoc(told) or "").partition("\n")[0]
        graph.add_node(name, node, metadata={"about": about}, **options)

    def step(name: str, node: Callable[..., Awaitable[Any]], **options: Any) -> None:
        add(name, Twin(node), node, **options)

    step("begin", Begin(settings, BRANCHES, checks), destinations={"assess": "to be assessed", **NAMED})
    add("assess", loop("assess", plan_assessment, ("probe", "rate")), plan_assessment)
    step("route", Route(checks), destinations=LEVELS)
    for name, branch in BRANCHES.items():
        add(name, loop(name, branch.plan, branch.kinds, branch.enough), getmodule(branch.plan))
        graph.add_edge(name, "select")
    ends = {
        **dict.fromkeys(BRANCHES, "open"),
        "direct": "too dear",
        "tests": "untested",
        "judge": "tied",
        END: "answered",
    }
    step("select", Select(checks, tireless), defer=True, destinations=ends)
    add("judge", loop("select", plan_judge, ("judge",)), plan_judge)
    add("tests", loop("select", plan_tests, ("tests",)), plan_tests)
    step("try_out", TryOut(checks))
    graph.add_edge("tests", "try_out")
    graph.add_edge("try_out", "select")
    graph.add_edge(START, "begin")
    graph.add_edge("assess", "route")
    graph.add_edge("judge", "select")
    return graph
