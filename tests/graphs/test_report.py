"""`ponder report`: a run as one page or one picture, whatever the model wrote."""

import re
import sys
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.graphs import solve
from ponder.graphs.cli.stored import Stored
from ponder.graphs.report import page, picture
from ponder.graphs.report.diff import changes
from ponder.graphs.report.png import daylight
from ponder.graphs.report.timeline import Clock, lanes
from ponder.graphs.report.told import Told
from ponder.nodes.view import View
from ponder.state import SQLAlchemySaver
from ponder.state.budget import Call
from ponder.state.run import Candidate, Problem, Verdict
from ponder.state.settings import Settings
from ponder.state.threads import Thread
from tests.fakes import ScriptedModel, cycle, kind_of
from tests.graphs.commands import Ponder, command
from tests.graphs.stored_runs import interrupt, leave_foreign

HOSTILE = (
    "</pre></title></style></svg>]]>--><script>alert(1)</script><img src=x onerror=alert(1)>"
    "<a href='javascript:alert(1)' style='position:fixed'>\u202egnp.exe\u2066\x00\x1b[2J\ud800\ufffe שלום &lt;b&gt; "
)
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "header", "section", "div", "h1", "h2", "h3", "p"),
    *("dl", "dt", "dd", "ol", "li", "span", "b", "i", "a", "details", "summary", "pre", "ins", "del"),
    *("table", "tr", "th", "td", "svg", "g", "rect", "text", "tspan", "path", "line"),
}


