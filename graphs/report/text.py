"""Make what a model wrote safe to show: it may be markup, endless, or turn the direction of what follows."""

from html import escape

KEPT = "\n\t\xa0\u2009\u202f\u3000\u200c\u200d"
"""Of what does not print: white space, and the joiners that scripts and emoji need."""


def shown(text: str, room: int | None = None) -> str:
    """Escape a text for HTML and SVG; what would act instead of being seen is named, and what is too long is cut."""
    text = text.replace("\r\n", "\n")
    over = 0 if room is None else len(text) - room
    text = named(text[:room])
    return escape(text) + (f" … {over:,} more characters" if over > 0 else "")


def named(text: str) -> str:
    """Name control characters, overrides of direction, halves of surrogates and the like by their numbers."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in KEPT else f"⟨U+{ord(char):04X}⟩" for char in text)


def line(text: str, room: int = 60) -> str:
    """Escape a text for one short line."""
    words = " ".join(named(text[: 8 * room]).split())
    return escape(words if len(words) <= room else words[: room - 1] + "…")


def lasting(seconds: float) -> str:
    """Write a duration."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
