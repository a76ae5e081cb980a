"""Validate JSON by a schema that strangers may have written: its patterns have a time limit, and nothing is fetched."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import regex

from ..state.errors import UsageError

LONGEST_COMPLAINT = 300
"""Characters; a value that breaks a schema is quoted in the complaint."""
SECONDS = 1.0
"""A pattern of the schema may take."""


def breaches(value: object, schema: object) -> Iterator[str]:
    """Say how a value breaks a JSON Schema, one breach after the other; a schema that leads nowhere is one.

    Raises:
        UsageError: it is no JSON Schema.

    """
    from referencing.exceptions import Unresolvable  # only where there is a schema

    try:
        for error in validator(json.dumps(schema)).iter_errors(value):
            yield f"{error.json_path}: {error.message[:LONGEST_COMPLAINT]}"
    except TimeoutError:
        yield f"a pattern of the schema took longer than {SECONDS:g} s"
    except (Unresolvable, RecursionError) as trouble:
        yield f"the schema leads nowhere: {trouble}"


@lru_cache(maxsize=64)
def validator(schema: str) -> Any:
    """Return what checks values against a schema, given as JSON.

    Raises:
        UsageError: it is no JSON Schema.

    """
    from jsonschema import validators
    from jsonschema.exceptions import SchemaError
    from referencing import Registry

    given: Any = json.loads(schema)
    if not isinstance(given, dict | bool):
        raise UsageError(f"{schema[:80]!r} is no JSON Schema: give an object")
    draft: Any = validators.validator_for(given, default=validators.Draft202012Validator)
    try:
        draft.check_schema(given)
    except SchemaError as error:
        told = f"at {error.json_path}: {error.message[:LONGEST_COMPLAINT]}"
        raise UsageError(f"{schema[:80]!r} is no JSON Schema, {told}") from None
    extend: Any = validators.extend
    timed = extend(draft, {"pattern": pattern, "patternProperties": pattern_properties})
    return timed(given, registry=Registry())


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
