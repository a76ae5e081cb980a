"""Solve a problem from start to end: thread, store, events, answer; and go on where a run was stopped."""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any, ParamSpec, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from ..nodes.entry import check_waiting, entering
from ..nodes.events import Event, read
from ..nodes.loop import submit
from ..nodes.route import check_text, read_problem
from ..state.budget import Budget
from ..state.errors import ChoiceNeeded, UsageError
from ..state.question import Question
from ..state.run import Answer, Problem, RunInput
from .app import Setup, VerifierLike, prepare
from .machine import CompiledGraph
from .models import ModelLike, takes_url
from .origin import BASE_URL, MODEL, SETTINGS, VERIFIER, origin_of, recalled, recorded, unmasked
from .raised import larger, onward
from .stores import Saver, StoreLike, absent, configured, held, opened

OnEvent = Callable[[Event], None]
T = TypeVar("T")
P = ParamSpec("P")


def new_thread() -> str:
    """Return a thread id that nobody has."""
    return secrets.token_hex(6)


async def asolve(
    problem: str | Problem,
    *,
    model: ModelLike | None = None,
    policy: str = "adaptive",
    effort: str = "balanced",
    assessor: str | None = None,
    budget: Budget | dict[str, Any] | None = None,
    verifier: VerifierLike | None = None,
    store: StoreLike | None = None,
    thread_id: str | None = None,
    seed: int | None = None,
    base_url: str | None = None,
    on_event: OnEvent | None = None,
    **settings: Any,
) -> Answer:
    """Solve one problem and return the best answer that the budget allowed.

    The store is a SQLAlchemy URL, `:memory:`, or a checkpointer; None is PONDER_STORE, else a SQLite file in the
    user's data directory. Further keywords are fields of `Settings`. A finished run on the thread gives way to the new
    one: the event `replaced` says so.

    Raises:
        UsageError: a value cannot be used, or the thread holds an unfinished run.
        ChoiceNeeded: a person is asked (`on_tie="ask"`, `ask_below`); `resume(thread_id, choice=NUMBER)` goes on.
        ThreadBusy: another process works on the thread.
        ModelUnreachable: no call can succeed now; what was paid is kept, and `resume(thread_id)` goes on.
        StoreError: the store cannot be used.

    """
    thread = new_thread() if thread_id is None else thread_id
    problem = read_problem(problem)
    check_text(problem)
    check_listener(on_event)
    chosen = {"policy": policy, "effort": effort, "assessor": assessor, "budget": budget, "seed": seed, **settings}
    setup = prepare(model, verifier=verifier, base_url=base_url, **chosen)
    await asyncio.to_thread(setup.ready, problem)
    if store == ":memory:" and (setting := setup.settings.may_ask):
        raise UsageError(f"{setting} needs a store that is there when the choice is made: ':memory:' is not")
    settled = setup.settings.model_dump_json(exclude_unset=True)
    origin = origin_of(model, base_url, verifier, settled)
    async with opened(store) as saver:
        run = Run(setup, saver, thread, origin, on_event)
        async with held(saver, thread):
            if thread_id is not None:  # a new name has nothing stored under it
                state = await run.state()
                if is_foreign(state):
                    raise UsageError(f"thread {thread!r} was not written by ponder: choose another one")
                if unfinished(state):
                    raise UsageError(f"thread {thread!r} holds an unfinished run: resume it, or choose another thread")
            return await run.go({"problem": problem})


def check_listener(on_event: object) -> None:
    """Refuse what cannot be told events, before calls are paid that it would then break off."""
    if on_event is not None and not callable(on_event):
        raise UsageError(f"on_event={on_event!r} cannot be used: give a function of one event")


async def aresume(
    thread_id: str,
    *,
    store: StoreLike | None = None,
    model: ModelLike | None = None,
    verifier: VerifierLike | None = None,
    base_url: str | None = None,
    budget: Budget | dict[str, Any] | None = None,
    choice: int | None = None,
    on_event: OnEvent | None = None,
) -> Answer:
    """Go on with a stopped run; a finished one returns its answer without a call.

    Model and verifier are those of the run, unless they were objects, which must be given again, as must those of a run
    that a graph of yours began; so must a base URL with a password, which is not stored. A budget raises the limits
    that it names: a run that its budget has ended, or ends now, goes on; where it is stopped before that, the budget is
    to be given again. A run that waits for a choice between answers goes on with the number of one of its finalists.

    Raises:
        ThreadNotFound: nothing is stored under that thread.
        UsageError: the run had a model or verifier object and none is given, a limit is not raised, or the run does not
            wait for that choice.
        ChoiceNeeded: it waits for a choice and none is given.
        ThreadBusy: another process works on the thread.

    """
    check_listener(on_event)
    async with opened(store) as saver:
        stored = await saver.aget_tuple(configured(thread_id))
        if stored is None:
            raise await absent(saver, thread_id)
        origin = await recorded(saver, stored)
        if model is None and MODEL not in origin:
            raise UsageError(f"thread {thread_id!r} was begun by a graph of yours: give its model, and its verifier")
        asked: ModelLike | None = recalled(model, origin, MODEL, "model")
        setup = prepare(
            asked,
            verifier=recalled(verifier, origin, VERIFIER, "verifier"),
            # The environment may have named a server that a local model does not ask.
            base_url=base_url or (unmasked(origin.get(BASE_URL)) if takes_url(asked) else None),
            **json.loads(origin.get(SETTINGS, "{}")),
        )
        run = Run(setup, saver, thread_id, origin, on_event)
        async with held(saver, thread_id):
            state = await run.state()
            if is_foreign(state):
                raise UsageError(f"thread {thread_id!r} was not written by ponder: choose another one")
            check_choice(thread_id, asked_in(state), choice)
            if "settings" in state.values:
                setup.check_kept(state.values)
                if budget is not None:
                    larger(state.values["settings"], budget)  # refuses what is no raise, before anything is paid
            if not unfinished(state):
                answer = cast("Answer", state.values["answer"])
            else:
                answer = await run.go(None if choice is None else Command(resume=choice))
            return answer if budget is None else await run.go_on(budget) or answer


