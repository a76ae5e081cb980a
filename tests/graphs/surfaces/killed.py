"""An agent that deliberates, in a process that a test kills: `python -m tests.graphs.surfaces.killed URL STORE`."""

import sys
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage

from ponder.graphs import DeliberateMiddleware
from ponder.state import SQLAlchemySaver

ON: Any = {"configurable": {"thread_id": "t"}}
CHAT: Any = {"messages": [HumanMessage("What is 1 + 1?")]}


def agent(url: str, saver: SQLAlchemySaver) -> Any:
    """Make an agent whose one step is six calls, one after the other."""
    deliberate = DeliberateMiddleware(
        budget={"max_calls": 9},
        model="openai:fake",
        base_url=url,
        policy="parallel",
        effort="thorough",
        seed=1,
        settings={"window": 1, "max_samples": 6},
    )
    return create_agent(FakeListChatModel(responses=["not asked"]), [], middleware=[deliberate], checkpointer=saver)


if __name__ == "__main__":
    with SQLAlchemySaver.from_conn_string(sys.argv[2]) as opened:
        agent(sys.argv[1], opened).invoke(CHAT, ON)
