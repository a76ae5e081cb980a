"""Answers: find them in a text, and decide which are the same.

`extract` reads the answer off a text, `canonical` brings it into a form in which equal answers are equal strings,
`equal` and `cluster` compare. The types: `number` (with units, percent, currency), `math` (also sets, intervals,
tuples, matrices; through math-verify's parser in a process of its own), `choice`, `code`, `json`, `text` (also dates);
None infers from the shape of each answer.

Nothing here runs code: two programs are equal where their syntax trees are. Programs that tests have run in the sandbox
(a `python:` verifier, `write_tests`) also count as one where they did the same on the tests' inputs: `nodes/agree.py`.
"""

from .canon import canonical
from .clusters import cluster, equal
from .find import extract
from .infer import infer_type
from .meaning import Extracted

__all__ = ["Extracted", "canonical", "cluster", "equal", "extract", "infer_type"]
