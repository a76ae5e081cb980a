"""The vote weighted by how sure the model was of each candidate (CISC, Taubenfeld et al. 2025, arXiv:2502.06233).

The weight is a softmax, within the question, over the log of the confidence: the mean log-probability of the text's
tokens, or what the model rated itself (`self_rated`). Confidences of different models are not compared.
"""

from collections.abc import Sequence
from statistics import fmean

from ...state.run import Candidate, ConfidenceSource, Selection
from ..view import View
from .ballot import leading, weighed

TEMPERATURE = 2.0
"""Of the softmax; on the recorded data the weights are worth most as what breaks ties: colder ones lose votes."""
SOURCES: set[ConfidenceSource | None] = {"logprob", "self-rated"}


def confidence(view: View) -> Selection | None:
    """Choose by weighted votes; none where a candidate has no confidence, or several models speak."""
    weights = weights_of(view.votes)
    return leading(view, weights, "confidence") if weights else None


def weights_of(votes: Sequence[Candidate]) -> dict[str, float]:
    """Add up what the candidates of each answer weigh, 1 each at most; nothing where they cannot be compared."""
    known = comparable(votes)
    if not known:
        return {}
    usual = fmean(weight(item.confidence or 0.0) for item in known)
    return weighed(votes, lambda item: usual if item.confidence is None else weight(item.confidence))


def comparable(votes: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates with a confidence; none where one has none, but for ratings, which a model may forget."""
    known = [item for item in votes if item.confidence_source]
    sources = {item.confidence_source for item in known}
    if len(sources) != 1 or not sources <= SOURCES or len({item.model for item in votes}) > 1:
        return []
    missing = len(votes) - len(known)
    return known if not missing or (sources == {"self-rated"} and missing <= len(known)) else []


def weight(sure: float, temperature: float = TEMPERATURE) -> float:
    """Return exp(log(sure) / temperature): the softmax without its denominator, which all candidates share."""
    return float(sure ** (1 / temperature))
