"""The policies that are compared, as settings of the real machine."""

from dataclasses import dataclass
from typing import Any

from ponder.state.settings import PRESETS

FIXED = (4, 8, 16, 40)
"""Samples of fixed self-consistency."""


@dataclass(frozen=True)
class Policy:
    """A row of the table."""

    name: str
    policy: str = "adaptive"
    effort: str = "balanced"
    samples: int | None = None
    """Most samples; None is the effort's."""
    threshold: float | None = None
    window: int | None = None
    plain: bool = False
    """Without log-probabilities: votes count alike, as in self-consistency (Wang et al. 2022)."""

    def options(self, recorded: int) -> dict[str, Any]:
        """Return the settings, where so many samples are recorded."""
        chosen = {"threshold": self.threshold, "window": self.window}
        return {
            "policy": self.policy,
            "effort": self.effort,
            "max_samples": self.most(recorded),
            **{name: value for name, value in chosen.items() if value is not None},
        }

    def most(self, recorded: int) -> int:
        """Return the most samples that are drawn."""
        return min(self.samples or PRESETS[self.effort][1], recorded)  # type: ignore[index]

    @property
    def fixed(self) -> bool:
        """Whether every run draws the same number of samples."""
        return self.policy == "fixed"


def consistency(samples: int) -> Policy:
    """Return fixed self-consistency: the plain majority of so many samples."""
    return Policy(f"sc@{samples}", "fixed", samples=samples, plain=True)


def weighted(samples: int) -> Policy:
    """Return ponder's own vote of so many samples, by how sure the model was."""
    return Policy(f"vote@{samples}", "fixed", samples=samples)


def until_pass(samples: int) -> Policy:
    """Return sampling one by one until the verifier passes one."""
    return Policy(f"stop@{samples}", "parallel", samples=samples, window=1)


EFFORTS = ("fast", "balanced", "thorough")
SINGLE = Policy("single", "fixed", samples=1, plain=True)
VOTED = (
    SINGLE,
    *map(consistency, FIXED),
    *map(weighted, FIXED),
    *(Policy(effort, effort=effort) for effort in EFFORTS),
)
"""Where no verifier decides."""
VERIFIED = (
    SINGLE,
    *map(consistency, FIXED),
    *map(until_pass, (8, 16, 32, 64, 100)),
    *(Policy(effort, "parallel", effort) for effort in EFFORTS),
)
"""Where an exact one does; the branches above `parallel` make other calls than were recorded."""
