"""The vote weighted by how sure the model was of each candidate (CISC, Taubenfeld et al. 2025, arXiv:2502.06233).

The weight is a softmax, within the question, over the log of the confidence: the mean log-probability of the text's
tokens, or what the model rated itself. Confidences of different models are not compared.
"""

from ...state.run import Selection
from ..view import View
from .ballot import elected, leaders, margin

TEMPERATURE = 2.0
"""Of the softmax; on the recorded data the weights are worth most as what breaks ties: colder ones lose votes."""
SOURCES = {"logprob", "self-rated"}


def confidence(view: View) -> Selection | None:
    """Choose by weighted votes; none where a candidate has no confidence, or several models speak."""
    votes = view.votes
    if not votes or len({(item.confidence_source, item.model) for item in votes}) > 1:
        return None
    if votes[0].confidence_source not in SOURCES:
        return None
    weights: dict[str, float] = {}
    for item in votes:
        if item.answer is not None:
            weights[item.answer] = weights.get(item.answer, 0.0) + weight(item.confidence or 0.0)
    best = leaders(weights)
    return elected(view, best[0], "confidence", margin(weights)) if len(best) == 1 else None


def weight(sure: float, temperature: float = TEMPERATURE) -> float:
    """Return exp(log(sure) / temperature): the softmax without its denominator, which all candidates share."""
    return float(sure ** (1 / temperature))
