"""Mathematics: equations, sets, intervals, tuples, lists and matrices of expressions."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from .arithmetic import TooLargeError, evaluate
from .meaning import Meaning
from .prose import prose
from .quantities import quantity
from .symbolic import Symbolic
from .units import read_unit

LONGEST = 1200
"""Characters of what is read as mathematics."""
LONGEST_LIST = 256
DEEPEST = 6
"""Levels of lists in lists."""
PAIRS = {"(": ")", "[": "]", "{": "}"}
CLOSERS = {")", "]", "}"}
NAME = r"(?:[A-Za-z](?:_\{?\w+\}?)?(?:\s?\(\s?[a-z]\s?\))?|\\[a-z]+|[α-ω])"
LABELLED = re.compile(rf"({NAME})\s*(?:=|∈|:=)\s*([^=<>≤≥]+)")
REACHED = re.compile(rf"({NAME})\s*(<|>|≤|≥)\s*([^=<>≤≥]+)")
TURNED = re.compile(rf"([^=<>≤≥]+?)\s*(<|>|≤|≥)\s*({NAME})")
TURN = str.maketrans("<>≤≥", "><≥≤")
SPAN = re.compile(rf"([^=<>≤≥]+?)\s*(<|≤)\s*({NAME})\s*(<|≤)\s*([^=<>≤≥]+)")
EITHER = re.compile(r"(?:,?\s+(?:and|or)\s+|\s*\\(?:land|lor|vee|wedge|text)\b\s*)")
NUMBERED = re.compile(r"\d+(?:-\d+)+|\d+(?:/\d+){2,}|[nN]/[aA]|w/o?|[A-Za-z](?:-[A-Za-z]){2,}")
"""Ranges, scores, telephone numbers, abbreviations and words that are spelled, which are not computed."""
EMPTY = {"∅", "{}", "{ }"}
BASED = re.compile(r"([0-9A-Za-z]{1,60})_\{(\d{1,2})\}")
LARGEST_BASE = 36
INFINITE = re.compile(r"([-+]?)\s*(?:∞|\+?inf(?:inity|inite)?|oo)", re.IGNORECASE)
WORD = re.compile(r"[A-Za-z]+")
COMMAND = re.compile(r"\\[A-Za-z]+")
MEASURED = re.compile(r"(.*[\dπ)]) ([A-Za-z°μΩ¢$€£¥₹][^,=<>]{0,40})")
FUNCTIONS = set(
    (
        "sqrt sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp min max gcd lcm abs "
        "mod det dim inf oo pi alpha beta gamma delta theta lambda mu sigma phi omega and or frac binom int "
        "sum lim infty cup"
    ).split()
)
SHORT_WORDS = set(
    (
        "am an as at be by do go he hi if in is it me my no of ok on or so to up us we and the for not yes you are"
    ).split()
)


@dataclass(frozen=True)
class Maths:
    """Reads mathematics in plain notation."""

    symbolic: Symbolic
    """Returns the key of an expression."""
    loose: bool = False
    """A bare list is a set of solutions, whatever its order."""

    def meaning(self, text: str, depth: int = 0) -> Meaning | None:
        """Return the meaning of an expression; None where it has none."""
        text = text.strip()
        if not text or len(text) > LONGEST or depth > DEEPEST:
            return None
        readers: tuple[Callable[[str, int], Meaning | None], ...] = (
            *(self.simple, self.enclosed, self.union, self.listed, self.bounds, self.labelled, self.either_sign),
            self.measured,
        )
        for read in readers:
            if found := read(text, depth):
                return found
        key = self.symbolic(text) if not wordy(text) else prose(text) if depth else None
        return None if key is None else Meaning(key)

    def simple(self, text: str, _depth: int) -> Meaning | None:
        """Read a number, a measure, or infinity."""
        if text in EMPTY:
            return Meaning("{}")
        if (based := BASED.fullmatch(text)) and 1 < int(based[2]) <= LARGEST_BASE:
            return in_base(based[1], int(based[2]))
        if infinite := INFINITE.fullmatch(text):
            return Meaning("-oo" if infinite[1] == "-" else "oo")
        if found := quantity(text, algebra=True):
            return found
        try:
            value = evaluate(text)
        except TooLargeError:
            return Meaning("".join(text.split()))
        return None if value is None else Meaning(str(value))

    def enclosed(self, text: str, depth: int) -> Meaning | None:
        """Read a set, a tuple, an interval, a list, or an expression in brackets."""
        opener, closer = text[0], text[-1]
        paired = opener in PAIRS and closer in CLOSERS and (closer == "}") == (opener == "{")
        pieces = split(text[1:-1])
        if not paired or end_of(text) != len(text) - 1 or len(pieces) > LONGEST_LIST:
            return None
        if len(pieces) == 1 and (opener, closer) == ("(", ")"):
            return self.meaning(text[1:-1], depth + 1)
        keys = self.keys(pieces, depth)
        if keys is None:
            return None
        if opener == "{":
            return Meaning(set_of(keys))
        if len(keys) == 2:
            opener = "(" if keys[0] == "-oo" else opener
            closer = ")" if keys[1] == "oo" else closer
        return Meaning(f"{opener}{', '.join(keys)}{closer}")

    def keys(self, pieces: list[str], depth: int) -> list[str] | None:
        """Return the keys of the members of a list; None where one has none."""
        keys = [found.key for piece in pieces if (found := self.meaning(piece, depth + 1))]
        return keys if len(keys) == len(pieces) else None

    def measured(self, text: str, _depth: int) -> Meaning | None:
        """Read a number that is not rational, with a unit: 5 sqrt(2) cm."""
        found = MEASURED.fullmatch(text)
        unit = read_unit(found[2]) if found and constant(found[1]) else None
        if found is None or unit is None:
            return None
        alone, key = self.symbolic(found[1]), self.symbolic(f"({found[1]})*({unit[1]})")
        return Meaning(f"{key} {unit[0]}", frozenset({alone})) if alone and key else None

    def union(self, text: str, depth: int) -> Meaning | None:
        """Read a union of sets or intervals."""
        pieces = (
            split(text, "∪") if "∪" in text else split(text, "U") if re.search(r"[)\]}]\s*U\s*[(\[{]", text) else []
        )
        if not 1 < len(pieces) <= LONGEST_LIST or not all(piece.strip()[:1] in PAIRS for piece in pieces):
            return None
        keys = self.keys(pieces, depth)
        return None if keys is None else Meaning(" ∪ ".join(sorted(set(keys))))

    def listed(self, text: str, depth: int) -> Meaning | None:
        """Read a bare list: solutions one after another."""
        either = bool(EITHER.search(text))
        pieces = split(EITHER.sub(",", text))
        if not 1 < len(pieces) <= LONGEST_LIST or depth or not all(piece.strip() for piece in pieces):
            return None
        named = [LABELLED.fullmatch(piece.strip()) for piece in pieces]
        labels = [found[1] if found else "" for found in named]
        values = [found[2] if found else piece for found, piece in zip(named, pieces, strict=True)]
        if all(labels) and len(set(labels)) > 1:
            return self.assigned(labels, values, depth)
        name = labels[0]
        keys = self.keys(values if name else pieces, depth)
        if keys is None:
            return None
        if either and not name and len(set(keys)) == 1:
            return Meaning(keys[0])
        return self.solutions(name, keys, unordered=either or self.loose)

    @staticmethod
    def solutions(name: str, keys: list[str], *, unordered: bool) -> Meaning:
        """Return the meaning of a list of solutions, for the variable of that name if there is one."""
        parts = [key.partition(" ∈ ") for key in keys]
        if unordered and all(inside for _, inside, _ in parts) and len({of for of, _, _ in parts}) == 1:
            union = " ∪ ".join(sorted({interval for _, _, interval in parts}))
            return Meaning(f"{parts[0][0]} ∈ {union}", frozenset({union}))
        as_set, in_order = set_of(keys), ", ".join(keys)
        if name:
            return Meaning(f"{name} ∈ {as_set}", frozenset({as_set, in_order, ", ".join(sorted(keys))}))
        if unordered:
            return Meaning(as_set, frozenset({in_order, f"({in_order})"}))
        return Meaning(in_order, frozenset({as_set, f"({in_order})"}))

    def assigned(self, labels: list[str], values: list[str], depth: int) -> Meaning | None:
        """Read values of several variables: x = 1, y = 2 is also (1, 2)."""
        keys = self.keys(values, depth)
        if keys is None or len(set(labels)) < len(labels):
            return None
        pairs = sorted(zip(labels, keys, strict=True))
        return Meaning(", ".join(f"{label} = {key}" for label, key in pairs), frozenset({f"({', '.join(keys)})"}))

    def bounds(self, text: str, depth: int) -> Meaning | None:
        """Read an inequality on one variable, which is also an interval."""
        if spanned := SPAN.fullmatch(text):
            low, first, name, second, high = spanned.groups()
            interval = f"{'(' if first == '<' else '['}{low},{high}{')' if second == '<' else ']'}"
        elif reached := REACHED.fullmatch(text):
            name, sign, end = reached.groups()
            interval = beyond(sign, end)
        elif turned := TURNED.fullmatch(text):
            end, sign, name = turned.groups()
            interval = beyond(sign.translate(TURN), end)
        else:
            return None
        if not constant(interval):
            return None
        meaning = self.meaning(interval, depth + 1)
        return meaning and meaning.named(f"{''.join(name.split())} ∈ {meaning.key}")

    def labelled(self, text: str, depth: int) -> Meaning | None:
        """Read `x = 5`, which is also 5."""
        found = LABELLED.fullmatch(text)
        if found is None:
            return None
        meaning = self.meaning(found[2], depth + 1)
        if meaning is None:
            return None
        key = self.symbolic(text) if "(" not in found[1] and not constant(found[2]) and "∈" not in text else None
        return meaning.named(key or f"{''.join(found[1].split())} = {meaning.key}")

    def either_sign(self, text: str, depth: int) -> Meaning | None:
        """Read a ± b as the set of both."""
        if text.count("±") != 1:
            return None
        left, _, right = text.partition("±")
        keys = self.keys([f"{left}+{right}" if left.strip() else right, f"{left}-{right}"], depth)
        if keys is None:
            return None
        as_set, in_order = set_of(keys), ", ".join(keys)
        return Meaning(as_set, frozenset({in_order, ", ".join(reversed(keys))}))


def set_of(keys: list[str]) -> str:
    """Return the key of a set of these."""
    return "{" + ", ".join(sorted(set(keys))) + "}"


def beyond(sign: str, end: str) -> str:
    """Return as an interval what stands on one side of an end."""
    opener, closer = "()" if sign in "<>" else "[]"
    return f"(-∞,{end}{closer}" if sign in "<≤" else f"{opener}{end},∞)"


def in_base(digits: str, base: int) -> Meaning | None:
    """Return the meaning of a number written in another base; None where it has other digits."""
    figures = "0123456789abcdefghijklmnopqrstuvwxyz"[:base]
    return Meaning(str(int(digits, base))) if digits[0].isdigit() and set(digits.lower()) <= set(figures) else None


def constant(text: str) -> bool:
    """Say whether an expression has no variable in it."""
    return all(word in FUNCTIONS or word in {"e", "i"} for word in WORD.findall(text)) and not re.search(
        "[α-οσ-ω]", text
    )


def split(text: str, sign: str = ",") -> list[str]:
    """Split at a sign that stands in no brackets."""
    pieces, depth, start = [], 0, 0
    for at, char in enumerate(text):
        depth += (char in PAIRS) - (char in CLOSERS)
        if char == sign and depth == 0:
            pieces.append(text[start:at])
            start = at + 1
    return [*pieces, text[start:]]


def end_of(text: str) -> int:
    """Return where the bracket that opens the text is closed, by whichever bracket; -1 where it is not."""
    depth = 0
    for at, char in enumerate(text):
        depth += (char in PAIRS) - (char in CLOSERS)
        if depth == 0:
            return at
    return -1


def words_in(text: str) -> list[str]:
    """Return what stands in a text of more than one letter, and is no function or command."""
    words = [word.lower() for word in WORD.findall(COMMAND.sub("", text))]
    return [word for word in words if len(word) > 1 and word not in FUNCTIONS]


def wordy(text: str) -> bool:
    """Say whether a text is made of words, which are no products of letters as xy is one."""
    return not mathematical(text) and any(len(word) > 2 or word in SHORT_WORDS for word in words_in(text))


def mathematical(text: str) -> bool:
    """Say whether a text in plain notation reads as mathematics, not as words."""
    if len(text) > LONGEST or re.search(r"[A-Za-z]\d", text) or '"' in text or NUMBERED.fullmatch(text):
        return False
    for word in WORD.findall(text.replace("\\", " ")):
        if (
            len(word) > 1
            and word.lower() not in FUNCTIONS
            and (len(word) > 3 or not word.islower() or word in SHORT_WORDS)
        ):
            return False
    return bool(re.search(r"[\d=^∞π±∅∪√\\<>≤≥(\[{|]|[a-z]\s*[-+*/]\s*[a-z]|^inf|(?<![Ͱ-Ͽ])[α-ω](?![Ͱ-Ͽ])", text))
