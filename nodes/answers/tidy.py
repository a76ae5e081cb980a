"""Bring what is written in many ways into one plain notation: Unicode, markdown, LaTeX."""

import re
import unicodedata

DEEPEST = 24
"""Levels of braces; beyond, a text is not mathematics that anyone meant."""

SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ"
LOWERED = str.maketrans(SUPERSCRIPTS, "0123456789+-()n")
RAISED = re.compile(f"[{SUPERSCRIPTS}]+")
VULGAR = re.compile("(?<=[0-9])(?=[¼-¾⅐-⅞])")
SIGNS = str.maketrans(
    {
        **dict.fromkeys("−–‐‑﹣－", "-"),
        **dict.fromkeys("×⋅·∙∗", "*"),
        **dict.fromkeys("⁄∕÷", "/"),
        **dict.fromkeys("“”„″", '"'),
        **dict.fromkeys("‘’‚′", "'"),
        "º": "°",
        "ϕ": "φ",
        "µ": "μ",
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", ""),
    }
)
BOLD = re.compile(r"(?<![\w*)])(\*\*|__|\*)(?=\S)([^*\n]{1,200}?)(?<=\S)\1(?![\w*(])")
ABOUT = re.compile(
    r"(?:exactly|about|approximately|approx\.?|around|roughly|nearly|almost|only|just|a total of|equals|[≈~=])\s*"
    r"(?=[-+$€£¥₹]?\s?[.\d])",
    re.IGNORECASE,
)
DECIMAL_COMMA = re.compile(r"(?<![\d.,])(\d+),(\d\d)(?=\s?(?:[€£]|EUR\b|[Ee]uros?\b))")
WRAPPED = re.compile(r'(["\'`])(.*)\1', re.DOTALL)
DOLLARS = re.compile(r"(?<!\\)(\$\$?)(?!\s*\$)((?:[^$\\]|\\.)+)\1(?!\d)", re.DOTALL)
DISPLAY = re.compile(r"\\[(\[](.+?)\\[)\]]", re.DOTALL)

COMMAND = re.compile(r"\\(?:([a-zA-Z]+)\*?\s*|(.))", re.DOTALL)
NUMBER_RUN = re.compile(r"-?\d+(?:\.\d+)?")
SYMBOLS = {
    **dict.fromkeys(("cdot", "times", "ast"), "*"),
    **dict.fromkeys(("left", "right", "big", "Big", "bigl", "bigr", "Bigl", "Bigr", "displaystyle", "limits", "!"), ""),
    **dict.fromkeys((",", ";", ":", " ", "quad", "qquad", "enspace", "\n"), " "),
    **dict.fromkeys(("le", "leq", "leqslant"), "≤"),
    **dict.fromkeys(("ge", "geq", "geqslant"), "≥"),
    **dict.fromkeys(("ne", "neq"), "≠"),
    **dict.fromkeys(("emptyset", "varnothing"), "∅"),
    **dict.fromkeys(("circ", "degree"), "°"),
    **dict.fromkeys(("lvert", "rvert", "vert", "mid"), "|"),
    "div": "/",
    "pm": "±",
    "cup": "∪",
    "cap": "∩",
    "in": "∈",
    "infty": "∞",
    "lt": "<",
    "gt": ">",
    "pi": "π",
    **{escaped: escaped for escaped in "%$#{}"},
    "lbrace": "{",
    "rbrace": "}",
    "approx": "≈",
    "mu": "μ",
    "euro": "€",
    "pounds": "£",
    "to": "->",
    "colon": ":",
}
TEXT = {"text", "textrm", "textbf", "textit", "mathrm", "mathbf", "mathit", "mathsf", "mbox", "hbox", "operatorname"}
MATRIX = re.compile(r"\{(?:[pbvBV]?matrix|smallmatrix|array)\}")

