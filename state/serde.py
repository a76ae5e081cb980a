"""What a checkpoint's values become: msgpack that loses no Python value a solver meets.

LangGraph's serializer fails on integers beyond 64 bits, `Fraction` and `complex`, turns tuples into lists and lone
surrogates into question marks. Here they are written as constructor calls, which LangGraph's own reader brings back.
"""

import dataclasses
import os
import weakref
from collections import deque
from collections.abc import Iterable
from enum import Enum
from fractions import Fraction
from functools import partial
from typing import Any

import ormsgpack
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import (
    EXT_CONSTRUCTOR_KW_ARGS,
    EXT_CONSTRUCTOR_POS_ARGS,
    EXT_CONSTRUCTOR_SINGLE_ARG,
    EXT_DELTA_SNAPSHOT,
    EXT_PYDANTIC_V2,
    JsonPlusSerializer,
    _msgpack_default,
    _option,
)
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from pydantic import BaseModel

from .budget import Call
from .errors import StoreError
from .growth import array
from .run import Candidate, Visit

OPTIONS = (
    (_option & ~ormsgpack.OPT_REPLACE_SURROGATES) | ormsgpack.OPT_PASSTHROUGH_BIG_INT | ormsgpack.OPT_PASSTHROUGH_TUPLE
)
HARMLESS = (int, str, tuple, dict, complex, Fraction)
"""Types that are built from their parts and run nobody's code."""
SEND = ("langgraph.types", "Send")
"""By its name: to import it takes a second, and who lists runs needs none."""
RECORDS = frozenset({Candidate, Call, Visit})
"""Nobody changes them, and they stand in lists that are written whenever they grow."""
KEY_SIZES = {16, 24, 32}
SMALL = 2**63

written: dict[int, tuple["weakref.ref[Any]", bytes]] = {}
"""The number of a record that lives -> its bytes."""


class Serializer(JsonPlusSerializer):
    """Strict msgpack: it revives LangGraph's and LangChain's own types and those it was told to trust, no other."""

    def __init__(self, allowed: Iterable[type] = ()) -> None:
        trusted = [(kind.__module__, kind.__name__) for kind in (*HARMLESS, *allowed)]
        super().__init__(allowed_msgpack_modules=trusted)

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        if obj is None or isinstance(obj, (bytes, bytearray)):
            return super().dumps_typed(obj)
        if type(obj) is list and RECORDS.issuperset(map(type, obj)):
            return "msgpack", array(len(obj), b"".join(map(packed, obj)))
        return "msgpack", pack(obj)


def make_serde(allowed: Iterable[type]) -> SerializerProtocol:
    """Return the serializer; with PONDER_AES_KEY set (16, 24 or 32 bytes) it encrypts what it writes.

    Raises:
        StoreError: the key has another length, or the cipher is not installed.

    """
    plain = Serializer(allowed)
    key = os.environ.get("PONDER_AES_KEY", "").encode()
    if not key:
        return plain
    if len(key) not in KEY_SIZES:
        raise StoreError(f"PONDER_AES_KEY has {len(key)} bytes: give it 16, 24 or 32")
    try:
        return EncryptedSerializer.from_pycryptodome_aes(serde=plain, key=key)
    except ImportError:
        raise StoreError("PONDER_AES_KEY needs a cipher: install ponder[encryption]") from None


def packed(record: Any) -> bytes:
    """Write a record, once as long as it lives."""
    number = id(record)
    known = written.get(number)
    if known is None or known[0]() is not record:
        forget = partial(written.pop, number, None)
        known = written[number] = weakref.ref(record, lambda _: forget()), pack(record)
    return known[1]


def pack(value: object) -> bytes:
    """Write a value; where it holds text or keys that msgpack has not, write it part by part."""
    try:
        return ormsgpack.packb(value, default=constructor, option=OPTIONS)
    except ormsgpack.MsgpackEncodeError:
        plain = spelled(value)
        return ormsgpack.packb(plain, default=constructor, option=OPTIONS)


def constructor(value: Any) -> Any:
    """Write a value that msgpack has not as a call; what is nested goes through `pack` again."""
    match value:
        case int():
            return call(EXT_CONSTRUCTOR_POS_ARGS, int, [hex(value), 16])
        case Fraction():
            return call(EXT_CONSTRUCTOR_POS_ARGS, Fraction, [value.numerator, value.denominator])
        case complex():
            return call(EXT_CONSTRUCTOR_POS_ARGS, complex, [value.real, value.imag])
        case tuple() | set() | frozenset() | deque() if not hasattr(value, "_asdict"):
            return call(EXT_CONSTRUCTOR_SINGLE_ARG, type(value), list(value))
        case _DeltaSnapshot():
            return ormsgpack.Ext(EXT_DELTA_SNAPSHOT, pack(value.value))
        case _:
            return composed(value)


def composed(value: Any) -> Any:
    """Write an object by its fields."""
    kind: Any = type(value)
    match value:
        case BaseModel():
            parts = [kind.__module__, kind.__name__, value.model_dump(), "model_validate_json"]
            return ormsgpack.Ext(EXT_PYDANTIC_V2, pack(parts))
        case tuple():
            return call(EXT_CONSTRUCTOR_KW_ARGS, kind, dict(zip(kind._fields, value, strict=True)))
        case Enum():
            return call(EXT_CONSTRUCTOR_SINGLE_ARG, kind, value.value)
        case _ if (kind.__module__, kind.__name__) == SEND:
            rest = [] if value.timeout is None else [value.timeout]
            return call(EXT_CONSTRUCTOR_POS_ARGS, kind, [value.node, value.arg, *rest])
        case _ if dataclasses.is_dataclass(value):
            fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            return call(EXT_CONSTRUCTOR_KW_ARGS, kind, fields)
        case _:
            return _msgpack_default(value)


def call(code: int, kind: type, arguments: object) -> ormsgpack.Ext:
    """Write the call of a constructor."""
    return ormsgpack.Ext(code, pack([kind.__module__, kind.__name__, arguments]))


def spelled(value: Any) -> Any:
    """Replace text with lone surrogates, and dictionaries with keys that msgpack has not."""
    match value:
        case str():
            return value if is_unicode(value) else text_call(value)
        case dict() if all(is_plain_key(key) for key in value):
            return {key: spelled(item) for key, item in value.items()}
        case dict():
            return call(EXT_CONSTRUCTOR_SINGLE_ARG, dict, [list(pair) for pair in value.items()])
        case list():
            return [spelled(item) for item in value]
        case _:
            return value


def text_call(value: str) -> ormsgpack.Ext:
    """Write text by its bytes."""
    return call(EXT_CONSTRUCTOR_POS_ARGS, str, [value.encode("utf-8", "surrogatepass"), "utf-8", "surrogatepass"])


def is_unicode(value: str) -> bool:
    """Say whether a text can be written as UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def is_plain_key(key: object) -> bool:
    """Say whether msgpack can write a key."""
    if isinstance(key, str):
        return is_unicode(key)
    return key is None or isinstance(key, float) or (isinstance(key, int) and -SMALL <= key < SMALL)