class Markup(HTMLParser):
    """What a browser would make of a page: its tags with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def saver(tmp_path: Path) -> Iterator[SQLAlchemySaver]:
    with SQLAlchemySaver.from_conn_string(f"sqlite:///{tmp_path}/runs.db") as opened:
        yield opened


@pytest.fixture
def ponder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ponder:
    return command(monkeypatch, capsys, f"sqlite:///{tmp_path}/runs.db")


def made(texts: list[str], *, answers: int = 9, pause: float = 0.0) -> Told:
    """Make a run of candidates with these texts, three at once, without playing it."""
    candidates, calls = [], []
    for number, text in enumerate(texts):
        place = f"0-parallel-{number // 1000:03d}-{number % 1000:03d}"
        at = 1000.0 + number // 3 + (pause if number >= len(texts) / 2 else 0)
        calls.append(Call(id=place, kind="sample", branch="parallel", state="done", started=at, seconds=0.9))
        said = f"{number % answers}{text}"
        verdict = Verdict(score=0.5, feedback=text)
        candidates.append(
            Candidate(id=place, text=text, raw=said, answer=said, branch="parallel", model=text, verdict=verdict)
        )
    thread = Thread(HOSTILE, "unfinished", datetime.now(UTC), 3, None)
    state = {"problem": Problem(text=HOSTILE), "settings": Settings(), "candidates": candidates, "calls": calls}
    return Told(Stored(thread, View("", state)))  # type: ignore[arg-type]


def test_a_page_tells_question_answer_vote_lanes_candidates_and_the_decision(
    ponder: Ponder, saver: SQLAlchemySaver, tmp_path: Path
) -> None:
    model = ScriptedModel(cycle("42", "32", "42", "42"), name="the-model")
    solve("What is 15 + 27?", model=model, store=saver, thread_id="t", policy="parallel", budget={"max_calls": 8})
    assert ponder("report", "t", "-o", str(tmp_path / "run.html")).out == ""
    told = Markup((tmp_path / "run.html").read_text(encoding="utf-8"))
    for part in (
        *("What is 15 + 27?", "thread t", "the-model", "parallel", "step by step"),
        *("“42” was chosen, because most candidates gave it", "“32”", "Answer: 42"),
    ):
        assert part in told.text
    bars = [about for tag, about in told.tags if tag == "a"]
    ids = {about.get("id") for _, about in told.tags}
    assert len(bars) >= 4
    assert all((about["href"] or "").removeprefix("#") in ids for about in bars)
    assert sum("won" in (about.get("class") or "").split() for _, about in told.tags) == 1


def test_a_revision_is_shown_as_what_it_changed(ponder: Ponder, saver: SQLAlchemySaver) -> None:
    def script(prompt: str, number: int) -> str:
        texts = {"critique": "The sum is wrong.\nScore: 3", "improve": "We add both numbers. Answer: 42"}
        return texts.get(kind_of(prompt), "We add both numbers. Answer: 41")

    solve("15 + 27?", model=ScriptedModel(script), store=saver, thread_id="t", policy="refine", budget={"max_calls": 4})
    text = ponder("report", "t").out
    assert "<del>41</del><ins>42</ins>" in text
    assert "The sum is wrong." in text


def test_nothing_in_a_page_can_be_fetched_or_run_and_only_its_own_style_is_let_in() -> None:
    text = page(made([HOSTILE] * 5))
    told = Markup(text)
    assert {tag for tag, _ in told.tags} <= TAGS
    names = {name for _, about in told.tags for name in about}
    assert not {name for name in names if name.startswith("on")} | names & {
        "src",
        "style",
        "srcset",
        "action",
        "xlink:href",
    }
    assert all((about.get("href") or "#").startswith("#") for _, about in told.tags)
    (style,) = re.findall("<style>(.*?)</style>", text, re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = [about["content"] for _, about in told.tags if about.get("http-equiv") == "Content-Security-Policy"]
    hashed = b64encode(sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{hashed}'; base-uri 'none'; form-action 'none'"


@pytest.mark.parametrize("told", [made([HOSTILE] * 5), made([HOSTILE * 5000] * 5)], ids=["short", "long"])
def test_what_a_model_wrote_is_seen_and_does_nothing(told: Told) -> None:
    text, drawn = page(told), picture(told)
    assert "<script>alert(1)</script>" in Markup(text).text
    assert "⟨U+202E⟩gnp.exe⟨U+2066⟩⟨U+0000⟩⟨U+001B⟩[2J⟨U+D800⟩⟨U+FFFE⟩ שלום &lt;b&gt;" in Markup(text).text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe]", text + drawn)
    assert {element.tag.partition("}")[2] for element in ET.fromstring(drawn).iter()} <= TAGS  # noqa: S314 - our own
    assert len(text) < 500_000
    assert len(drawn) < 20_000


def test_500_candidates_make_a_small_page_and_a_picture_with_every_call() -> None:
    told = made(["A text of some length. " * 100] * 500)
    assert len(page(told)) < 1_500_000
    bars = [element for element in ET.fromstring(picture(told)).iter() if element.tag.endswith("}g")]  # noqa: S314
    assert len(bars) == 500


def test_a_picture_is_an_image_of_its_own_by_day_and_by_night(ponder: Ponder, saver: SQLAlchemySaver) -> None:
    solve("1 + 1?", model=ScriptedModel(cycle("2")), store=saver, thread_id="t", policy="parallel")
    drawn = ponder("report", "t", "--svg").out
    assert ET.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own
    for part in ("1 + 1?", "answer: 2", "tokens", "prefers-color-scheme: dark"):
        assert part in drawn


def test_a_picture_is_drawn_as_png_or_it_is_said_what_to_install(
    ponder: Ponder, saver: SQLAlchemySaver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    solve("1 + 1?", model=ScriptedModel(cycle("2")), store=saver, thread_id="t", policy="parallel")
    assert ponder("report", "t", "--png", str(tmp_path / "run.png")).out == ""
    drawn = (tmp_path / "run.png").read_bytes()
    assert (drawn[:8], int.from_bytes(drawn[16:20])) == (b"\x89PNG\r\n\x1a\n", 2000)
    assert len(drawn) > 10_000  # an empty sheet has some hundred bytes
    assert "var(" not in daylight(ponder("report", "t", "--svg").out)
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    refused = ponder("report", "t", "--png", str(tmp_path / "other.png"))
    assert (refused.code, "install ponder[png]" in refused.err) == (2, True)


def test_a_run_that_has_not_ended_is_told_as_far_as_it_is(ponder: Ponder, saver: SQLAlchemySaver) -> None:
    interrupt(saver, "t")
    told = Markup(ponder("report", "t").out).text
    assert "The run has not ended" in told
    assert "unfinished" in told
    assert "was chosen" not in told


def test_a_run_without_a_call_has_a_page() -> None:
    assert "No call has begun" in page(made([]))


def test_what_cannot_be_reported_or_written_is_said_in_a_line(
    ponder: Ponder, saver: SQLAlchemySaver, tmp_path: Path
) -> None:
    leave_foreign(saver, "f")
    interrupt(saver, "t")
    for arguments, said in (
        (["f"], "error: thread 'f' was written by another graph"),
        (["none"], "error: thread 'none' does not exist"),
        (["t", "-o", f"{tmp_path}/run.pdf"], f"error: file '{tmp_path}/run.pdf' would hold a page: call it *.html"),
        (["t", "-o", str(tmp_path)], f"error: file '{tmp_path}' cannot be written"),
    ):
        done = ponder("report", *arguments)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert done.err.startswith(said)


def test_a_pause_between_a_crash_and_a_resume_takes_little_room() -> None:
    told = made(["text"] * 60, pause=86_400)
    assert Clock(told.calls).whole < 25
    assert "nothing was asked for 24.0 h" in picture(told)


SPANS = st.lists(st.tuples(st.floats(1, 1000), st.floats(0, 50)), min_size=1, max_size=30)


@given(SPANS)
def test_calls_in_a_row_never_overlap_and_time_never_runs_back(spans: list[tuple[float, float]]) -> None:
    calls = [
        Call(id=f"0-parallel-000-{number:03d}", kind="sample", branch="parallel", started=start, seconds=seconds)
        for number, (start, seconds) in enumerate(spans)
    ]
    (lane,) = lanes(calls)
    assert sorted(call.id for row in lane.rows for call in row) == [call.id for call in calls]
    for row in lane.rows:
        assert all(one.started + one.seconds <= other.started for one, other in pairwise(row))
    clock = Clock(calls)
    times = sorted(time for start, seconds in spans for time in (start, start + seconds))
    places = [clock.at(time) for time in times]
    assert all(one <= other + 1e-6 for one, other in pairwise(places))
    assert places[0] == pytest.approx(0)
    assert places[-1] == pytest.approx(clock.whole, abs=2e-3)


@settings(max_examples=30)
@given(st.text(max_size=200), st.text(max_size=200))
def test_what_a_diff_keeps_and_adds_is_the_new_text(before: str, after: str) -> None:
    kept = Markup(re.sub("<del>.*?</del>", "", "".join(changes(before, after)), flags=re.DOTALL)).text
    assert kept == Markup("".join(changes("", after))).text