GROUPS = re.compile(r"(?<=\d)_(?=\d{3}(?!\d))")
RECURRING = re.compile(r"(\d{0,20})\.(\d{0,20})\\(?:overline|bar)\{(\d{1,20})\}")

LAYERS = 4
"""Quotes, dollars and stars around an answer that are taken off."""


class TooDeepError(ValueError):
    """Braces are nested beyond what is read."""


def tidy(raw: str) -> str:
    """Return the text with one character for each sign, without what only decorates it."""
    text = VULGAR.sub(" ", raw.strip())
    text = RAISED.sub(lambda found: "^{" + found[0].translate(LOWERED) + "}", text)
    text = unicodedata.normalize("NFKC", text.translate(SIGNS)).translate(SIGNS)
    if not text.isascii():
        text = "".join(str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in text)
    text = DECIMAL_COMMA.sub(r"\1.\2", text.replace("{,}", ","))
    for _ in range(LAYERS):
        text = bare(BOLD.sub(r"\2", text))
    return ABOUT.sub("", text, count=1) if ABOUT.match(text) else text


def bare(text: str) -> str:
    """Return the text without one layer of quotes, dollars and closing punctuation."""
    text = text.strip()
    if wrapped := WRAPPED.fullmatch(text):
        text = wrapped[2]
    if text.endswith((".", ",", ";", ":")) and not text.endswith(("\\,", "\\;", "\\:")):
        text = text.rstrip(".,;:")
    if "$" in text:
        text = DOLLARS.sub(r" \2 ", text)
    return DISPLAY.sub(r" \1 ", text).strip() if "\\" in text else text.strip()


def plain(text: str) -> str:
    """Return mathematics in one line of plain signs: fractions as quotients, powers with ^( ), roots as sqrt( ).

    Raises:
        TooDeepError: braces nest deeper than `DEEPEST`.

    """
    text = GROUPS.sub("", RECURRING.sub(recurring, text)).replace("<=", "≤").replace(">=", "≥").replace("!=", "≠")
    text = re.sub(r"(?<=[\w)\]}])\s*\*\*\s*(?=[\w(\-\\{])", "^", text)
    return " ".join(Reader("\\" in text).read(text, 0).split())


def recurring(found: re.Match[str]) -> str:
    """Return a recurring decimal as a quotient."""
    whole, fixed, again = found.groups()
    value = int(whole + fixed + again) - int((whole + fixed) or 0)
    return f"{value}/{(10 ** len(again) - 1) * 10 ** len(fixed)}"


