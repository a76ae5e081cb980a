"""A candidate passes where it passes every part; its score is the lowest."""

from collections.abc import Sequence

from ...state.run import Verdict
from .several import Several, feedback


class AllOf(Several):
    """Every part has to pass it; a part that only scores leaves that open."""

    def decided(self, verdicts: Sequence[Verdict]) -> bool:
        return any(verdict.passed is False for verdict in verdicts)

    def joined(self, verdicts: Sequence[Verdict]) -> Verdict:
        failed = [verdict for verdict in verdicts if verdict.passed is False]
        open_ = any(verdict.passed is None for verdict in verdicts)
        weak = any(verdict.kind == "weak" for verdict in failed or verdicts)
        return Verdict(
            score=min(verdict.score for verdict in verdicts),
            passed=False if failed else None if open_ else True,
            feedback=feedback(failed or verdicts),
            kind="weak" if weak else "exact",
        )
