"""How values become JSON and are read again: plain data as it is, a subclass as what it is a subclass of."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

Each = Callable[[Any], Any]
"""Packs or unpacks one value."""


def items(values: Any, each: Each) -> list[Any]:
    """Convert the items of a collection."""
    return [each(value) for value in values]


PACK: list[tuple[Any, str, Callable[[Any, Each], object]]] = [
    (int, "int", lambda value, _: hex(int(value))),
    (float, "float", lambda value, _: float.__repr__(value)),
    (complex, "complex", lambda value, _: [float.__repr__(value.real), float.__repr__(value.imag)]),
    (Fraction, "fraction", lambda value, _: [hex(value.numerator), hex(value.denominator)]),
    (Decimal, "decimal", lambda value, _: str(value)),
    (bytes, "bytes", lambda value, _: bytes(value).hex()),
    (bytearray, "bytearray", lambda value, _: bytes(value).hex()),
    (list, "list", lambda value, each: items(list.__iter__(value), each)),
    (tuple, "tuple", lambda value, each: items(tuple.__iter__(value), each)),
    (set, "set", lambda value, each: items(set.__iter__(value), each)),
    (frozenset, "frozenset", lambda value, each: items(frozenset.__iter__(value), each)),
    (dict, "dict", lambda value, each: [[each(key), each(item)] for key, item in dict.items(value)]),
    (range, "range", lambda value, _: [hex(value.start), hex(value.stop), hex(value.step)]),
]
"""Type, the word for it, and how a value of it is written; numbers as text, so that none is rounded or refused."""

UNPACK: dict[str, Callable[[Any, Each], object]] = {
    "int": lambda packed, _: int(packed, 16),
    "float": lambda packed, _: float(packed),
    "complex": lambda packed, _: complex(float(packed[0]), float(packed[1])),
    "fraction": lambda packed, _: Fraction(int(packed[0], 16), int(packed[1], 16)),
    "decimal": lambda packed, _: Decimal(packed),
    "bytes": lambda packed, _: bytes.fromhex(packed),
    "bytearray": lambda packed, _: bytearray.fromhex(packed),
    "list": items,
    "tuple": lambda packed, each: tuple(items(packed, each)),
    "set": lambda packed, each: set(items(packed, each)),
    "frozenset": lambda packed, each: frozenset(items(packed, each)),
    "dict": lambda packed, each: {each(key): each(value) for key, value in packed},
    "range": lambda packed, _: range(*(int(number, 16) for number in packed)),
}


def pack(value: Any, other: Each) -> object:
    """Write a value; `other` says what stands for one that is no plain data."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)

    def each(item: Any) -> object:
        return pack(item, other)

    for kind, word, write in PACK:
        if isinstance(value, kind):
            return {word: write(value, each)}
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # numpy's arrays and scalars
        return each(value.tolist())
    return other(value)


def unpack(packed: Any, other: Callable[[str, Any], Any]) -> Any:
    """Read a value; `other` reads what is no plain data."""
    if not isinstance(packed, dict):
        return packed
    word, inner = next(iter(packed.items()))
    if word not in UNPACK:
        return other(word, inner)
    return UNPACK[word](inner, lambda item: unpack(item, other))
