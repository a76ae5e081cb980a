"""What names a verifier: `KIND:REST` on the command line, the same or an object in JSON; read before the first call.

python:FILE.py             {"type": "python", "tests": CODE} or {…, "function": NAME, "cases": [{"input", "expected"}]}
cmd:COMMAND {answer_file}  {"type": "cmd", "command": …}
py:MODULE:FUNCTION         {"type": "py", "function": …}
regex:PATTERN              {"type": "regex", "pattern": …}
schema:FILE.json           {"type": "schema", "schema": {…}}
choice:B                   {"type": "choice", "answer": …}
math:CONDITIONS            {"type": "math", "conditions": …}
judge:RUBRIC               {"type": "judge", "rubric": …}
reward:URL                 {"type": "reward", "url": …, "model": …}
                           {"type": "all_of", "of": [SPEC, …]} and any_of
"""

import re
from functools import lru_cache

from pydantic import ValidationError

from ...state.errors import UsageError, complaint
from ..ports import Verifier
from .recipes import KNOWN, Reach, Spec, recipe_of

SECRETS = re.compile(r"(?<=://)(?:[^\s/'\"]*@)?([^\s?'\"]*)(?:\?[^\s'\"]*)?")
"""What stands behind the scheme of a URL: user and password, the address, the query."""


def parse_verifier(spec: Spec) -> Verifier:
    """Make the verifier that a spec names.

    Raises:
        UsageError: it names none, or one that cannot be used; the message names the spec and the next step.

    """
    try:
        return recipe_of(spec).build()
    except ValidationError as error:
        raise UsageError(f"verifier {told(spec)} cannot be used: {complaint(error)}; give {KNOWN}") from error
    except (UsageError, RecursionError) as error:
        raise UsageError(f"verifier {told(spec)} cannot be used: {error}") from error


@lru_cache(maxsize=256)
def parse_once(spec: str, epoch: str) -> Verifier:
    """Make the verifier that a problem carries, once in a run: its steps ask for it again and again."""
    del epoch  # a new run reads its files anew
    return parse_verifier(spec)


def parse_foreign(spec: str, epoch: str) -> Verifier:
    """Make the verifier that a problem from a request carries.

    Raises:
        UsageError: it is wrong, or would run code, read a file or call an address here.

    """
    if reach := reach_of(spec):
        said = " and ".join(sorted(reach))
        raise UsageError(
            f"verifier {told(spec)} is not taken from a request, for it reaches {said}: set it at the server"
        )
    return parse_once(spec, epoch)


def reach_of(spec: Spec) -> set[Reach]:
    """Return what a spec lets happen, before anything of it is done: a server looks before it takes one from a request.

    Raises:
        UsageError: it is no spec.

    """
    try:
        return recipe_of(spec).reach()
    except (ValidationError, RecursionError) as error:
        raise UsageError(f"verifier {told(spec)} cannot be read: give {KNOWN}") from error


def told(spec: Spec) -> str:
    """Repeat a spec in an error, but for what in a URL may be a password or a key."""
    return SECRETS.sub(r"\1", repr(spec))
