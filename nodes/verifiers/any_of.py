"""A candidate passes where it passes one part; its score is the highest."""

from collections.abc import Sequence

from ...state.run import Verdict
from .several import Several, feedback


class AnyOf(Several):
    """One part has to pass it; where none does, a part that only scores leaves that open."""

    def decided(self, verdicts: Sequence[Verdict]) -> bool:
        return any(verdict.passed for verdict in verdicts)

    def joined(self, verdicts: Sequence[Verdict]) -> Verdict:
        passed = [verdict for verdict in verdicts if verdict.passed]
        open_ = any(verdict.passed is None for verdict in verdicts)
        exact = any(verdict.kind == "exact" for verdict in passed) or all(v.kind == "exact" for v in verdicts)
        return Verdict(
            score=max(verdict.score for verdict in verdicts),
            passed=True if passed else None if open_ else False,
            feedback=feedback(passed or verdicts),
            kind="exact" if exact else "weak",
        )
