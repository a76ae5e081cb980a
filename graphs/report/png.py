"""The picture of a run as PNG: by daylight, since its readers cannot choose."""

import re
from importlib import import_module

from ...state.errors import UsageError
from .style import COLOURS

SCALE = 2
"""Pixels of the PNG for one of the picture's."""


def png(svg: str) -> bytes:
    """Draw a picture with resvg.

    Raises:
        UsageError: the package is missing.

    """
    try:
        resvg = import_module("resvg_py")
    except ImportError as error:
        raise UsageError(f"--png needs a package that is missing ({error}): install ponder[png]") from error
    return bytes(resvg.svg_to_bytes(svg_string=daylight(svg), zoom=SCALE))


def daylight(svg: str) -> str:
    """Put the colours in where they are named: resvg knows no variables."""
    named = dict(re.findall(r"--(\w+): (#\w+);", COLOURS.partition("@media")[0]))
    return re.sub(r"var\(--(\w+)\)", lambda found: named[found[1]], svg.replace(COLOURS, ""))
