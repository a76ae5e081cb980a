"""One end of the two pipes between tests and code, and what stands there for an object of the other end."""

import builtins
import json
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

from .values import pack, unpack

MOST_BYTES = 4 << 20
"""Of one message."""
SHOWN = 300
"""Characters of a value, or of an error, in what is told of a failure."""
ASKED: dict[str, Callable[..., object]] = {
    **{f"__{f.__name__}__": f for f in (len, iter, next, str, repr, bool, float, int, complex, abs, round, reversed)},
    **{f"__{name}__": getattr(operator, name) for name in ("getitem", "setitem", "delitem", "index", "neg", "pos")},
    "__enter__": lambda manager: type(manager).__enter__(manager),
    "__exit__": lambda manager, *_: type(manager).__exit__(manager, None, None, None),
}
"""Special methods that a stand-in passes on: they are given no value of the tests to agree with."""
COMPARED = ("eq", "ne", "lt", "le", "gt", "ge")
COMBINED = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor", "matmul")
PAIRED = {f"__{name.strip('_')}__": getattr(operator, name) for name in (*COMPARED, *COMBINED)}
"""Those that it passes on only about two of the code's own objects."""


class Gone(Exception):  # noqa: N818 - reads as the fact it states
    """The other end is not there any more."""


class Side:
    """Asks the other end, and serves it; `objects` are those that it may name."""

    def __init__(self, reading: int, writing: int) -> None:
        sys.set_int_max_str_digits(0)
        self.reading: BinaryIO = open(reading, "rb")  # noqa: SIM115 - open for life
        self.writing: BinaryIO = open(writing, "wb")  # noqa: SIM115
        self.objects: dict[int, object] = {}
        self.exceptions: dict[str, type[Exception]] = {}
        """Those that the other end defines, as this end knows them."""
        self.last = ""
        """What came of the last call."""

    def send(self, message: Mapping[str, object]) -> None:
        """Write a message."""
        try:
            self.writing.write(json.dumps(message).encode() + b"\n")
            self.writing.flush()
        except OSError as error:
            raise Gone from error

    def receive(self) -> dict[str, Any]:
        """Read a message."""
        line = self.reading.readline(MOST_BYTES)
        if not line.endswith(b"\n"):
            raise Gone if len(line) < MOST_BYTES else ValueError("a value is too large to be looked at")
        message = json.loads(line)
        if not isinstance(message, dict):
            raise TypeError("what came is no message")
        return message

    def ask(self, do: str, **request: object) -> Any:
        """Ask, serve until there is an answer, and return it; an exception of the other end is raised here."""
        self.send({"do": do, **request})
        while "do" in (reply := self.receive()):
            self.serve(reply)
        if "raised" in reply:
            raise self.exception(reply["raised"], str(reply.get("text", "")))
        return reply

    def serve(self, request: Mapping[str, Any]) -> None:
        """Do what the other end asks, and answer."""
        try:
            reply = self.answer(request)
        except Gone:
            raise
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever asked
            names = [each.__name__ for each in type(error).__mro__]
            reply = {"raised": names, "text": str(error)[:SHOWN]}
        self.send(reply)

    def answer(self, request: Mapping[str, Any]) -> Mapping[str, object]:
        """Do what is asked."""
        raise NotImplementedError

    def exception(self, names: Sequence[str], text: str) -> Exception:
        """Return the nearest exception that this end knows."""
        for name in map(str, names):
            found = self.exceptions.get(name) or getattr(builtins, name, None)
            if isinstance(found, type) and issubclass(found, Exception):
                try:
                    return found(text)
                except TypeError:  # some want more than a text
                    continue
        return RuntimeError(f"{names[0]}: {text}")

    def pack(self, value: object) -> object:
        """Write a value."""
        return pack(value, self.named)

    def named(self, value: object) -> object:
        """Name an object for the other end."""
        if isinstance(value, Remote):
            return {"yours": value.ponder_number}
        self.objects[id(value)] = value
        return {"mine": id(value)}

    def unpack(self, packed: object) -> Any:
        """Read a value."""
        return unpack(packed, self.found)

    def found(self, word: str, number: int) -> object:
        """Return the object that the other end means."""
        return self.objects[number] if word == "yours" else Remote(self, number)

    def call(self, number: int, given: Sequence[object], named: Mapping[str, object]) -> object:
        """Call a function of the other end; what it did to lists and the like that it was given is done here too."""
        packed = {name: self.pack(value) for name, value in named.items()}
        reply = self.ask("call", of=number, given=[self.pack(value) for value in given], named=packed)
        for before, after in zip(given, reply.get("after", ()), strict=False):
            if isinstance(before, list | bytearray):
                before[:] = self.unpack(after)
            elif isinstance(before, dict | set):
                now = self.unpack(after)
                before.clear()
                before.update(now)
        return self.unpack(reply["value"])

    def special(self, number: int, name: str, *given: object) -> Any:
        """Call a special method of an object of the other end."""
        return self.unpack(
            self.ask("special", of=number, name=name, given=[self.pack(value) for value in given])["value"]
        )


class Remote:
    """Stands for an object of the other end."""

    ponder_side: Side
    ponder_number: int

    def __init__(self, side: Side, number: int) -> None:
        object.__setattr__(self, "ponder_side", side)
        object.__setattr__(self, "ponder_number", number)

    def __call__(self, *given: object, **named: object) -> object:
        return self.ponder_side.call(self.ponder_number, given, named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.ponder_side.unpack(self.ponder_side.ask("get", of=self.ponder_number, name=name)["value"])

    def __setattr__(self, name: str, value: object) -> None:
        self.ponder_side.ask("set", of=self.ponder_number, name=name, value=self.ponder_side.pack(value))

    def __hash__(self) -> int:
        return hash(self.ponder_number)

    def __contains__(self, value: object) -> bool:
        items: Any = self
        return any(value == item for item in items)

    def __instancecheck__(self, value: object) -> bool:
        asked = {"of": self.ponder_number, "value": self.ponder_side.pack(value)}
        return isinstance(value, Remote) and bool(self.ponder_side.ask("isinstance", **asked)["value"])


def passed_on(name: str) -> Callable[..., object]:
    """Make a special method that asks the other end."""

    def method(self: Remote, *given: object) -> object:
        # What ends a `with` is not told: an exception of the tests is no plain data.
        given = () if name == "__exit__" else given
        return self.ponder_side.special(self.ponder_number, name, *given)

    return method


def of_two(name: str) -> Callable[..., object]:
    """Make an operator that asks the other end only about two of its own objects."""

    def method(self: Remote, other: object) -> object:
        if isinstance(other, Remote):
            return self.ponder_side.special(self.ponder_number, name, other)
        return {"__eq__": False, "__ne__": True}.get(name, NotImplemented)

    return method


for asked in ASKED:
    setattr(Remote, asked, passed_on(asked))
for paired in PAIRED:
    setattr(Remote, paired, of_two(paired))
