"""Several samples of one prompt in one request (`n`): the prompt is read, and paid for, once.

Calls that want the same and come within a moment of each other share a request, and each gets one of its choices. What
a server leaves out is asked for call by call, as are retries, and everything of one that knows no `n`. A reply without
any choice fails them all, each with its part of the cost: one that bore it all would have cost more than was reserved.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ...state.budget import Usage
from ..deadline import Leaving, current, sending
from .usage import as_reported, reported

GATHERING_SECONDS = 0.02
"""How long one of several calls waits for the next; they are sent off at once, and differ by a few writes."""
PLACE = ("seed", "n")
"""Settings in which calls may differ that share a request."""

LEFT_OUT = object()
"""Instead of a choice: the server gave fewer. A `null` is an answer, if of no use, and was paid."""

Body = dict[str, Any]
Post = Callable[[Body], Awaitable[object]]


@dataclass(eq=False)
class Waiting:
    """A call that waits for its choice."""

    part: asyncio.Future[object]
    told: Leaving | None
    """Who wants to know when the request leaves: its time begins then."""

    def leaves(self) -> bool:
        """Say whether somebody waits for it now that it leaves."""
        if self.part.done():
            return False
        try:
            if self.told:
                self.told.sent()
        except asyncio.CancelledError:
            return False
        return True

    def settle(self, part: object = None, error: Exception | None = None) -> None:
        """Hand an outcome to who still waits for it."""
        if self.part.done():
            return
        if error is None:
            self.part.set_result(part)
        else:
            self.part.set_exception(error)


class Fewer(Exception):  # noqa: N818 - reads as the fact it states
    """Somebody gave up before the request could leave: it is to ask for fewer choices."""


@dataclass(eq=False)
class Shared:
    """The calls of one request; whoever gives up before it leaves has asked nothing, and bears none of its cost."""

    waiting: list[Waiting]
    unsent: bool = True

    def sent(self) -> None:
        """Take note that the request leaves now.

        Raises:
            Fewer: it asks for more choices than are still waited for.

        """
        if self.unsent:
            self.unsent, before = False, len(self.waiting)
            self.waiting = [one for one in self.waiting if one.leaves()]
            if len(self.waiting) < before:
                raise Fewer


@dataclass(eq=False)
class Together:
    """The calls of one model that wait for others like them; all on one event loop."""

    groups: dict[str, list[Waiting]] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    alone: bool = False
    """The server has shown that it knows no `n`."""

    async def post(self, payload: Body, post: Post) -> object:
        """Return a completion of one choice, asking together with up to `n` calls of the same payload."""
        wanted = int(payload.get("n") or 1)
        single = {name: value for name, value in payload.items() if name != "n"}
        if wanted < 2 or self.alone:  # noqa: PLR2004 - nothing to share
            return await post(single)
        key = json.dumps({name: value for name, value in payload.items() if name not in PLACE}, default=str)
        group = self.groups.setdefault(key, [])
        told, part = current.get(), asyncio.get_running_loop().create_future()
        with sending():  # which the shared request does for all
            group.append(Waiting(part, told))
            size = len(group)
            if size == wanted:
                self.send(key, group, single, post)
            else:
                later = partial(self.send, key, group, single, post, size)
                asyncio.get_running_loop().call_later(GATHERING_SECONDS, later)
            found = await part
        return await post(single) if found is LEFT_OUT else found

    def send(self, key: str, group: list[Waiting], payload: Body, post: Post, size: int | None = None) -> None:
        """Ask for a group, unless that was done or it grows; when nobody waits any more, the request is cancelled."""
        if self.groups.get(key) is not group or size not in {None, len(group)}:
            return
        del self.groups[key]
        group = [one for one in group if not one.part.done()]
        if not group:
            return
        task = asyncio.get_running_loop().create_task(self.share(group, payload, post))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        for one in group:
            one.part.add_done_callback(lambda _: all(each.part.cancelled() for each in group) and task.cancel())

    async def share(self, group: list[Waiting], payload: Body, post: Post) -> None:
        """Give each its choice, or leave it to ask by itself."""
        parts: Sequence[object]
        shared = Shared(group)
        current.set(shared)
        try:
            found = await post({**payload, "n": len(group)} if len(group) > 1 else payload)
            parts = split(found, len(group))
        except Fewer:
            if shared.waiting:
                await self.share(shared.waiting, payload, post)
            return
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            if len(group) == 1 or not refuses(error):
                for one in group:
                    one.settle(error=error)
                return
            parts = []
        # One choice shows that it knows no `n`, and none that something went wrong this time.
        self.alone = self.alone or not parts or len(parts) == 1 < len(group)
        for one, part in zip(group, [*parts, *[LEFT_OUT] * (len(group) - len(parts))], strict=True):
            one.settle(part)


def refuses(error: Exception) -> bool:
    """Say whether a server's complaint is about `n`."""
    return getattr(error, "status_code", None) in {400, 422} and re.search(r"\bn\b", str(error)) is not None


def split(response: object, count: int) -> list[object]:
    """Make of a completion of several choices as many of one; of one without any, as many without.

    What cannot be split is the first one's.
    """
    if not isinstance(response, Mapping):
        return [response] * count
    choices = response.get("choices")
    if not choices:
        usages = shares(response.get("usage"), [1] * count)
        return [{**response, "usage": usage} for usage in usages]
    if not isinstance(choices, list) or len(choices) < 2:  # noqa: PLR2004
        return [response]
    choices = choices[:count]
    usages = shares(response.get("usage"), [len(json.dumps(choice, default=str)) for choice in choices])
    return [{**response, "choices": [choice], "usage": usage} for choice, usage in zip(choices, usages, strict=True)]


def shares(usage: object, lengths: Sequence[int]) -> list[object]:
    """Split what a request cost: the prompt is the first one's, what was written is divided by length, to the token."""
    whole = reported(usage)
    if whole is None:
        return [usage] * len(lengths)
    found: list[object] = []
    written, thought, left = whole.output_tokens, whole.reasoning_tokens, sum(lengths)
    for number, size in enumerate(lengths):
        part, mused = (round(tokens * size / left) for tokens in (written, thought))
        written, thought, left = written - part, thought - mused, left - size
        read, cached = (whole.input_tokens, whole.cached_tokens) if number == 0 else (0, 0)
        share = Usage(input_tokens=read, output_tokens=part, reasoning_tokens=min(mused, part), cached_tokens=cached)
        found.append(as_reported(share))
    return found
