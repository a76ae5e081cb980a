"""Let an agent of `langchain.agents.create_agent` deliberate on its steps: always, on a condition, or where unsure."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal, NotRequired, cast

try:
    from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse
    from langchain.agents.middleware.types import ExtendedModelResponse, PrivateStateAttr
except ImportError as missing:
    raise ImportError(
        f"DeliberateMiddleware needs a package that is missing ({missing}): install ponder[agents]"
    ) from None
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatResult
from langgraph.runtime import Runtime
from langgraph.types import Command
from pydantic import Field

from ...state.budget import Budget, Spent
from ...state.errors import BudgetTooSmall, ModelUnreachable, NoReply, UsageError
from ...state.run import Answer, Problem
from ...state.settings import parse_settings
from ..app import Setup
from ..models import ModelLike
from .chat import PonderChatModel

When = Literal["always", "unsure"] | Callable[[ModelRequest[Any]], bool]
UNSURE: dict[str, Any] = {"policy": "parallel", "settings": {"window": 2, "threshold": 0.85}}
"""Two candidates, and more where they differ: agreement is the confidence that every model can be asked for."""
Handler = Callable[[ModelRequest[Any]], ModelResponse[Any]]
AsyncHandler = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]


class DeliberateState(AgentState[Any]):
    """What an agent's state has more."""

    ponder_spent: NotRequired[Annotated[dict[str, float], PrivateStateAttr]]
    """Limit -> what this run of the agent has used of it."""


class Deliberating(PonderChatModel):
    """The model of one step of an agent; a middleware may try it again."""

    used: dict[str, float] = Field(default_factory=dict)
    """Limit -> what the agent's run has used of the budget, tries of this step that brought nothing included."""

    def setup(self, problem: Problem, asked: Mapping[str, Any]) -> Setup:
        """Return it with what is left of the budget.

        Raises:
            BudgetTooSmall: that is nothing.

        """
        left = Budget.model_validate(self.budget or {}).left(self.used)
        if over := next((limit for limit, amount in left.items() if amount <= 0), None):
            raise BudgetTooSmall(over, left[over], "more")
        return super().setup(problem, {**asked, "budget": left})

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        with self.counting():
            return super()._generate(*args, **kwargs)

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        with self.counting():
            return await super()._agenerate(*args, **kwargs)

    def _result(self, output: Mapping[str, Any], problem: Problem) -> ChatResult:
        try:
            return super()._result(output, problem)
        except NoReply:
            answer: Answer = output["answer"]
            self.used.update(added(self.used, answer.spent.used))
            raise

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count what a try has spent that an outage has stopped."""
        try:
            yield
        except ModelUnreachable as error:
            self.used.update(added(self.used, error.spent.used if error.spent else {}))
            raise


class DeliberateMiddleware(AgentMiddleware[DeliberateState, Any, Any]):
    """Make the agent's model calls runs of ponder.

    `when` is `always`; `unsure`, which asks twice and goes on where the two differ; or a function of the request. The
    budget is that of all deliberations in one run of the agent; once it is used up, the agent goes on with single
    calls. Options are fields of `PonderChatModel`; `model` takes the place of the agent's own.
    """

    state_schema = DeliberateState

    def __init__(
        self,
        when: When = "always",
        *,
        budget: Budget | Mapping[str, float] | None = None,
        model: ModelLike | None = None,
        **options: Any,
    ) -> None:
        """Check the options, before the agent runs.

        Raises:
            UsageError: one cannot be used.

        """
        super().__init__()
        if not callable(when) and when not in {"always", "unsure"}:
            raise UsageError(f"when={when!r} is unknown: give 'always', 'unsure' or a function of the request")
        self.when = when
        self.budget = parse_settings(budget=budget or {}).budget
        if when == "unsure":
            options = {**UNSURE, **options, "settings": {**UNSURE["settings"], **options.get("settings", {})}}
        self.deliberating = Deliberating(model=model, **options)
        self.deliberating.setup(Problem(text="What?"), {})

    def before_agent(self, state: DeliberateState, runtime: Runtime[Any]) -> dict[str, Any]:
        """Begin a run with its whole budget."""
        return {"ponder_spent": {}}

    async def abefore_agent(self, state: DeliberateState, runtime: Runtime[Any]) -> dict[str, Any]:
        """Begin a run with its whole budget."""
        return {"ponder_spent": {}}

    def wrap_model_call(self, request: ModelRequest[Any], handler: Handler) -> ExtendedModelResponse[Any]:
        """Answer by a run of ponder, or as without it."""
        deliberate = self.deliberated(request)
        if deliberate is None:
            return self.counted(request, handler(request))
        try:
            return self.counted(request, handler(deliberate))
        except BudgetTooSmall:
            return self.counted(request, handler(request))

    async def awrap_model_call(self, request: ModelRequest[Any], handler: AsyncHandler) -> ExtendedModelResponse[Any]:
        """Answer by a run of ponder, or as without it."""
        deliberate = self.deliberated(request)
        if deliberate is None:
            return self.counted(request, await handler(request))
        try:
            return self.counted(request, await handler(deliberate))
        except BudgetTooSmall:
            return self.counted(request, await handler(request))

    def deliberated(self, request: ModelRequest[Any]) -> ModelRequest[Any] | None:
        """Return the request with a model that deliberates; None where the model itself is to answer."""
        used = used_in(request)
        over = min(self.budget.left(used).values(), default=1) <= 0
        if over or (callable(self.when) and not self.when(request)):
            return None
        own: dict[str, Any] = {} if self.deliberating.model is not None else {"model": request.model}
        # Not among the request's settings: a middleware further in may hand those to another model.
        return request.override(model=self.deliberating.model_copy(update={**own, "budget": self.budget, "used": used}))

    def counted(self, request: ModelRequest[Any], response: ModelResponse[Any]) -> ExtendedModelResponse[Any]:
        """Add what a run has spent to what the agent has."""
        # Another model may have answered: the agent's own, or that of a middleware further in.
        replies = [message for message in response.result if isinstance(message, AIMessage)]
        told = [reply.response_metadata.get("ponder", {}).get("spent", {}) for reply in replies]
        used = added(used_in(request), Spent.model_validate(told[0] if told else {}).used)
        return ExtendedModelResponse(response, Command(update={"ponder_spent": used}))


def used_in(request: ModelRequest[Any]) -> dict[str, float]:
    """Return what the agent's run has used so far; tries of this step that bring nothing are to be added to it.

    They can write nothing into the state, but the state as the step has read it is that of all its tries.
    """
    spent = cast("DeliberateState", request.state).get("ponder_spent", {})
    return cast("dict[str, dict[str, float]]", request.state).setdefault("ponder_used", dict(spent))


def added(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    """Add up what was used of each limit."""
    return {limit: one.get(limit, 0) + other.get(limit, 0) for limit in {**one, **other}}
