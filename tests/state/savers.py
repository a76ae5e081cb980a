"""What tests of the saver say in one word."""

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointTuple, empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from sqlalchemy import Table, func, select

from ponder.state import SQLAlchemySaver
from ponder.state.tables import blobs, checkpoints, journal, leases, writes

TABLES = (checkpoints, blobs, writes, journal, leases)


def on(thread: str = "t", ns: str = "", **more: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ns, **more}}


def made(values: dict[str, Any], version: str | float = 1) -> Checkpoint:
    versions: ChannelVersions = dict.fromkeys(values, version)
    return {**empty_checkpoint(), "id": str(uuid6()), "channel_values": values, "channel_versions": versions}


def put(
    saver: SQLAlchemySaver, config: RunnableConfig, values: dict[str, Any], version: str | float = 1
) -> RunnableConfig:
    checkpoint = made(values, version)
    return saver.put(config, checkpoint, {"step": 1}, checkpoint["channel_versions"])


def got(saver: SQLAlchemySaver, config: RunnableConfig) -> CheckpointTuple:
    found = saver.get_tuple(config)
    assert found
    return found


def values_of(saver: SQLAlchemySaver, config: RunnableConfig) -> dict[str, Any]:
    return got(saver, config).checkpoint["channel_values"]


def pending(saver: SQLAlchemySaver, config: RunnableConfig) -> list[tuple[str, str, Any]]:
    return got(saver, config).pending_writes or []


def count(saver: SQLAlchemySaver, *tables: Table) -> list[int]:
    with saver.reads() as connection:
        return [connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables or TABLES[:3]]
