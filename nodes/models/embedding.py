"""Texts as vectors on this machine: the mean of WordLlama's word vectors, which its package holds (extra `semantic`).

Local and free: no call of a model, no entry in the budget, no download.
"""

import logging
import math
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...state.errors import UsageError

LONGEST = 8000
"""Characters of a text that are read."""


class LocalEmbedder:
    """Loads its 16 MB of vectors when first asked."""

    def check(self) -> None:
        """Refuse to begin where the package is missing."""
        if find_spec("wordllama") is None:
            raise UsageError("semantic=True needs a package that is missing: pip install 'ponder[semantic]'")

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text, of length 1 or, where it holds no word, 0."""
        written = [text[:LONGEST].encode(errors="replace").decode() for text in texts]
        return [unit([float(part) for part in vector]) for vector in loaded().embed(written)]


def unit(vector: list[float]) -> list[float]:
    """Return the vector with length 1."""
    length = math.hypot(*vector)
    usable = length > 0 and math.isfinite(length)
    return [part / length for part in vector] if usable else [0.0] * len(vector)


@lru_cache(maxsize=1)
def loaded() -> Any:
    """Load the vectors of the package; without its folder it would look for a part of them in the network."""
    kept, level = list(logging.root.handlers), logging.root.level
    import wordllama  # type: ignore[import-untyped, import-not-found, unused-ignore]

    # The package sets up everybody's logging as it is imported.
    logging.root.handlers[:] = kept
    logging.root.setLevel(level)
    return wordllama.WordLlama.load(cache_dir=Path(str(wordllama.__file__)).parent, disable_download=True)
