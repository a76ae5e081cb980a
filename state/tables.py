"""The store's tables, in SQL that SQLite, PostgreSQL and MariaDB share.

Keys are bytes: databases differ in how they compare text (case, accents, trailing spaces) but not in how they compare
bytes. What may be long (thread, namespace, channel, task) is a digest in the key and stands in full beside it.
"""

from hashlib import blake2b

from sqlalchemy import Column, Float, Integer, LargeBinary, MetaData, String, Table, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

DIGEST_BYTES = 16

Key: TypeEngine[bytes] = LargeBinary(255).with_variant(mysql.VARBINARY(255), "mysql", "mariadb")
Digest: TypeEngine[bytes] = LargeBinary(DIGEST_BYTES).with_variant(mysql.BINARY(DIGEST_BYTES), "mysql", "mariadb")
Blob: TypeEngine[bytes] = LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")

metadata = MetaData()

versions = Table("ponder_versions", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

checkpoints = Table(
    "ponder_checkpoints",
    metadata,
    Column("thread", Digest, primary_key=True),
    Column("ns", Digest, primary_key=True),
    Column("id", Key, primary_key=True),
    Column("parent", Key),
    Column("thread_id", Blob, nullable=False),
    Column("ns_name", Blob, nullable=False),
    Column("run", Digest, index=True),
    Column("type", String(64), nullable=False),
    Column("body", Blob, nullable=False),
)
"""A checkpoint without its channels' values, and its metadata."""

blobs = Table(
    "ponder_blobs",
    metadata,
    Column("thread", Digest, primary_key=True),
    Column("ns", Digest, primary_key=True),
    Column("channel", Digest, primary_key=True),
    Column("version", Key, primary_key=True),
    Column("type", String(64), nullable=False),
    Column("data", Blob, nullable=False),
    Column("prior", Key),
    Column("base", Key),
)
"""One value of one channel, stored once however many checkpoints refer to it.

A list that has grown is stored as what it has more than the version `prior`; `base` is the whole list that this began
with. Both are null where a value stands on its own.
"""

writes = Table(
    "ponder_writes",
    metadata,
    Column("thread", Digest, primary_key=True),
    Column("ns", Digest, primary_key=True),
    Column("checkpoint", Key, primary_key=True),
    Column("task", Digest, primary_key=True),
    Column("idx", Integer, primary_key=True, autoincrement=False),
    Column("task_id", Text, nullable=False),
    Column("task_path", Text, nullable=False),
    Column("channel", Blob, nullable=False),
    Column("type", String(64), nullable=False),
    Column("data", Blob, nullable=False),
)
"""What the tasks of a step have written before its checkpoint: no foreign key, they come first."""

leases = Table(
    "ponder_leases",
    metadata,
    Column("thread", Digest, primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("until", Float(53), nullable=False),
)
"""Who works on a thread, and until when (Unix time, seconds) unless the lease is renewed."""

journal = Table(
    "ponder_journal",
    metadata,
    Column("thread", Digest, primary_key=True),
    Column("key", Digest, primary_key=True),
    Column("root", Key, nullable=False),
    Column("begun", Float(53), nullable=False),
    Column("type", String(64)),
    Column("data", Blob),
)
"""One model call: the row is there before it begins, and holds its outcome (null until then) when it has ended.

`root` is the thread's checkpoint whose step made the call, `begun` is Unix time in seconds.
"""

spending = Table(
    "ponder_spending",
    metadata,
    Column("key", Digest, primary_key=True),
    Column("calls", Float(53), nullable=False),
    Column("tokens", Float(53), nullable=False),
    Column("usd", Float(53), nullable=False),
)
"""What a key of the endpoint has spent, calls under way at their worst case; the key itself is not kept."""


def digest(text: str) -> bytes:
    """Return the fixed-length key of a text of any length."""
    return blake2b(encode(text), digest_size=DIGEST_BYTES).digest()


def encode(text: str) -> bytes:
    """Turn any Python text into bytes, lone surrogates included."""
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> str:
    """Turn them back."""
    return bytes(data).decode("utf-8", "surrogatepass")
