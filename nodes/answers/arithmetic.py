"""Exact arithmetic on numbers alone, bounded in depth and size."""

import re
from fractions import Fraction
from math import factorial, isqrt

TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?(?:[eE][-+]?\d{1,3})?|\.\d+)|(sqrt)|([-+*/^()!%]))")
LARGEST = 1400
"""Bits of a numerator or denominator; a larger number stays as it is written."""
DEEPEST = 40
LONGEST = 400
"""Characters."""
LARGEST_FACTORIAL = 170


class TooLargeError(ValueError):
    """A number is too large to be written out."""


def evaluate(text: str) -> Fraction | None:
    """Return the value of a computation in plain notation; None where it is not one, or has no rational value.

    Raises:
        TooLargeError: it is one, and too large.

    """
    if len(text) > LONGEST or not any(sign.isdigit() for sign in text):
        return None
    tokens: list[str] = []
    at = 0
    stripped = text.rstrip()
    while at < len(stripped):
        found = TOKEN.match(stripped, at)
        if found is None:
            return None
        tokens.append(found[0].strip())
        at = found.end()
    reader = Computation(tokens)
    value = reader.total(0)
    return value if reader.at == len(tokens) else None


class Computation:
    """Reads tokens by precedence: sums, products, signs, powers. None is no value."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = [*tokens, "", ""]
        self.at = 0

    @property
    def next(self) -> str:
        """The token to be read."""
        return self.tokens[self.at]

    def take(self) -> str:
        """Read a token."""
        self.at += 1
        return self.tokens[self.at - 1]

    def total(self, depth: int) -> Fraction | None:
        """Read a sum."""
        if depth > DEEPEST:
            return None
        value = self.product(depth)
        while value is not None and self.next in {"+", "-"}:
            sign = 1 if self.take() == "+" else -1
            other = self.product(depth)
            value = None if other is None else bounded(value + sign * other)
        return value

    def product(self, depth: int) -> Fraction | None:
        """Read a product; brackets side by side are multiplied."""
        value = self.signed(depth)
        while value is not None and (self.next in {"*", "/", "(", "sqrt"}):
            divides = self.next == "/"
            if self.next in {"*", "/"}:
                self.take()
            other = self.signed(depth)
            if other is None or (divides and not other):
                return None
            value = bounded(value / other if divides else value * other)
        return value

    def signed(self, depth: int) -> Fraction | None:
        """Read a power with its signs."""
        if self.next in {"-", "+"}:
            if depth > DEEPEST:
                return None
            sign = -1 if self.take() == "-" else 1
            value = self.signed(depth + 1)
            return None if value is None else sign * value
        return self.power(depth)

    def power(self, depth: int) -> Fraction | None:
        """Read a power, which binds to the right."""
        value = self.postfixed(depth)
        if value is None or self.next != "^" or depth > DEEPEST:
            return value
        self.take()
        exponent = self.signed(depth + 1)
        return None if exponent is None else raised(value, exponent)

    def postfixed(self, depth: int) -> Fraction | None:
        """Read a number or brackets, with ! or % behind."""
        value = self.atom(depth)
        while value is not None and self.next in {"!", "%"}:
            if self.take() == "%":
                value /= 100
            elif value.denominator != 1 or value < 0:
                return None
            elif value > LARGEST_FACTORIAL:
                raise TooLargeError
            else:
                value = Fraction(factorial(int(value)))
        return value

    def atom(self, depth: int) -> Fraction | None:
        """Read a number, brackets, or a root."""
        token = self.take()
        if token[:1].isdigit() or token[:1] == ".":
            return bounded(Fraction(token))
        if token == "(" or (token == "sqrt" and self.take() == "("):
            value = self.total(depth + 1)
            if value is None or self.take() != ")":
                return None
            return root(value, 2) if token == "sqrt" else value
        return None


def bits(value: Fraction) -> int:
    """Return the bits of the larger of numerator and denominator."""
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def bounded(value: Fraction) -> Fraction:
    """Return the value, unless it is too large."""
    if bits(value) > LARGEST:
        raise TooLargeError
    return value


def raised(value: Fraction, exponent: Fraction) -> Fraction | None:
    """Return a power; None where it is not rational."""
    if not value and exponent <= 0:
        return None
    if exponent.denominator != 1:
        found = root(value, exponent.denominator) if exponent.denominator < 20 else None
        return None if found is None else raised(found, Fraction(exponent.numerator))
    if abs(value) == 1 or not value:
        return value ** (int(exponent) % 2 if value else 1)
    if bits(value) * abs(exponent) > LARGEST:
        raise TooLargeError
    return bounded(value ** int(exponent))


def root(value: Fraction, order: int) -> Fraction | None:
    """Return the real root of a number that is not negative, where it is rational."""
    if value < 0:
        return None
    parts = [whole_root(part, order) for part in (value.numerator, value.denominator)]
    return None if None in parts else Fraction(*[part or 0 for part in parts])


def whole_root(number: int, order: int) -> int | None:
    """Return the whole root of a whole number; None where there is none."""
    if order == 2:
        guess = isqrt(number)
    else:
        guess = 1 << -(-number.bit_length() // order)
        while guess**order > number:
            guess = ((order - 1) * guess + number // guess ** (order - 1)) // order
    return guess if guess**order == number else None
