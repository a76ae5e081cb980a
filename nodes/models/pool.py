"""Several models as one: the place of a call in the run decides who answers it, and the next one stands in."""

import asyncio
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from langchain_core.messages import BaseMessage

from ...state.errors import ModelUnreachable
from ..ports import CallFailed, ChatModel, Reply, Request
from .breaker import Breaker, breaker_for

SERVER_ERROR = 500
RATE_LIMITED = 429
ALMOST = 0.9
"""A call that was cancelled after this part of its time has run out of it; one cancelled earlier says nothing."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pool:
    """A model of several members.

    Within one call, the next member stands in for one that was not reached or is left out by its breaker, because
    nothing was paid; any other failure is for the call's next attempt, which is another place and asks the next member.
    One that asks for time is passed over as long as another is free; where all do, the attempt waits for the soonest.
    """

    members: tuple[ChatModel, ...]
    breakers: Callable[[str], Breaker] = breaker_for

    @property
    def name(self) -> str:
        """The names of all members; a reply names the one that gave it."""
        return " | ".join(member.name for member in self.members)

    def order(self, place: str, model: str = "") -> list[ChatModel]:
        """Return the members in the order in which they are asked for the call at a place, or by its wish.

        The numbers in the place (step, round, index, attempt) are added up, so that the calls of a wave are dealt out
        evenly, the next attempt is the next member's, and a resumed run asks whom it asked before.
        """
        names = [member.name for member in self.members]
        made, _, attempt = place.partition("#")
        whose = names.index(model) if model in names else self.turn(made)
        first = (whose + int(attempt or 0)) % len(self.members)
        return [*self.members[first:], *self.members[:first]]

    def turn(self, place: str) -> int:
        """Return whose turn it is at a place, at the first attempt."""
        return sum(map(int, re.findall(r"\d+", place)))

    def admitted(self, place: str, model: str) -> Iterator[ChatModel]:
        """Yield the members to ask: those whose breaker admits a call; where none does, the first one all the same.

        Those that ask for time come last, the one that asks for least of it first.
        """
        order, asked = sorted(self.order(place, model), key=lambda member: self.breaker(member).wait), False
        for member in order:
            if self.breaker(member).admits():
                asked = True
                yield member
        if not asked:
            yield order[0]

    def breaker(self, member: ChatModel) -> Breaker:
        """Return the breaker of a member's endpoint."""
        return self.breakers(str(getattr(member, "endpoint", member.name)))

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        """Ask the member whose turn it is, or who stands in for it.

        Raises:
            CallFailed: this call failed, or no member could be reached.
            ModelUnreachable: no member can answer until the caller changes something.

        """
        failures: list[CallFailed | ModelUnreachable] = []
        turn = self.order(request.place, request.model)[0]
        for member in self.admitted(request.place, request.model):
            if member is not turn and request.hand_over:
                await request.hand_over(member)
                turn = member
            try:
                return await self.ask(member, messages, request)
            except (CallFailed, ModelUnreachable) as error:
                if isinstance(error, CallFailed) and error.sent:
                    raise self.passing(error, member) from error
                failures.append(error)
        passing_ones = [failure for failure in failures if isinstance(failure, CallFailed)]
        raise (passing_ones or failures)[0]

    async def ask(self, member: ChatModel, messages: Sequence[BaseMessage], request: Request) -> Reply:
        """Ask one member, and tell its breaker how it went."""
        breaker = self.breaker(member)
        began = breaker.clock()
        opened = False
        try:
            reply = await member.generate(messages, request)
        except asyncio.CancelledError:
            opened = breaker.clock() - began >= ALMOST * request.timeout and breaker.fail()
            raise
        except ModelUnreachable:
            opened = breaker.fail(for_good=True)
            raise
        except CallFailed as error:
            if error.retry_after:
                breaker.rest(error.retry_after)
            for_long = error.status == RATE_LIMITED and error.retry_after is None
            if for_long or error.unreachable or not error.sent or (error.status or 0) >= SERVER_ERROR:
                opened = breaker.fail(for_good=for_long)
            raise
        else:
            breaker.succeeded()
            return replace(reply, model=reply.model or member.name)
        finally:
            if opened:
                log.warning("model %r is left out for %g s: it does not answer", member.name, breaker.cool_down)

    def passing(self, error: CallFailed, member: ChatModel) -> CallFailed:
        """Return a member's failure as the pool's: the next attempt waits for whoever can be asked the soonest.

        That is not the member that refuses this call for good, nor one that is left out; where nobody remains, the
        failure is what it is for one model.
        """
        left = [self.breaker(each) for each in self.members if each is not member or error.retry_after is not None]
        wait = min((breaker.wait for breaker in left if breaker.opened is None), default=error.retry_after)
        message = f"{member.name}: {error}"
        return CallFailed(message, retry_after=wait, status=error.status, usage=error.usage, model=member.name)
