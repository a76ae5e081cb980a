"""How each kind of verifier is written, as a pydantic model that makes it."""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from ...state.errors import UsageError
from ..ports import Verifier
from ..sandbox import Limits
from .choice import Choice
from .command import Command
from .function import Check, Function
from .json_schema import JsonSchema
from .judge import Judge
from .math import Math
from .python_tests import Case, PythonTests
from .regex import Regex
from .several import AllOf, AnyOf

KNOWN = (
    "python:TESTS.py, cmd:COMMAND {answer_file}, py:MODULE:FUNCTION, regex:PATTERN, schema:FILE.json, choice:LETTER, "
    "math:CONDITIONS, judge:RUBRIC, reward:URL, or JSON"
)
Reach = Literal["code", "file", "network"]
"""What a spec lets happen: code or a command is run, a file of this machine is read, an address is called."""
Spec = str | Mapping[str, JsonValue]


class Recipe(BaseModel):
    """One kind of verifier, as it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def reach(self) -> set[Reach]:
        """Return what it lets happen."""
        return set()

    def build(self) -> Verifier:
        """Make the verifier."""
        raise NotImplementedError


class SandboxRecipe(Recipe):
    """What `python_tests` and `command` share."""

    seconds: float = Field(default=10.0, gt=0, le=3600)

    @property
    def limits(self) -> Limits:
        """What the program may use."""
        return Limits(seconds=self.seconds, cpu=max(1, round(self.seconds)))


class PythonRecipe(SandboxRecipe):
    """`python_tests`."""

    type: Literal["python"]
    file: str = ""
    """Tests as code, or a JSON file with the other fields."""
    tests: str = ""
    function: str = ""
    cases: tuple[Case, ...] = ()

    def reach(self) -> set[Reach]:
        return {"code", "file"} if self.file else {"code"}

    def build(self) -> Verifier:
        if self.file.endswith(".json"):
            within = TypeAdapter(dict[str, JsonValue]).validate_json(text_of(self.file))
            return PythonRecipe.model_validate({"type": "python", "seconds": self.seconds, **within}).build()
        tests = text_of(self.file) if self.file else self.tests
        return PythonTests(tests, self.function, self.cases, self.limits)


class CommandRecipe(SandboxRecipe):
    """`command`."""

    type: Literal["cmd"]
    command: str

    def reach(self) -> set[Reach]:
        return {"code"}

    def build(self) -> Verifier:
        return Command(self.command, self.limits)


class FunctionRecipe(Recipe):
    """`function`."""

    type: Literal["py"]
    function: str

    def reach(self) -> set[Reach]:
        return {"code"}

    def build(self) -> Verifier:
        module, _, name = self.function.partition(":")
        if str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))
        try:
            found = getattr(importlib.import_module(module), name)
        except Exception as error:  # a module may raise anything where it is imported
            said = f"{type(error).__name__}: {error}"
            raise UsageError(f"{self.function!r} cannot be imported ({said}): give py:MODULE:FUNCTION") from error
        if not callable(found):
            raise UsageError(f"{self.function!r} is not a function")
        return Function(cast("Check", found))


class RegexRecipe(Recipe):
    """`regex`."""

    type: Literal["regex"]
    pattern: str = Field(min_length=1)

    def build(self) -> Verifier:
        return Regex(self.pattern)


class SchemaRecipe(Recipe):
    """`json_schema`."""

    type: Literal["schema"]
    file: str = ""
    schema_: JsonValue = Field(default=None, alias="schema")

    def reach(self) -> set[Reach]:
        return {"file"} if self.file else set()

    def build(self) -> Verifier:
        return JsonSchema(TypeAdapter(JsonValue).validate_json(text_of(self.file)) if self.file else self.schema_)


class ChoiceRecipe(Recipe):
    """`choice`."""

    type: Literal["choice"]
    answer: str = Field(pattern=r"^\s*\(?[A-Za-z]\)?\s*$")

    def build(self) -> Verifier:
        return Choice(self.answer.strip(" ()").upper())


class MathRecipe(Recipe):
    """`math`."""

    type: Literal["math"]
    conditions: str

    def build(self) -> Verifier:
        return Math(self.conditions)


class JudgeRecipe(Recipe):
    """`judge`."""

    type: Literal["judge"]
    rubric: str = Field(min_length=1)

    def build(self) -> Verifier:
        return Judge(self.rubric)


class RewardRecipe(Recipe):
    """`reward_model`."""

    type: Literal["reward"]
    url: str
    model: str = ""

    def reach(self) -> set[Reach]:
        return {"network"}

    def build(self) -> Verifier:
        from .reward_model import RewardModel  # takes long to import, and few runs need it

        return RewardModel(self.url, self.model)


class SeveralRecipe(Recipe):
    """`all_of` and `any_of`."""

    type: Literal["all_of", "any_of"]
    of: tuple["str | AnyRecipe", ...]

    def parts(self) -> "list[AnyRecipe]":
        """Return the recipes of the parts."""
        return [recipe_of(part) if isinstance(part, str) else part for part in self.of]

    def reach(self) -> set[Reach]:
        return set[Reach]().union(*(part.reach() for part in self.parts()))

    def build(self) -> Verifier:
        kind = AllOf if self.type == "all_of" else AnyOf
        return kind(tuple(part.build() for part in self.parts()))


AnyRecipe = Annotated[
    PythonRecipe
    | CommandRecipe
    | FunctionRecipe
    | RegexRecipe
    | SchemaRecipe
    | ChoiceRecipe
    | MathRecipe
    | JudgeRecipe
    | RewardRecipe
    | SeveralRecipe,
    Field(discriminator="type"),
]
SHORT = {
    "python": "file",
    "cmd": "command",
    "py": "function",
    "regex": "pattern",
    "schema": "file",
    "choice": "answer",
    "math": "conditions",
    "judge": "rubric",
    "reward": "url",
}
"""Kind -> the field that `KIND:REST` fills."""
SeveralRecipe.model_rebuild()
recipes: TypeAdapter[AnyRecipe] = TypeAdapter(AnyRecipe)


def recipe_of(spec: Spec) -> AnyRecipe:
    """Read a spec.

    Raises:
        UsageError: it names no verifier, or lacks something.

    """
    if not isinstance(spec, str):
        return recipes.validate_python(spec)
    if spec.lstrip().startswith("{"):
        return recipes.validate_json(spec)
    kind, _, rest = spec.partition(":")
    if kind not in SHORT or not rest.strip():
        raise UsageError(f"give {KNOWN}")
    return recipes.validate_python({"type": kind, SHORT[kind]: rest})


def text_of(path: str) -> str:
    """Read a file.

    Raises:
        UsageError: it cannot be read.

    """
    try:
        return Path(path).read_text()
    except (OSError, ValueError) as error:
        raise UsageError(f"the file {path!r} cannot be read ({error}): give a text file") from error
