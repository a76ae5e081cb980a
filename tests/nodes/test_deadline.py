"""When a call's time is over."""

import asyncio

import pytest

from ponder.nodes.deadline import Deadline


async def test_two_limits_that_are_over_at_once_end_a_call_once() -> None:
    deadline = Deadline(0.0, None)
    deadline.unsent = False  # its time has begun

    async def waiting() -> None:
        async with deadline:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                deadline.look()
                raise

    with pytest.raises(TimeoutError):
        await waiting()
