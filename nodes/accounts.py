"""Who brought what: the candidates, votes, tokens and dollars of each prompting strategy and of each model."""

from collections.abc import Sequence
from math import fsum

from ..state.run import Account, By, Candidate
from .view import View


def accounts(view: View, chosen: Candidate | None) -> list[Account]:
    """Return an account for each strategy and each model that made a candidate."""
    candidates = view.candidates
    found = []
    for strategy in dict.fromkeys(item.strategy for item in candidates):
        some = [item for item in candidates if item.strategy == strategy]
        found.append(account(view, chosen, some, "strategy", strategy))
    for model in dict.fromkeys(item.model for item in candidates):
        some = [item for item in candidates if item.model == model]
        found.append(account(view, chosen, some, "model", model))
    return found


def account(view: View, chosen: Candidate | None, some: Sequence[Candidate], by: By, name: str) -> Account:
    """Add up some candidates; of a call that was tried again, what every attempt has cost."""
    ids = {item.id for item in some}
    calls = [call for call in view.calls if call.candidate_id in ids and call.settled]
    prices = [call.usd for call in calls]
    return Account(
        by=by,
        name=name,
        candidates=len(some),
        answers=sum(item.answer is not None for item in some),
        votes=sum(chosen is not None and item.answer == chosen.answer for item in some),
        passed=sum(item.verdict is not None and item.verdict.passed is True for item in some),
        tokens=sum(call.usage.input_tokens + call.usage.output_tokens for call in calls),
        usd=fsum(price for price in prices if price is not None) if prices and None not in prices else None,
    )
