"""The program that reads LaTeX with math-verify's parser and names what it is worth; run by process.py.

An expression is named by its values at fixed points, to twelve digits: two that agree there are one function (Schwartz
1980, Zippel 1979, for polynomials). That makes equality transitive and each expression's key its own, where comparing
pairs by `simplify` does neither.

Bounded: processor time and memory of each expression. The kernel keeps both limits, also in the midst of C code, by
ending the process; it is a copy of one that has imported SymPy and stands by, so that the next is there at once. Both
end when their input does, or after some idle minutes.
"""

import hashlib
import json
import os
import select
import signal
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

MEMORY = 80 * 2**20
"""Bytes that expressions may add to what the process needs by itself."""
IDLE = 300
"""Seconds without a question, after which the process ends."""
POINTS = 4
DIGITS = 12
PRECISION = 30
TINY = 1e-18


def key(latex: str) -> str | None:
    """Return the key of an expression or relation; None where it has none."""
    from latex2sympy2_extended import latex2sympy  # type: ignore[import-untyped]
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig  # type: ignore[import-untyped]
    from sympy import Expr  # type: ignore[import-untyped]
    from sympy.core.relational import Relational  # type: ignore[import-untyped]

    cased = ConversionConfig(lowercase_symbols=False)
    read: Any = latex2sympy(
        latex, is_real=True, convert_degrees=False, normalization_config=None, conversion_config=cased
    )
    if isinstance(read, Relational):
        stated: Any = read
        sides = stated.lhs, stated.rhs
        if not all(isinstance(side, Expr) for side in sides):
            return None
        return relation(stated.rel_op, evaluate(sides[0] - sides[1]))
    values = evaluate(read) if isinstance(read, Expr) else []
    if not values:
        return None
    if len({listed([value]) for value in values}) == 1:
        return number(values[0])
    return f"at fixed points: {listed(values)}"


def relation(sign: str, values: list[Any]) -> str | None:
    """Return the key of what stands before `= 0` or `> 0`, whatever it is multiplied with."""
    if not any(values):
        return None
    scale = next(value for value in values if value)
    if sign in {"==", "!="}:
        return f"{sign} 0: {listed([value / scale for value in values])}"
    turned = -1 if sign.startswith("<") else 1
    return f"{sign.replace('<', '>')} 0: {listed([turned * value / abs(scale) for value in values])}"


def evaluate(expression: Any) -> list[Any]:
    """Return the values of an expression at the points, as mpmath's numbers; none where one is not finite."""
    from mpmath import mp, mpc, mpf  # type: ignore[import-untyped]
    from sympy import E, I, N, Symbol

    mp.dps = PRECISION
    constants = {Symbol(name, **real): value for name, value in (("i", I), ("e", E)) for real in ({}, {"real": True})}
    expression = expression.subs(constants)
    symbols = sorted(expression.free_symbols, key=str)
    values = []
    for point in range(POINTS if symbols else 1):
        at = {symbol: coordinate(str(symbol), point) for symbol in symbols}
        value = N(expression.subs(at), PRECISION, maxn=4 * PRECISION)
        if not value.is_number or not value.is_finite:
            return []
        real, imaginary = value.as_real_imag()
        values.append(mpc(mpf(str(real)), mpf(str(imaginary))))
    return values


def coordinate(name: str, point: int) -> Any:
    """Return the value of a variable at a point: of either sign, and the same in every process."""
    from sympy import Rational

    drawn = int.from_bytes(hashlib.sha256(f"{name}/{point}".encode()).digest()[:4])
    size = Rational(3 * 10**5 + drawn % (2 * 10**6), 10**6)
    return -size if drawn & 2**31 and point else size


def number(value: Any) -> str:
    """Return the key of a constant: exact where it is rational."""
    from mpmath import mpf

    parts = []
    for part in (value.real, value.imag):
        near = Fraction(str(part)).limit_denominator(10**6)
        close = abs(part - mpf(near.numerator) / near.denominator) < mpf(10) ** -(PRECISION - 8) * max(1, abs(part))
        parts.append(str(near) if close else listed([part]))
    return parts[0] if parts[1] == "0" else f"{parts[0]} + {parts[1]}i"


def listed(values: list[Any]) -> str:
    """Write numbers to the digits that count."""
    from mpmath import mpc, nstr

    def one(part: Any) -> str:
        return str(nstr(part, DIGITS)) if abs(part) > TINY else "0"

    wide = [mpc(value) for value in values]
    return " ".join(one(value.real) + (f"+{one(value.imag)}i" if abs(value.imag) > TINY else "") for value in wide)


def limit_memory() -> None:
    """Allow so much beyond what importing took."""
    if sys.platform != "linux":
        return
    import resource

    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))


def limit_time(seconds: float) -> float:
    """End this process after so much processor time; return what a limit before has left."""
    return 0.0 if sys.platform == "win32" else signal.setitimer(signal.ITIMER_PROF, seconds)[0]


def reply(latex: str) -> str | None:
    """Answer a question; what cannot be read, for whatever reason the parser has, has no key."""
    try:
        return key(latex)
    except Exception:  # noqa: BLE001 - the parser raises everything
        return None


def serve() -> None:
    """Answer question by question, a line each: the key, and the seconds it took."""
    while sys.platform == "win32" or select.select([sys.stdin], [], [], IDLE)[0]:
        line = sys.stdin.readline()
        if not line:
            return
        latex, seconds = json.loads(line)
        limit_time(seconds)
        found = reply(latex)
        tell(found, max(0.0, seconds - limit_time(0)))  # the kernel counts in ticks


def tell(found: str | None, seconds: float | None) -> None:
    """Write an answer to the pipe; no seconds are too many."""
    print(json.dumps([found, seconds]), flush=True)  # noqa: T201


def main() -> None:
    """Import, and have copies of this process answer, the next one where the limits have ended one."""
    if sys.platform != "win32":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    tell(reply("x+1"), 0)
    if sys.platform == "win32":
        serve()
        return
    limit_memory()
    while True:
        copy = os.fork()
        if not copy:
            serve()
            return
        if not os.waitpid(copy, 0)[1]:
            return
        tell(None, None)


if __name__ == "__main__":
    main()
