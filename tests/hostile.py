"""Answers of 10 kB, or less, that are made to cost time or memory, with a name each; and what reading one costs."""

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ponder.nodes.answers import canon, symbolic
from ponder.nodes.answers.process import evaluator

# ruff: noqa: RUF001

SIZE = 10_000
"""Characters of the longest."""


def filled(unit: str, before: str = "", behind: str = "") -> str:
    """Repeat a unit up to the full size."""
    return before + unit * ((SIZE - len(before) - len(behind)) // len(unit)) + behind


def nested(opening: str, inner: str, closing: str, levels: int) -> str:
    """Put an expression in the middle of itself."""
    return opening * levels + inner + closing * levels


def every_depth(name: str, opening: str, inner: str, closing: str) -> dict[str, str]:
    """Nest as far as the parser goes along, as far as a reader of braces does, and as far as the size allows."""
    most = (SIZE - len(inner)) // len(opening + closing)
    return {f"{name}, {levels} deep": nested(opening, inner, closing, levels) for levels in (6, 20, most)}


def joined(make: Callable[[int], str], sign: str, count: int) -> str:
    """Join so many pieces, as far as the size allows."""
    return sign.join(map(make, range(count)))[:SIZE]


UNITS = (
    *(
        r"\frac{",
        r"\sqrt{",
        "(",
        "[",
        "{",
        "|",
        "9",
        "1/",
        "1,",
        "1.",
        "1 ",
        "$1",
        "$",
        "9^",
        "x^",
        "x_",
        "x+",
        "x*",
        "xy",
    ),
    *("A) x ", "A, ", "(A) ", "Answer: ", "answer is ", "the answer is ", "answer (", r"\boxed{", r"\boxed ", "#### "),
    *(
        "```\n",
        "```python\n",
        "```python\nx\n```\n",
        "\n",
        "`",
        '"',
        "'",
        "*",
        "**a",
        "**a** ",
        "_a_ ",
        "<answer>",
        "<think>",
    ),
    *(
        "</think>",
        "twenty ",
        "hundred and ",
        "half ",
        "\ud800",
        "\0",
        "\u0661",
        "\u096b.",
        "\u00bd",
        "\u00b2",
        "\ufdfa",
        "\u2062",
    ),
    *(
        "5 km/",
        "5 km ",
        "km ",
        "km*",
        "1 hour 2 minutes ",
        "x=",
        "x<",
        "x=1,",
        "x=1 or ",
        "1 and ",
        "x and ",
        r"(1,2)\cup",
    ),
    *(
        "1+",
        "1-",
        "--",
        "+-",
        "-1",
        "1!",
        "!",
        "%",
        "1%",
        "sqrt(",
        "sqrt",
        "sin ",
        "sin(",
        r"\sin",
        "log_",
        "lambda:",
        "lambda x:",
    ),
    *(
        "a.b.",
        "a.",
        "A. ",
        ". ",
        "? A",
        "the ",
        "a ",
        "is ",
        "= ",
        " is 5",
        '"a" is "b" ',
        "is *a",
        "(1",
        "1)",
        ")",
        "]",
        "}",
    ),
    *(
        '{"a":',
        '{"a":1},',
        "[1,",
        "[[",
        "[]",
        '"\\',
        "\\",
        "\\\\",
        r"\a",
        r"\text{",
        r"\text{a}",
        r"\left(",
        r"\begin{pmatrix}",
    ),
    *(
        "Jan 1, ",
        "1 Jan ",
        "12:00 ",
        "01/02/2024 ",
        "2024-",
        "1'234",
        "1_000",
        "1,234",
        "1 234",
        "12 1/2 ",
        "e5",
        "1e5",
        "1e",
        "0x",
    ),
    *(
        "±",
        "∪",
        "√",
        "∞",
        "≤",
        "^",
        "_",
        "°",
        "5°",
        "!=",
        "<=",
        "~",
        "≈",
        "about ",
        "\\$",
        "US$",
        "x U ",
        "[1,2]U",
        "a\u0300",
        "\t",
        " ",
    ),
)
"""What is repeated up to the full size."""

FORMULAS = {
    **{
        text: text
        for text in ("9^9^9", "10^(10^10)", "x+9^{9^{9}}", "99999999!", "x+(9!)!", "7^{99999}", "1e999", "inf")
    },
    **{text: text for text in (r"\def\a{\a\a}\a", r"(x+1)^{999}", r"(x+y+z+w)^{99}", r"\sum_{i=1}^{100000000} i^{i}")},
    **{
        text: text
        for text in (r"e^{e^{e^{e^{e^e}}}}", r"\int_0^1 \sin(x^{x^x}) dx", r"\prod_{n=1}^{9999} (x+n)", r"x^{1/9999}")
    },
    **{
        text: text
        for text in (r"\lim_{x\to 0} \frac{\sin x^{99}}{x^{99}}", r"\binom{99999}{4999}", r"\gcd(x^{99}-1,x^{98}-1)")
    },
    **{
        text: text
        for text in (r"\int \frac{e^{x^2}}{\ln(\sin x)} dx", r"\frac{d}{dx} x^{x^{x^{x^x}}}", r"\log_{9}9^{9^{9}}")
    },
    **{
        text: text
        for text in (
            "1234^{1234}",
            "x+1234^{1234}",
            "0.1^{9999}",
            "x^{9999}+y^{9999}",
            "170!",
            "x+170!",
            "x!",
            "((x!)!)!",
        )
    },
    "a tower of sums": nested("(1+x)^{", "999", "}", 7),
    "a tower of sums with more levels": nested("(1+x)^{", "999", "}", 20),
    "sums to high powers": joined(lambda n: f"(x+{n})^{{99}}", "", 300),
    "different powers of many variables": joined(lambda n: f"{'abcdefghjklmnopqrstuvwxyz'[n % 25]}^{{{n}}}", "+", 30),
    "many expressions": joined(lambda n: f"x^{n % 9}+{n}", ", ", 250),
    "many hard expressions": joined(lambda n: rf"\sin(x^{{x^{{{n}}}}})", ", ", 60),
    "a set of hard expressions": "{" + joined(lambda n: rf"\ln(\ln(x+{n}))^{{x}}", ", ", 60) + "}",
    "hard equations": joined(lambda n: rf"x_{n} = \int_0^{n} e^{{-t^{n}}} dt", ", ", 30),
    "integrals in integrals": nested(r"\int_0^1 ", "x^{x^x}", " dx", 12),
    "sums in sums": nested(r"\sum_{n=1}^{999} ", "n^n", "", 12),
    "limits in limits": nested(r"\lim_{x\to 0} ", r"\frac{\sin x}{x}", "", 12),
    "a matrix": r"\begin{pmatrix}" + filled("1&2&3\\\\")[: SIZE - 40] + r"\end{pmatrix}",
    "a matrix of formulas": r"\begin{pmatrix}"
    + joined(lambda n: rf"\frac{{x^{n}}}{{\sin {n}}}", "&", 60)
    + r"\end{pmatrix}",
    "a determinant": r"\det\begin{vmatrix}"
    + r"\\".join("&".join(f"x^{{{n * m}}}" for n in range(9)) for m in range(9))
    + r"\end{vmatrix}",
    "huge fractions": joined(lambda n: rf"\frac{{{7**n}}}{{{3**n}}}", "+", 60),
    "long decimals": joined(lambda n: f"0.{7 ** (n + 300)}", " ", 40),
    "a long number": "1" * SIZE,
    "a long fraction": "1" * (SIZE // 2 - 1) + "/" + "7" * (SIZE // 2),
    "4,000 digits": "9" * 4000,
    "5,000 digits and a point": "9" * 2500 + "." + "9" * 2500,
    "a number in base 36": "z" * 5000 + "_{36}",
    "an interval": "[" + "1" * 4000 + ", " + "2" * 4000 + ")",
    "unions": filled(r"(1,2)\cup", "", "(3,4)"),
    "a date": filled("1", "January ", ", 2024"),
    "a clock": filled("1", "12:", "pm"),
    "a recurring decimal": r"0.\overline{" + "142857" * 1600 + "}",
    "a recurring decimal of 20 digits": r"0.\overline{14285714285714285714}" * 200,
}
"""What the reader of formulas may choke on."""

STRUCTURES = {
    **every_depth("brackets", "(", "x", ")"),
    **every_depth("fractions", r"\frac{1}{1+", "x", "}"),
    **every_depth("roots", r"\sqrt{1+", "x", "}"),
    **every_depth("logarithms", r"\ln(1+", "x", ")"),
    **every_depth("logarithms of some base", r"\log_{", "x", "}{(2+x)}"),
    **every_depth("sines", r"\sin(", "x", ")"),
    **every_depth("exponents", "x^{", "x", "}"),
    **every_depth("powers of powers", "(", "1+x", ")^{9}"),
    **every_depth("powers of e", "e^{", "x", "}"),
    **every_depth("factorials", "(", "3", ")!"),
    **every_depth("absolute values", r"\left|1-", "x", r"\right|"),
    **every_depth("floors", r"\lfloor 1+", "x", r"\rfloor"),
    **every_depth("sets", "{1,", "2", "}"),
    **every_depth("tuples", "(1,", "2", ")"),
    **every_depth("texts", r"\text{a ", "b", "}"),
    **every_depth("boxes", r"\boxed{", "1", "}"),
    **every_depth("matrices", r"\begin{pmatrix}1&", "2", r"\end{pmatrix}"),
    **every_depth("lists of JSON", "[", "1", "]"),
    **every_depth("objects of JSON", '{"a":', "1", "}"),
    **every_depth("lambdas", "(lambda x: ", "x", ")"),
    **every_depth("signs", "-", "1", ""),
    **every_depth("negations", "not ", "x", ""),
    "a program with nested functions": "\n".join(" " * n + f"def f{n}(a{n}):" for n in range(90))
    + "\n"
    + " " * 90
    + "pass",
    "a program with many functions": joined(lambda n: f"def f{n}(a): return a", "\n", 400),
    "a program with many lambdas": "x = [" + joined(lambda n: f"lambda a{n}: a{n}", ",", 500) + "]",
    "a program with a long sum": "x = " + filled("1+")[:-1] + "1",
    "a program with attributes": "x" + filled(".a"),
    "a program with calls": "x" + filled("()"),
    "a program with f-strings": 'x = f"' + filled("{a}")[:-10] + '"',
    "JSON with a huge power": '{"a": 1e399, "b": 1e-399}',
    "JSON with many huge powers": "[" + joined(lambda n: f"{n + 1}e399", ",", 1200).rpartition(",")[0] + "]",
    "JSON with a long number": '{"a": ' + "7" * 4200 + "}",
    "JSON with many keys": "{" + joined(lambda n: f'"{n}": {n}', ",", 700).rpartition(",")[0] + "}",
    "JSON that begins many times": filled('{"a": [1, 2, ', "", "x"),
    "options": joined(lambda n: f"{'ABCDEFGHIJ'[n % 10]}) option {n} ", "\n", 500),
    "letters": joined(lambda n: f"({'ABCDEFGHIJ'[n % 10]})", " and ", 900),
}

HOSTILE: dict[str, str] = {f"{unit!r} again and again": filled(unit) for unit in UNITS} | FORMULAS | STRUCTURES

HARD = (
    *("many hard expressions", "x^{9999}+y^{9999}", "roots, 20 deep", "sets, 20 deep", "a matrix"),
    *("JSON with many huge powers", "a program with nested functions"),
)
"""Those that cost the most, for whoever has not the time for all."""


@dataclass(frozen=True)
class Cost:
    """What a call took, of this process and of the one for SymPy."""

    wall: float
    """Seconds by the clock, which on a busy machine say little."""
    cpu: float
    """Seconds of processor time."""
    here: float
    """Megabytes that this process held at most beyond what it held before."""
    there: float
    """Megabytes that the process for SymPy may hold, with all that it holds by itself: the limit of its addresses."""


def cost_of(call: Callable[[], object]) -> Cost:
    """Make a call with nothing remembered, and measure it, on Linux."""
    canon.remembered.cache_clear()
    symbolic.named.cache_clear()
    Path("/proc/self/clear_refs").write_text("5")
    held, used, begun = figure("self", "VmRSS"), seconds(), time.perf_counter()
    call()
    return Cost(time.perf_counter() - begun, seconds() - used, figure("self", "VmHWM") - held, there())


def figure(process: int | str, name: str) -> float:
    """Read a number of megabytes off what Linux says of a process."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name + ":"))


def others() -> list[int]:
    """Return the process for SymPy and its copy, where they run."""
    process = evaluator.process
    if process is None or process.poll() is not None:
        return []
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [process.pid, *map(int, children)]


def seconds() -> float:
    """Return the processor time of this process, the one for SymPy, its copy, and those that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    ticks = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15] for pid in others()]
    total = sum(each.ru_utime + each.ru_stime for each in used)
    return total + sum(int(tick) for four in ticks for tick in four) / os.sysconf("SC_CLK_TCK")


def there() -> float:
    """Return the most that the process for SymPy may hold, and so its copy."""
    pids = others()
    if not pids:
        return 0.0
    limits = Path(f"/proc/{pids[0]}/limits").read_text().splitlines()
    return next(int(line.split()[3]) / 2**20 for line in limits if line.startswith("Max address space"))
