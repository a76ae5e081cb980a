"""An answer passes where it is JSON of a schema."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import regex
from pydantic import JsonValue

from ...state.errors import UsageError
from ...state.run import AnswerType, Candidate, Problem, Verdict
from ..answers import extract
from ..loop import in_thread

SHOWN_ERRORS = 3
SECONDS = 1.0
"""A pattern of the schema may take."""


@dataclass(frozen=True)
class JsonSchema:
    """Validate the answer, by the `jsonschema` package; nothing is fetched for a `$ref`."""

    schema: JsonValue
    expects: ClassVar[AnswerType] = "json"
    bounded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a schema that is none."""
        try:
            from jsonschema import SchemaError
        except ImportError as error:
            raise UsageError("a schema needs the package jsonschema: install ponder[schema]") from error
        if not isinstance(self.schema, dict | bool):
            raise UsageError(f"{str(self.schema)[:80]!r} is no JSON schema: give an object")
        try:
            self.validator.check_schema(self.schema)
        except SchemaError as error:
            raise UsageError(f"the schema is wrong at {error.json_path}: {error.message[:200]}") from error

    @cached_property
    def validator(self) -> Any:
        """The validator for the schema's draft; patterns have a time limit."""
        from jsonschema import validators
        from referencing import Registry

        schema: Any = self.schema
        draft = validators.validator_for(schema, default=validators.Draft202012Validator)
        extend: Any = validators.extend
        timed = extend(draft, {"pattern": pattern, "patternProperties": pattern_properties})
        return timed(schema, registry=Registry())

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        found = extract(candidate.text, "json")
        if found is None:
            return Verdict(score=0, passed=False, feedback="the answer is not JSON")
        try:
            errors = await in_thread(lambda: list(self.validator.iter_errors(json.loads(found.raw))))
        except (ValueError, RecursionError) as error:
            return Verdict(score=0, passed=False, feedback=f"the answer cannot be read as JSON: {error}")
        if not errors:
            return Verdict(score=1, passed=True)
        told = [f"{error.json_path}: {error.message[:300]}" for error in errors[:SHOWN_ERRORS]]
        return Verdict(score=0, passed=False, feedback="\n".join(told))


def pattern(_: Any, pattern: str, instance: object, __: Mapping[str, Any]) -> Iterator[Exception]:
    """Check a string by a pattern, within its time."""
    from jsonschema import ValidationError

    if isinstance(instance, str) and not regex.search(pattern, instance, timeout=SECONDS, concurrent=True):
        yield ValidationError(f"{instance[:200]!r} does not match {pattern!r}")


def pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: object, _: Mapping[str, Any]
) -> Iterator[Exception]:
    """Check the properties whose names match, within the patterns' time."""
    if not isinstance(instance, dict):
        return
    for pattern, schema in patterns.items():
        for name, value in instance.items():
            if regex.search(pattern, name, timeout=SECONDS, concurrent=True):
                yield from validator.descend(value, schema, path=name, schema_path=pattern)
