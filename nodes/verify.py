"""Ask the verifier about one candidate."""

from ..state.run import Candidate, Problem, Verdict
from .ports import Verifier


async def verify(verifier: Verifier, problem: Problem, candidate: Candidate) -> Candidate:
    """Return the candidate with its verdict; a verifier that raises is a failed verdict with the reason."""
    try:
        verdict = await verifier.verify(problem, candidate)
    except Exception as error:  # noqa: BLE001 - whatever a verifier raises, the run goes on and says so
        verdict = Verdict(score=0, passed=False, feedback=f"verifier failed: {type(error).__name__}: {error}")
    update: dict[str, object] = {"verdict": verdict}
    if verdict.passed is not None or candidate.confidence is None:
        update |= {"confidence": verdict.score, "confidence_source": "verifier"}
    return candidate.model_copy(update=update)
