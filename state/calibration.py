"""What `learned` knows of a model: made from held-out questions, and used only where it beat the best fixed policy."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from .errors import UsageError, complaint

Difficulty = Annotated[float, Field(ge=0, le=10)]


class Calibration(BaseModel):
    """How hard a problem is, by how many of the probes agree: one file of JSON, made from questions of yours."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    made_of: str
    """The model, the questions, and how many."""
    probes: PositiveInt
    difficulties: tuple[Difficulty, ...]
    """The difficulty where 0, 1, … all probes give the leading answer."""
    gain: float
    """Accuracy above the best fixed policy at no more calls, on questions that it was not made from."""
    gain_ci: tuple[float, float]
    """95 % interval of that, paired by question."""

    @model_validator(mode="after")
    def complete(self) -> Self:
        """Hold as many difficulties as there can be probes that agree."""
        if len(self.difficulties) != self.probes + 1:
            raise ValueError(f"probes={self.probes} needs {self.probes + 1} difficulties, not {len(self.difficulties)}")
        return self


def load_calibration(path: str) -> Calibration:
    """Read a calibration.

    Raises:
        UsageError: it cannot be read, or it did not beat the best fixed policy.

    """
    try:
        found = Calibration.model_validate_json(Path(path).read_bytes())
    except (OSError, ValidationError) as error:
        why = complaint(error) if isinstance(error, ValidationError) else error
        needed = ", ".join(name for name, field in Calibration.model_fields.items() if field.is_required())
        raise UsageError(
            f"assessor 'learned:{path}' is no calibration ({why}): give a file of JSON with {needed}"
        ) from error
    if found.gain_ci[0] <= 0:
        low, high = found.gain_ci
        raise UsageError(
            f"assessor 'learned:{path}' gained {found.gain:+.3f} ({low:+.3f} to {high:+.3f}) over the best fixed "
            "policy on held-out questions, which may be nothing: use probe"
        )
    return found
