"""Every prompt, and the strategies that vary it."""

import json

from langchain_core.messages import BaseMessage, HumanMessage

from ..state.budget import Call
from ..state.form import PLAIN, Form
from ..state.run import AnswerType, Problem
from .critique import feedback_on, find
from .view import View

STRATEGIES = {
    "step by step": "Think step by step.",
    "edge cases": "Consider edge cases.",
    "backwards": "Work backwards from the goal.",
    "subproblems": "Break into subproblems.",
    "analogy": "Use analogical reasoning.",
}
"""Name -> the sentence put before the problem."""

CHAIN = "chain"
"""The strategy of the refine branch's first draft."""

CHAIN_PROMPT = """\
Solve this problem in four parts, each with its heading:
Understanding: what is asked, and what is given.
Approach: how you will solve it.
Solution: carry it out.
Verification: check the result against the problem."""

RATE = """\
How hard is this problem for you? Do not solve it.
1 is trivial, 10 is beyond you.

<problem>
{problem}
</problem>

End with a line 'Difficulty: <1-10>'."""

CRITIQUE = """\
Check this solution. Say whether it is complete and correct, and name the first mistake if there is one.

<problem>
{problem}
</problem>

<solution>
{solution}
</solution>

End with a line 'Score: <0-10>', where 10 is complete and certainly correct."""

REVISE = """\
Improve this solution. Correct what the feedback says is wrong and keep what is right.

<problem>
{problem}
</problem>

<solution>
{solution}
</solution>

<feedback>
{feedback}
</feedback>

Write the whole corrected solution. {ending}"""

EXPAND = """\
Solve this problem in another way than the attempt below, and avoid its mistakes.

<problem>
{problem}
</problem>

<attempt>
{solution}
</attempt>

<feedback>
{feedback}
</feedback>

{ending}"""

JUDGE = """\
Two solutions of one problem follow. Which one is right, or more nearly right?

<problem>
{problem}
</problem>

<solution_1>
{first}
</solution_1>

<solution_2>
{second}
</solution_2>

End with a line 'Better: 1' or 'Better: 2'."""

ENDINGS: dict[AnswerType | None, str] = {
    "code": "Put the program into one fenced code block.",
    "json": "Answer with JSON only.",
    "choice": "End with a line 'Answer: <letter>'.",
    "text": "",
}
ENDING = "End with a line 'Answer: <answer>'."


SCHEMA_ENDING = "Answer with JSON only, by this JSON Schema: {schema}"
PROPOSING = {"probe", "sample", "revise", "expand"}
"""Kinds of calls that make candidates."""


def ending(problem: Problem) -> str:
    """Return the sentence that makes the answer easy to find."""
    if problem.form.output_schema is not None:
        return SCHEMA_ENDING.format(schema=json.dumps(problem.form.output_schema))
    return "" if problem.verbatim else ENDINGS.get(problem.answer_type, ENDING)


def prompt_for(view: View, call: Call) -> list[BaseMessage]:
    """Write what a call asks, behind the chat that came before the problem."""
    problem = view.problem
    text = ending(problem) if problem.verbatim and call.kind in {"probe", "sample"} else text_of(view, call)
    return [*problem.messages, *([HumanMessage(text)] if text else [])]


def form_for(view: View, call: Call) -> Form:
    """Return the form that a call's reply may take: what makes no candidate is answered in words."""
    return view.problem.form if call.kind in PROPOSING else PLAIN


def text_of(view: View, call: Call) -> str:
    """Write the prompt of a call from the state it was planned in."""
    problem, parents = view.problem, [find(view, parent) for parent in call.parents]
    match call.kind:
        case "probe" | "sample":
            return solution(problem, call.strategy)
        case "rate":
            return RATE.format(problem=problem.text)
        case "judge":
            first, second = parents
            return JUDGE.format(problem=problem.text, first=first.written, second=second.written)
        case "critique":
            return CRITIQUE.format(problem=problem.text, solution=parents[0].written)
        case "revise" | "expand":
            feedback = feedback_on(view, parents[0])
            return (REVISE if call.kind == "revise" else EXPAND).format(
                problem=problem.text,
                solution=parents[0].written,
                feedback=(feedback and feedback.words) or "None.",
                ending=ending(problem),
            )


def solution(problem: Problem, strategy: str) -> str:
    """Ask for a solution; an unknown strategy is none."""
    lead = CHAIN_PROMPT + "\n\n" if strategy == CHAIN else STRATEGIES.get(strategy, "")
    parts = (lead, problem.text, ending(problem))
    return " ".join(part for part in parts if part).replace("\n\n ", "\n\n")