class Reader:
    """Reads LaTeX and what is written like it."""

    def __init__(self, latex: bool) -> None:
        self.latex = latex
        """The text has commands, so that braces group."""

    def read(self, text: str, depth: int) -> str:
        """Return a piece of text in plain signs."""
        if depth > DEEPEST:
            raise TooDeepError
        out: list[str] = []
        at = 0
        while at < len(text):
            sign = text[at]
            if sign == "\\":
                at = self.command(text, at, out, depth)
            elif sign == "^":
                raised, at = argument(text, at + 1, run=True)
                inner = self.read(raised, depth + 1).strip()
                out.append("°" if inner == "°" else f"^({inner})")
            elif sign == "√":
                inner, at = argument(text, at + 1, run=True)
                out.append(f" sqrt({self.read(inner, depth + 1)})")
            elif sign == "_" and at and text[at - 1] not in "_ ":
                lowered, at = argument(text, at + 1, run=True)
                out.append("_{" + self.read(lowered, depth + 1).strip() + "}")
            elif sign == "{" and self.latex:
                inner, at = argument(text, at)
                out.append(inner if len(inner) == 1 else self.grouped(inner, depth))
            else:
                out.append(sign)
                at += 1
        return "".join(out)

    def grouped(self, inner: str, depth: int) -> str:
        """Return a group in braces: a set where it has a comma, else brackets."""
        read = self.read(inner, depth + 1)
        if "," in inner:
            return "{" + read + "}"
        return f"({read})" if read.strip() else ""

    def command(self, text: str, at: int, out: list[str], depth: int) -> int:
        """Read one command with its arguments; return where it ends."""
        found = COMMAND.match(text, at)
        if found is None:  # a backslash at the very end
            return at + 1
        name, end = found[1] or found[2], found.end()
        if name in {"frac", "dfrac", "tfrac", "cfrac"}:
            top, end = argument(text, end)
            bottom, end = argument(text, end)
            mixed = top.isdigit() and bottom.isdigit() and "".join(out).rstrip()[-1:].isdigit()
            pieces = self.read(top, depth + 1), self.read(bottom, depth + 1)
            out.append(" {}/{}".format(*pieces) if mixed else "(({})/({}))".format(*pieces))
        elif name == "sqrt":
            order, end = optional(text, end)
            inner, end = argument(text, end)
            root = self.read(inner, depth + 1)
            out.append(f"(({root})^(1/({self.read(order, depth + 1)})))" if order else f"sqrt({root})")
        elif name in TEXT:
            inner, end = argument(text, end)
            out.append(f" {self.read(inner, depth + 1)} ")
        elif name in {"boxed", "fbox"}:
            inner, end = argument(text, end)
            out.append(self.read(inner, depth + 1))
        elif name == "begin" and MATRIX.match(text, end):
            end = self.matrix(text, end, out, depth)
        elif name in SYMBOLS:
            out.append(SYMBOLS[name])
        else:
            out.append(f"\\{name} ")
            while text[end : end + 1] == "{":
                inner, end = argument(text, end)
                out.append("{" + self.read(inner, depth + 1) + "}")
        return end

    def matrix(self, text: str, at: int, out: list[str], depth: int) -> int:
        """Read a matrix as a list of its rows."""
        close = text.find("\\end{", at)
        start = text.index("}", at) + 1
        if text[start : start + 1] == "{":  # the columns of an array
            start = text.find("}", start) + 1
        if close < start:
            raise TooDeepError
        rows = [row for row in re.split(r"\\\\|\\cr(?![a-zA-Z])", text[start:close]) if row.strip()]
        cells = [[self.read(cell, depth + 1).strip() for cell in row.split("&")] for row in rows]
        out.append("[" + ",".join("[" + ",".join(row) + "]" for row in cells) + "]")
        end = text.find("}", close)
        return end + 1 if end >= 0 else len(text)


def argument(text: str, at: int, *, run: bool = False) -> tuple[str, int]:
    """Return a command's argument, and where it ends: a group in braces, a command, a sign; or a run of digits."""
    while at < len(text) and text[at] == " ":
        at += 1
    if at >= len(text):
        return "", at
    if text[at] == "{" or (run and text[at] == "("):
        end = closing(text, at)
        return text[at + 1 : end], end + 1
    if text[at] == "\\" and (found := COMMAND.match(text, at)):
        end = found.end()
        while text[end : end + 1] == "{":
            end = closing(text, end) + 1
        return text[at:end], end
    if run and (digits := NUMBER_RUN.match(text, at)):
        return digits[0], digits.end()
    return text[at], at + 1


def optional(text: str, at: int) -> tuple[str, int]:
    """Return the argument in square brackets, if there is one."""
    if text[at : at + 1] != "[":
        return "", at
    end = text.find("]", at)
    return (text[at + 1 : end], end + 1) if end > 0 else ("", at)


def closing(text: str, at: int) -> int:
    """Return where the bracket that opens here is closed.

    Raises:
        TooDeepError: it is not.

    """
    opened, closed = text[at], {"{": "}", "(": ")"}[text[at]]
    depth = 0
    for position in range(at, len(text)):
        if text[position - 1 : position] == "\\" and text[position] in "{}":
            continue
        depth += (text[position] == opened) - (text[position] == closed)
        if depth == 0:
            return position
    raise TooDeepError