def asked_in(state: Any) -> Question | None:
    """Return what a run waits to be told; None where it does not wait."""
    waiting = [interrupt for task in state.tasks for interrupt in task.interrupts]
    return Question.model_validate(waiting[0].value) if waiting else None


def check_choice(thread_id: str, question: Question | None, choice: int | None) -> None:
    """Refuse a choice that nobody waits for, and to go on without one that is waited for."""
    if question is None:
        if choice is not None:
            raise UsageError(f"thread {thread_id!r} does not wait for a choice: resume it without one")
        return
    if choice is None:
        raise ChoiceNeeded(thread_id, question)
    if choice not in {item.number for item in question.finalists}:
        raise UsageError(f"choice={choice} is no finalist's: give a number from 1 to {len(question.finalists)}")


def wait(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop; Ctrl-C cancels it and waits until it has saved."""
    try:
        check_waiting()
    except UsageError:
        coroutine.close()
        raise
    finished = asyncio.Event()

    async def run() -> T:
        try:
            return await coroutine
        finally:
            finished.set()

    future = submit(run())
    try:
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        submit(finished.wait()).result()
        raise


def blocking(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Give an async function a twin for scripts, notebooks and synchronous nodes."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return wait(function(*args, **kwargs))

    return call


solve = blocking(asolve)
resume = blocking(aresume)


@dataclass(frozen=True)
class Run:
    """One run of the graph on its thread."""

    setup: Setup
    saver: Saver | None
    thread_id: str
    origin: dict[str, Any]
    on_event: OnEvent | None = None

    @cached_property
    def graph(self) -> CompiledGraph:
        """The machine on the store."""
        return self.setup.machine(self.saver)

    @property
    def config(self) -> RunnableConfig:
        """The thread, and the metadata that each of its checkpoints carries."""
        return {**configured(self.thread_id), "metadata": dict(self.origin)}

    async def state(self) -> Any:
        """Return LangGraph's snapshot of the thread.

        A run that has not ended has `tasks`; its `next` is empty as well where it was killed between a step's last
        write and the checkpoint after it.
        """
        return await self.graph.aget_state(self.config)

    async def go_on(self, budget: Budget | dict[str, Any]) -> Answer | None:
        """Go on with larger limits; None where it was not its limits that have ended the run."""
        values = (await self.state()).values
        wider = larger(values["settings"], budget)
        further = onward(values, wider)
        if further is None:
            return None
        settings = {**json.loads(self.origin.get(SETTINGS, "{}")), "budget": wider.model_dump(exclude_none=True)}
        self.origin[SETTINGS] = json.dumps(settings)
        return await self.go(further)

    async def go(self, given: RunInput | Command[Any] | None) -> Answer:
        """Run to the end, telling every event; a new run begins in its turn."""
        with entering():
            return await self.go_through(given)

    async def go_through(self, given: RunInput | Command[Any] | None) -> Answer:
        """Run to the end."""
        answer: Answer | None = None
        asked: Question | None = None
        heard = self.on_event is not None  # to stream what nobody hears costs as well
        # Without a checkpointer LangGraph takes no durability.
        durability: dict[str, Any] = {"durability": "sync"} if self.graph.checkpointer else {}
        modes = ["custom", "updates"] if heard else ["updates"]
        options = {"stream_mode": modes, "subgraphs": heard, **durability}
        stream = self.graph.astream(given, self.config, context=self.setup.settings, **options)
        async with aclosing(cast("AsyncGenerator[tuple[Any, ...], None]", stream)) as parts:
            async for part in parts:
                namespace, mode, data = part if heard else ((), *part)
                if mode == "custom" and self.on_event:
                    self.on_event(read(data))
                elif "__interrupt__" in data:
                    asked = Question.model_validate(data["__interrupt__"][0].value)
                elif mode == "updates" and not namespace:
                    answer = (data.get("select") or {}).get("answer", answer)
        if asked is not None:
            raise ChoiceNeeded(self.thread_id, asked)
        if answer is None:
            raise UsageError(
                f"thread {self.thread_id!r} has no next step: its state was changed where a node itself says what "
                "follows; give the graph Command(update=…, goto=NODE) there"
            )
        return answer


def unfinished(state: Any) -> bool:
    """Say whether a run has not ended; one that was just given larger limits has no task yet, and no answer."""
    return bool(state.tasks) or ("settings" in state.values and state.values.get("answer") is None)


def is_foreign(state: Any) -> bool:
    """Say whether another graph has written what a thread holds."""
    return state.created_at is not None and "settings" not in state.values and not state.tasks
