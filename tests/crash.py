"""Kill a run at random moments, resume it until it ends, and hold it against the same run left alone."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from typing import get_args

from ponder.state import Answer
from tests.forks import Fork, Killed, apart, fork
from tests.oracle import asked
from tests.victim import Done, Fuse, Kind, Left, Surface, Work, examine, work

SEEDS = 3
"""Different runs of each policy; each is done once undisturbed."""
AGAIN = 0.4
"""How often a resumed process is killed too."""


@dataclass(frozen=True)
class Moment:
    """When a process dies."""

    kind: Kind
    share: float
    """Of the way through an undisturbed run, 0 to 1."""

    def strike(self, given: Work, alone: "Alone") -> Fork[Done]:
        """Start a process that dies then, unless it has ended before."""
        if self.kind != "time":
            return fork(partial(work, given, Fuse(self.kind, 1 + int(self.share * alone.done.moments[self.kind]))))
        process = fork(partial(work, given))
        process.kill_after(self.share * alone.seconds)
        return process

    def __str__(self) -> str:
        return f"at {self.kind} {self.share:.3f}"


@dataclass(frozen=True)
class Alone:
    """A run that nobody disturbed."""

    done: Done
    seconds: float


@dataclass
class Trial:
    """One run that was killed and resumed, and what is wrong with it."""

    seed: int
    moments: list[Moment] = field(default_factory=list)
    """When it was killed."""
    ended: list[tuple[int, frozenset[str]]] = field(default_factory=list)
    """At each kill: how many requests had been made, and which replies were journaled."""
    requests: list[str] = field(default_factory=list)
    lost: int = 0
    different: list[str] = field(default_factory=list)
    """How the answer differs from that of the undisturbed run."""
    misspent: list[str] = field(default_factory=list)
    orphans: Counter[str] = field(default_factory=Counter)
    failed: str = ""
    """The error that a process ended with."""

    @property
    def repeated(self) -> int:
        """Requests that were made although their reply was journaled."""
        return sum(
            any(made <= place and request in ended for made, ended in self.ended)
            for place, request in enumerate(self.requests)
        )

    @property
    def complaints(self) -> list[str]:
        """All that is wrong."""
        repeated = [f"{self.repeated} requests repeated"] if self.repeated else []
        orphans = [f"{count} rows of {name}" for name, count in self.orphans.items() if count]
        return [*filter(None, [self.failed]), *repeated, *self.different, *self.misspent, *orphans]

    def __str__(self) -> str:
        killed = ", ".join(map(str, self.moments)) or "never"
        return f"seed {self.seed}, killed {killed}: {'; '.join(self.complaints) or 'well'}"

    def compare(self, answer: Answer, alone: Answer, left: Left) -> None:
        """Write down what is not as it should be."""
        spent = answer.spent
        self.lost, self.orphans = spent.lost, left.orphans
        self.different = [
            f"{name} {ours!r}, not {theirs!r}"
            for (name, ours), theirs in zip(essence(answer).items(), essence(alone).values(), strict=True)
            if ours != theirs
        ]
        rules = {
            "calls": spent.calls == alone.spent.calls == len(set(self.requests)),
            "tokens": (spent.input_tokens, spent.output_tokens)
            == (alone.spent.input_tokens, alone.spent.output_tokens),
            "lost": spent.lost == left.cut,
            "requests": len(self.requests) <= spent.calls + spent.lost,
        }
        self.misspent = [
            f"{rule} wrong: {spent}, {len(self.requests)} requests, {left.cut} cut off"
            for rule, holds in rules.items()
            if not holds
        ]


def essence(answer: Answer) -> dict[str, object]:
    """Return what a crash must not change: all but the cost."""
    return {
        **answer.model_dump(include={"answer", "text", "confidence", "decided_by", "stopped_because", "assessment"}),
        "candidates": [(item.id, item.answer, item.text, item.error) for item in answer.candidates],
        "route": [(visit.id, visit.candidates, visit.iterations, visit.stopped) for visit in answer.route],
        "calls of the route": sum(visit.calls for visit in answer.route) - answer.spent.lost,
    }


@dataclass(frozen=True)
class Killer:
    """Kills runs of one policy on one store."""

    store: str
    url: str
    policy: str
    surface: Surface = "solver"

    def work(self, seed: int, name: str) -> Work:
        return Work(self.store, self.url, self.policy, self.surface, seed, f"{self.policy}-{self.surface}-{name}")

    @cache  # noqa: B019 - it lives as long as its runs are compared
    def alone(self, seed: int) -> Alone:
        """Run undisturbed, once for each seed."""
        clock = time.perf_counter()
        done = apart(partial(work, self.work(seed, f"alone-{seed}")))
        return Alone(done, time.perf_counter() - clock)

    def trials(self, kills: int, seed: int) -> Iterator[Trial]:
        """Give trials until at least so many processes have been killed."""
        made = 0
        while made < kills:
            trial = self.trial(seed)
            yield trial
            made, seed = made + len(trial.moments), seed + 1

    def trial(self, seed: int) -> Trial:
        """Kill one run at moments that follow from the seed, resume it to its end, and compare what came of it."""
        chance = random.Random(seed)  # noqa: S311 - no secret
        solving = chance.randrange(SEEDS)
        alone, given = self.alone(solving), self.work(solving, f"{seed}-{time.time_ns()}")
        trial, before = Trial(seed), len(asked(self.url))
        done = None
        while done is None and not trial.failed:
            done = self.attempt(given, alone, chance, trial, before)
        trial.requests = asked(self.url)[before:]
        if done:
            left = apart(partial(examine, self.store, given.thread, delete=True))
            trial.compare(done.answer, alone.done.answer, left)
            if self.surface in {"parent", "async"}:
                # LangGraph stores a step's writes beside its checkpoint then: the one may be there without the other.
                del trial.orphans["writes"]
        return trial

    def attempt(self, given: Work, alone: Alone, chance: random.Random, trial: Trial, before: int) -> Done | None:
        """Work on a run in a process of its own, and perhaps kill it; None where it did not come to the end."""
        moment = Moment(chance.choice(get_args(Kind)), chance.random())
        spared = chance.random() > AGAIN and bool(trial.moments)
        process = fork(partial(work, given)) if spared else moment.strike(given, alone)
        try:
            return process.result()
        except Killed:
            trial.moments.append(moment)
            left = apart(partial(examine, self.store, given.thread))
            trial.ended.append((len(asked(self.url)) - before, left.ended))
        except RuntimeError as error:
            trial.failed = str(error)
        return None
