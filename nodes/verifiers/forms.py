"""How each kind of verifier is written, as a pydantic model that makes it."""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from ...state.errors import UsageError
from ..ports import Verifier
from .all_of import AllOf
from .any_of import AnyOf
from .choice import Choice
from .function import Check, Function
from .judge import Judge
from .regex import Regex

FORMS = (
    "python:TESTS.py, cmd:COMMAND {answer_file}, py:MODULE:FUNCTION, regex:PATTERN, schema:FILE.json, choice:LETTER, "
    "math:CONDITIONS, judge:RUBRIC, reward:URL, or JSON"
)
Reach = Literal["code", "file", "network"]
"""What a spec lets happen: code or a command is run, a file of this machine is read, an address is called."""
Spec = str | Mapping[str, JsonValue]


class Form(BaseModel):
    """One kind of verifier, as it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def reach(self) -> set[Reach]:
        """Return what it lets happen."""
        return set()

    def build(self) -> Verifier:
        """Make the verifier."""
        raise NotImplementedError


class CaseForm(BaseModel):
    """What a function is given, and what it is to return."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: JsonValue
    expected: JsonValue


class PythonForm(Form):
    """`python_tests`."""

    type: Literal["python"]
    file: str = ""
    """Tests as code, or a JSON file with the other fields."""
    tests: str = ""
    function: str = ""
    cases: tuple[CaseForm, ...] = ()
    seconds: float = Field(default=10.0, gt=0, le=3600)

    def reach(self) -> set[Reach]:
        return {"code", "file"} if self.file else {"code"}

    def build(self) -> Verifier:
        from ..sandbox import Limits
        from .python_tests import Case, PythonTests

        if self.file.endswith(".json"):
            within = TypeAdapter(dict[str, JsonValue]).validate_json(text_of(self.file))
            return PythonForm.model_validate({"type": "python", "seconds": self.seconds, **within}).build()
        tests = text_of(self.file) if self.file else self.tests
        cases = tuple(Case(case.input, case.expected) for case in self.cases)
        limits = Limits(seconds=self.seconds, cpu=max(1, round(self.seconds)))
        return PythonTests(tests, self.function, cases, limits)


class CommandForm(Form):
    """`command`."""

    type: Literal["cmd"]
    command: str
    seconds: float = Field(default=10.0, gt=0, le=3600)

    def reach(self) -> set[Reach]:
        return {"code"}

    def build(self) -> Verifier:
        from ..sandbox import Limits
        from .command import Command

        return Command(self.command, Limits(seconds=self.seconds, cpu=max(1, round(self.seconds))))


class FunctionForm(Form):
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


class RegexForm(Form):
    """`regex`."""

    type: Literal["regex"]
    pattern: str = Field(min_length=1)

    def build(self) -> Verifier:
        return Regex(self.pattern)


class SchemaForm(Form):
    """`json_schema`."""

    type: Literal["schema"]
    file: str = ""
    schema_: JsonValue = Field(default=None, alias="schema")

    def reach(self) -> set[Reach]:
        return {"file"} if self.file else set()

    def build(self) -> Verifier:
        from .json_schema import JsonSchema

        return JsonSchema(TypeAdapter(JsonValue).validate_json(text_of(self.file)) if self.file else self.schema_)


class ChoiceForm(Form):
    """`choice`."""

    type: Literal["choice"]
    answer: str = Field(pattern=r"^\s*\(?[A-Za-z]\)?\s*$")

    def build(self) -> Verifier:
        return Choice(self.answer.strip(" ()").upper())


class MathForm(Form):
    """`math`."""

    type: Literal["math"]
    conditions: str

    def build(self) -> Verifier:
        from .math import Math

        return Math(self.conditions)


class JudgeForm(Form):
    """`judge`."""

    type: Literal["judge"]
    rubric: str = Field(min_length=1)

    def build(self) -> Verifier:
        return Judge(self.rubric)


class RewardForm(Form):
    """`reward_model`."""

    type: Literal["reward"]
    url: str
    model: str = ""

    def reach(self) -> set[Reach]:
        return {"network"}

    def build(self) -> Verifier:
        from .reward_model import RewardModel

        return RewardModel(self.url, self.model)


class SeveralForm(Form):
    """`all_of` and `any_of`."""

    type: Literal["all_of", "any_of"]
    of: tuple["str | AnyForm", ...]

    def parts(self) -> "list[AnyForm]":
        """Return the forms of the parts."""
        return [form_of(part) if isinstance(part, str) else part for part in self.of]

    def reach(self) -> set[Reach]:
        return set[Reach]().union(*(part.reach() for part in self.parts()))

    def build(self) -> Verifier:
        kind = AllOf if self.type == "all_of" else AnyOf
        return kind(tuple(part.build() for part in self.parts()))


AnyForm = Annotated[
    PythonForm
    | CommandForm
    | FunctionForm
    | RegexForm
    | SchemaForm
    | ChoiceForm
    | MathForm
    | JudgeForm
    | RewardForm
    | SeveralForm,
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
SeveralForm.model_rebuild()
forms: TypeAdapter[AnyForm] = TypeAdapter(AnyForm)


def form_of(spec: Spec) -> AnyForm:
    """Read a spec.

    Raises:
        UsageError: it names no verifier, or lacks something.

    """
    if not isinstance(spec, str):
        return forms.validate_python(spec)
    if spec.lstrip().startswith("{"):
        return forms.validate_json(spec)
    kind, _, rest = spec.partition(":")
    if kind not in SHORT or not rest.strip():
        raise UsageError(f"give {FORMS}")
    return forms.validate_python({"type": kind, SHORT[kind]: rest})


def text_of(path: str) -> str:
    """Read a file.

    Raises:
        UsageError: it cannot be read.

    """
    try:
        return Path(path).read_text()
    except (OSError, ValueError) as error:
        raise UsageError(f"the file {path!r} cannot be read ({error}): give a text file") from error
