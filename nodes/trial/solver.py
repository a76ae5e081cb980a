"""The code's end: load it as the module `solution`, and do what the tests ask of it."""

import sys
import traceback
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .side import ASKED, PAIRED, SHOWN, Gone, Side

MUTABLE = (list, dict, set, bytearray)


class Solver(Side):
    """Holds the module that the code has become."""

    def __init__(self, reading: int, writing: int) -> None:
        super().__init__(reading, writing)
        self.module = types.ModuleType("solution")
        sys.modules["solution"] = self.module

    def load(self, code: str) -> None:
        """Run the code."""
        try:
            exec(compile(code, "solution.py", "exec"), self.module.__dict__)  # noqa: S102 - what this process is for
        except BaseException as error:  # noqa: BLE001 - also where it leaves
            where = [
                frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "solution.py"
            ]
            line = f" in line {where[-1]}" if where else ""
            self.send({"broken": f"{type(error).__name__}: {error}"[:SHOWN] + line})
        else:
            public = {name: value for name, value in vars(self.module).items() if not name.startswith("__")}
            kept = {name: value for name, value in public.items() if not isinstance(value, types.ModuleType)}
            raised = {
                name: [each.__name__ for each in value.__mro__]
                for name, value in kept.items()
                if isinstance(value, type) and issubclass(value, Exception)
            }
            self.send({"names": {name: self.pack(value) for name, value in kept.items()}, "exceptions": raised})

    def answer(self, request: Mapping[str, Any]) -> Mapping[str, object]:
        """Do what is asked of an object."""
        of = self.objects[request["of"]]
        match request["do"]:
            case "get":
                return {"value": self.pack(getattr(of, request["name"]))}
            case "set":
                setattr(of, request["name"], self.unpack(request["value"]))
                return {}
            case "isinstance":
                return {"value": isinstance(self.unpack(request["value"]), of)}  # type: ignore[arg-type]
            case "special":
                method = {**ASKED, **PAIRED}[request["name"]]
                return {"value": self.pack(method(of, *map(self.unpack, request["given"])))}
        given = [self.unpack(value) for value in request["given"]]
        named = {name: self.unpack(value) for name, value in request["named"].items()}
        value = of(*given, **named)  # type: ignore[operator]
        return {"value": self.pack(value), "after": [self.pack(g) if isinstance(g, MUTABLE) else None for g in given]}


def main(reading: int, writing: int) -> None:
    """Serve until the tests have ended."""
    side = Solver(reading, writing)
    try:
        side.load(Path("solution.py").read_text())
        while True:
            side.serve(side.receive())
    except Gone:
        pass
