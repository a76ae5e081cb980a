"""The command line: what it prints, and with which exit code it ends."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ponder.graphs.cli import leave, stoppable
from ponder.graphs.cli.plain import plain
from ponder.graphs.stores import default_store
from ponder.state import SQLAlchemySaver, StoreError
from ponder.state.term import Term
from tests.fake_server import FakeServer, Said
from tests.graphs.commands import Done, Ponder, command, on

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ponder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ponder:
    return command(monkeypatch, capsys, f"sqlite:///{tmp_path}/ponder.db")


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


def test_piped_the_answer_alone_is_on_standard_output_and_the_way_to_it_on_the_other(
    ponder: Ponder, server: FakeServer
) -> None:
    done = ponder("solve", "What is 1 + 1?", *on(server), "--thread", "t")
    assert (done.code, done.out) == (0, "2\n")
    lines = done.err.splitlines()
    assert lines[:3] == [f"candidate {number} (assess): 2" for number in (1, 2, 3)]
    assert "assessed: low, 3 of 3 probes agree, compute budget 5, direct" in lines
    assert lines[-1].startswith("confidence 0.71 by majority, stopped: confident; 3 calls, 30 + 15 tokens")
    assert lines[-1].endswith("thread t")


def test_a_problem_on_the_thread_of_a_finished_run_says_in_a_line_that_it_takes_its_place(
    ponder: Ponder, server: FakeServer
) -> None:
    asked = ("solve", "What is 1 + 1?", *on(server), "--thread", "t")
    first, second = ponder(*asked), ponder(*asked)
    told = "this thread's finished run, whose answer was 2, gives way to the new problem"
    assert (told in first.err, second.err.splitlines()[0], second.code) == (False, told, 0)
    assert ponder(*asked, "--json").err == ""


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_that_was_started_with_a_closed_stream_runs_to_its_end(
    ponder: Ponder, server: FakeServer, tmp_path: Path, closed: str
) -> None:
    store = f"sqlite:///{tmp_path}/ponder.db"
    words = [str(Path(sys.executable).parent / "ponder"), "solve", "1 + 1?", *on(server), "--thread", "t"]
    environment = os.environ | {"OPENAI_API_KEY": "key", "PONDER_STORE": store}
    done = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", *words], env=environment, check=False, timeout=60)
    assert done.returncode == 0
    assert ponder("resume", "t", "-q").out == "2\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is full")
def test_an_output_that_cannot_be_written_is_one_line_and_the_run_is_kept(
    ponder: Ponder, server: FakeServer, tmp_path: Path
) -> None:
    environment = os.environ | {"OPENAI_API_KEY": "key", "PONDER_STORE": f"sqlite:///{tmp_path}/ponder.db"}
    words = [str(Path(sys.executable).parent / "ponder"), "solve", "1 + 1?", *on(server), "--thread", "t", "-q"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            words, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert done.returncode == 2
    assert done.stderr == "error: the output cannot be written, its disk is full; runs are kept: see `ponder runs`\n"
    assert ponder("resume", "t", "-q").out == "2\n"


def test_a_problem_is_utf_8_whatever_the_locale_and_a_byte_order_mark_is_none_of_it(
    ponder: Ponder, server: FakeServer, tmp_path: Path
) -> None:
    marked = tmp_path / "problem.txt"
    marked.write_bytes(b"\xef\xbb\xbfWas hei\xc3\x9ft das?")
    kept = "Was heißt das?".encode().decode("ascii", "surrogateescape")
    for given in (["--file", str(marked)], [kept], ["\ufeffWas heißt das?"]):
        assert ponder("solve", *given, *on(server), "--thread", "t").code == 0
        assert json.loads(ponder("runs", "export", "t").out)["problem"] == "Was heißt das?"


def test_quiet_prints_the_answer_and_nothing_else(ponder: Ponder, server: FakeServer) -> None:
    assert ponder("solve", "1 + 1?", *on(server), "--quiet") == Done(0, "2\n", "")


def test_verbose_logs_the_run_to_standard_error_and_twice_every_call(
    ponder: Ponder, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    solving = ("solve", "1 + 1?", *on(server), "--thread", "t", "-q")
    once, twice = ponder(*solving, "-v"), ponder(*solving, "--verbose", "--verbose")
    assert (once.out, twice.out) == ("2\n", "2\n")
    assert once.err.splitlines()[0].endswith("INFO ponder.run t: run begins")
    assert ("DEBUG" in once.err, twice.err.count("DEBUG ponder.call t: call")) == (False, 3)
    monkeypatch.setenv("PONDER_LOG", "debug")
    assert ponder("resume", "t", "-q") == Done(0, "2\n", "")
    assert ponder(*solving).err.count("DEBUG ponder.call t: call") == 3
    monkeypatch.setenv("PONDER_LOG", "loud")
    assert ponder(*solving) == Done(2, "", "error: PONDER_LOG='loud' is no level: set it to warning, info, debug\n")
    monkeypatch.delenv("PONDER_LOG")
    assert ponder(*solving).err == ""


def test_a_data_folder_that_cannot_be_made_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("PONDER_STORE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    with pytest.raises(StoreError, match=r"cannot be made .*: set PONDER_STORE to a URL"):
        default_store()


def test_json_is_one_object_with_the_fields_of_an_answer(ponder: Ponder, server: FakeServer) -> None:
    done = ponder("solve", "1 + 1?", *on(server), "--json", "--max-calls", "2")
    answer = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert list(answer) == [
        *("answer", "text", "tool_calls", "confidence", "decided_by", "stopped_because"),
        *("assessment", "route", "candidates", "spent", "accounts", "thread_id"),
    ]
    assert list(answer["spent"]) == [
        *(
            "calls",
            "input_tokens",
            "output_tokens",
            "reasoning_tokens",
            "cached_tokens",
            "usd",
            "seconds",
            "lost",
            "lost_tokens",
            "lost_usd",
            "estimated",
        )
    ]
    assert (answer["answer"], answer["spent"]["calls"]) == ("2", 2)


def test_a_dry_run_tells_the_range_calls_nobody_and_stores_nothing(
    ponder: Ponder, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["solve", "1 + 1?", *on(server), "--policy", "direct", "--max-output", "100", "--dry-run"]
    done = ponder(*asked)
    assert (done.code, done.err) == (0, "")
    assert [line.split() for line in done.out.splitlines()[:5]] == [
        ["at", "least", "at", "most"],
        ["calls", "1", "1"],
        ["in", "direct", "1"],
        ["input", "tokens", "3", "114"],
        ["output", "tokens", "1", "100"],
    ]
    assert "US dollars     unknown: the model has no price; see PONDER_PRICES" in done.out
    assert "The steps could make" not in done.out
    monkeypatch.setenv("PONDER_PRICES", '{"openai:fake": {"input": 1000, "output": 10000}}')
    assert ponder(*asked).out.splitlines()[5].split() == ["US", "dollars", "0.0130", "1.1140"]
    several = ponder("solve", "1 + 1?", *on(server), "--max-calls", "8", "--dry-run").out.splitlines()
    steps = [int(line.split()[-1]) for line in several if line.startswith("  in ")]
    assert f"The steps could make {sum(steps)} calls; the limit on calls ends the run at 8." in several
    told = json.loads(ponder(*asked, "--json").out)
    assert list(told) == ["calls", "input_tokens", "output_tokens", "usd", "branches"]
    assert told["output_tokens"] == {"low": 1, "high": 100}
    assert (server.requests, list(tmp_path.iterdir())) == ([], [])


def test_every_limit_of_the_budget_is_an_option(
    ponder: Ponder, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PONDER_PRICES", '{"openai:fake": {"input": 1000, "output": 10000}}')
    server.script = lambda _, number: Said(f"Answer: {number}")
    asked = ["solve", "1 + 1?", *on(server), "--policy", "fixed", "--max-calls", "50", "--max-output", "64", "--json"]
    spent = json.loads(ponder(*asked, "--max-tokens", "400").out)["spent"]
    assert 200 < spent["input_tokens"] + spent["output_tokens"] <= 400
    spent = json.loads(ponder(*asked, "--max-usd", "2").out)["spent"]
    assert 1 < spent["usd"] <= 2
    assert {request["max_tokens"] for request in server.requests} == {64}
    server.script = lambda *_: server.release.wait(60) and Said()  # type: ignore[return-value]
    spent = json.loads(ponder(*asked, "--max-calls", "2", "--max-seconds", "0.8").out)["spent"]
    assert (spent["calls"], spent["lost"]) == (0, 2)
    assert spent["seconds"] < 5
    server.release.set()


def test_the_problem_comes_from_a_file_or_from_standard_input(
    ponder: Ponder, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "problem.txt").write_text("What is 7 - 5?")
    assert ponder("solve", "--file", str(tmp_path / "problem.txt"), *on(server), "-q").out == "2\n"
    assert "7 - 5" in server.requests[-1]["messages"][-1]["content"]
    with (tmp_path / "problem.txt").open() as standard_input:
        monkeypatch.setattr(sys, "stdin", standard_input)
        assert ponder("solve", "-", *on(server), "-q").out == "2\n"
    (tmp_path / "problem.txt").write_bytes(b"\xff")
    with (tmp_path / "problem.txt").open(encoding="utf-8") as standard_input:
        monkeypatch.setattr(sys, "stdin", standard_input)
        assert ponder("solve", "-", *on(server)).err.startswith("error: standard input cannot be read ('utf-8' codec")


def test_a_verifier_is_named_on_the_command_line(ponder: Ponder, server: FakeServer) -> None:
    server.script = lambda _, number: Said(f"Answer: {number}")
    done = ponder("solve", "1 + 1?", *on(server), "--verify", "regex:[5-9]", "--json")
    assert json.loads(done.out)["decided_by"] == "verified"


def test_several_models_are_a_pool_and_a_resumed_run_asks_them_again(ponder: Ponder, server: FakeServer) -> None:
    server.script = lambda _, number: Said(f"Answer: {number}")
    models = ["--base-url", server.url, "--model", "openai:one", "--model", "openai:two"]
    done = ponder("solve", "1 + 1?", *models, "--policy", "parallel", "--max-calls", "4", "--thread", "pool", "--json")
    assert {item["model"] for item in json.loads(done.out)["candidates"]} == {"openai:one", "openai:two"}
    assert {request["model"] for request in server.requests} == {"one", "two"}
    assert ponder("resume", "pool", "--json").out == done.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([""], "error: the problem is empty: give a text, - for standard input, or --file"),
        ([], "error: the problem is empty"),
        (["1 + 1? \udcff"], "error: the problem cannot be read ('utf-8' codec can't decode byte 0xff in position 7"),
        (["--file", "/no/such.txt"], "error: file '/no/such.txt' cannot be read"),
        (["1 + 1?", "--model", "gpt"], "error: model 'gpt' is unknown: give local, local:PATH.gguf"),
        (
            ["1 + 1?", "--model", "openai:x", "--base-url", "localhost:8000"],
            "error: --base-url='localhost:8000' cannot be used: give one such as http://localhost:8000/v1",
        ),
        (
            ["1 + 1?", "--model", "openai:x", "--base-url", "http://localhost:1/v1?key=secret"],
            "error: --base-url='http://localhost:1/v1' has a query behind it: leave it out; a key is OPENAI_API_KEY",
        ),
        (
            ["1 + 1?", "--model", "openai:x", "--base-url", "http:///v1"],
            "error: --base-url='http:///v1' cannot be used: give one such as http://localhost:8000/v1",
        ),
        (
            ["1 + 1?", "--base-url", "http://me:secret@localhost:1/v1"],
            "='http://***@localhost:1/v1' is not used by model 'local': name one of that server, --model openai:NAME",
        ),
        (["1 + 1?", "--model", "groq:x", "--base-url", "http://localhost:1/v1"], "is not used by model 'groq:x': name"),
        (["1 + 1?", "--thread", ""], "error: --thread='' cannot be used: give a text"),
        (["1 + 1?", "--policy", "magic"], "error: policy 'magic' is unknown: choose one of adaptive"),
        (
            ["1 + 1?", "--store", "postgresql://me:pass@word:1x/db"],
            "error: store 'postgresql:…' is not a database URL: give one such as",
        ),
        (["1 + 1?", "--effort", "huge"], "error: --effort='huge' cannot be used"),
        (
            ["1 + 1?", "--assessor", "fixed:99"],
            "error: --assessor='fixed:99' cannot be used: give probe, ask, logprob, learned:",
        ),
        (["1 + 1?", "--verify", "magic:1"], "error: verifier 'magic:1' cannot be used: give python:TESTS.py"),
        (
            ["1 + 1?", "--verify", "regex:("],
            "error: verifier 'regex:(' cannot be used: '(' is not a regular expression",
        ),
        (
            ["1 + 1?", "--verify", "py:nope:nope"],
            "error: verifier 'py:nope:nope' cannot be used: 'nope:nope' cannot be imported",
        ),
        (
            ["1 + 1?", "--verify", "py:math:gamma"],
            "cannot be used: function 'gamma' cannot be called with a problem and a candidate: ",
        ),
        (["1 + 1?", "--max-calls", "0"], "error: --max-calls=0 cannot be used: give a number above 0"),
        (["1 + 1?", "--max-calls", "-2"], "error: --max-calls=-2 cannot be used"),
        (["1 + 1?", "--max-calls", "many"], "error: Invalid value for '--max-calls': Input should be a valid integer"),
        (["1 + 1?", "--max-tokens", "0"], "error: --max-tokens=0 cannot be used: give a number above 0"),
        (["1 + 1?", "--max-tokens", "9"], "error: --max-tokens=9 is too small for one call on this problem"),
        (["1 + 1?", "--max-tokens", "9", "--dry-run"], "or 0.0000 USD: raise it, or lower --max-output"),
        (["1 + 1?", "--max-usd", "-1"], "error: --max-usd=-1 cannot be used: give a number above 0"),
        (["1 + 1?", "--max-usd", "lots"], "error: Invalid value for '--max-usd': Input should be a valid number"),
        (["1 + 1?", "--max-seconds", "0"], "error: --max-seconds=0 cannot be used: give a number above 0"),
        (["1 + 1?", "--max-output", "0"], "error: Invalid value for '--max-output': Input should be greater than or"),
        (["1 + 1?", "--nope"], "see `ponder solve --help`"),
        (
            ["1 + 1?", "--model", "openai:gpt", "--max-usd", "1", "--dry-run"],
            'model \'openai:gpt\' has no price: set PONDER_PRICES=\'{"openai:gpt": {"input": 0.25, "output": 2.0}}\'',
        ),
        (["1 + 1?", "--store", "sqlite:////no/x.db"], "error: store '/no/x.db': folder '/no' does not exist"),
        (["1 + 1?", "--store", f"sqlite:///{__file__}"], "file is not a database"),
        (["1 + 1?", "--store", "mongo://x"], "error: store of kind 'mongo' is unknown"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(ponder: Ponder, arguments: list[str], says: str) -> None:
    done = ponder("solve", *arguments)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert done.err.count("\n") == 1


def test_a_base_url_beside_the_local_model_of_the_environment_is_refused_by_every_command(
    ponder: Ponder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PONDER_MODEL", "local:/my.gguf")
    told = "--base-url='http://localhost:1/v1' is not used by model 'local:/my.gguf': name one of that server"
    for words in (["solve", "1 + 1?"], ["solve", "1 + 1?", "--dry-run"], ["serve", "--port", "0"]):
        done = ponder(*words, "--base-url", "http://localhost:1/v1")
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert done.err.startswith(f"error: {told}")


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("openai:gpt", "model 'openai:gpt' needs a key: set OPENAI_API_KEY, or --base-url for another server"),
        ("local:/no/such.gguf", "model file '/no/such.gguf' does not exist: give --model local:PATH.gguf"),
        ("nobody:gpt", "model 'nobody:gpt' is unknown"),
    ],
)
def test_a_model_that_is_not_set_up_is_refused_before_anything_is_stored(
    ponder: Ponder, monkeypatch: pytest.MonkeyPatch, model: str, says: str
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    done = ponder("solve", "1 + 1?", "--model", model)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert says in done.err
    assert ponder("runs", "list", "--json").out == "[]\n"
    assert ponder("serve", "--model", model, "--port", "0") == done


def test_a_verifier_that_is_away_is_told_in_a_line_and_in_the_report(
    ponder: Ponder, server: FakeServer, tmp_path: Path
) -> None:
    reward = "reward:http://127.0.0.1:1/score"
    done = ponder("solve", "1 + 1?", *on(server), "--policy", "direct", "--verify", reward, "--thread", "t")
    told = (
        "1 of 1 candidates got no verdict: reward:127.0.0.1:1 cannot be reached (ClientConnectorError): "
        "check that the server runs, and its URL"
    )
    assert (done.code, done.out, done.err.splitlines()[-1]) == (0, "2\n", f"warning: {told}")
    ponder("report", "t", "-o", str(tmp_path / "run.html"))
    assert told in (tmp_path / "run.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--store", "bogus"], "store 'bogus' is not a database URL: give one such as sqlite:///bogus"),
        (["--key-tokens", "5"], "--key-tokens=5 is too small for one call"),
        (["--key-usd", "5"], "--key-usd=5 cannot be kept: model 'openai:fake' has no price"),
    ],
)
def test_what_an_endpoint_cannot_be_served_with_is_one_line_and_exit_code_2(
    ponder: Ponder, server: FakeServer, arguments: list[str], says: str
) -> None:
    done = ponder("serve", *on(server), "--port", "0", *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith(f"error: {says}")


def test_a_port_that_is_taken_is_said_so_in_the_last_line_with_exit_code_2(server: FakeServer) -> None:
    port = str(server.http.server_address[1])
    words = [str(Path(sys.executable).parent / "ponder"), "serve", *on(server), "--port", port]
    environment = os.environ | {"OPENAI_API_KEY": "key"}
    done = subprocess.run(words, env=environment, check=False, timeout=60, capture_output=True, text=True)
    told = f"error: nothing can listen at '127.0.0.1', port {port}: give another --host or --port"
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, told)


def test_an_answer_that_the_verifier_did_not_pass_is_exit_code_7_and_says_so(
    ponder: Ponder, server: FakeServer
) -> None:
    asked = ("solve", "1 + 1?", *on(server), "--verify", "regex:3", "--max-calls", "2", "--thread", "t")
    done = ponder(*asked)
    assert (done.code, done.out) == (7, "2\n")
    warned = done.err.splitlines()[-1]
    assert "): 2 ✗ '2' does not match '3'\n" in done.err
    told = "no candidate of 2 passed the verifier ('2' does not match '3')"
    assert warned == f"warning: {told}; this is the best of them"
    told = ponder("resume", "t", "--json")
    assert (told.code, json.loads(told.out)["answer"], told.err) == (7, "2", "")


def test_of_answers_that_nothing_told_apart_none_is_called_the_best(ponder: Ponder, server: FakeServer) -> None:
    server.script = lambda _, number: Said(f"Answer: {number}" if number < 2 else "I cannot say")
    done = ponder("solve", "1 + 1?", *on(server), "--verify", "regex:x", "--policy", "fixed", "--max-calls", "2")
    assert (done.code, "confidence 0.00 by first" in done.err) == (7, True)
    assert done.err.endswith("; nothing tells them apart, and this came first\n")


def test_a_candidate_without_an_answer_is_told_with_what_the_verifier_says_behind_a_colon(
    ponder: Ponder, server: FakeServer
) -> None:
    server.script = lambda *_: Said("I cannot say", finish="length")
    asked = ("solve", "1 + 1?", *on(server), "--verify", "regex:3", "--policy", "fixed", "--max-calls", "1")
    assert "): cut off: '' does not match '3'\n" in ponder(*asked).err


def test_a_thread_that_does_not_exist_is_a_usage_error(ponder: Ponder, tmp_path: Path) -> None:
    SQLAlchemySaver(f"sqlite:///{tmp_path}/ponder.db").close()
    for words in (["resume"], ["runs", "show"], ["runs", "export"], ["runs", "delete"]):
        done = ponder(*words, "nope")
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert "'nope' does not exist in this store: see `ponder runs list`" in done.err


def test_no_answer_is_exit_code_3(ponder: Ponder, server: FakeServer) -> None:
    server.script = lambda *_: Said("I cannot say")
    done = ponder("solve", "What is 1 + 1?", *on(server), "--max-calls", "3")
    assert (done.code, done.out) == (3, "")
    assert done.err.splitlines()[-1].startswith("error: no answer in 3 calls (max_calls): raise it with ponder resume ")
    assert done.err.splitlines()[-1].endswith(" --max-calls NUMBER")
    alone = ponder("solve", "What is 1 + 1?", *on(server), "--max-calls", "1")
    assert alone.err.splitlines()[-1].startswith("error: no answer in 1 call (max_calls): ")
    server.script = lambda *_: Said("I cannot say", finish="length")
    cut = ponder("solve", "What is 1 + 1?", *on(server), "--max-calls", "3")
    assert cut.err.splitlines()[-1].endswith("(max_calls): 3 of 3 replies were cut off: raise --max-output")


def test_where_all_calls_fail_the_error_says_why_and_a_resumed_run_makes_new_attempts(
    ponder: Ponder, server: FakeServer
) -> None:
    server.script = lambda *_: Said(status=400, body={"error": {"message": "bad"}})
    asked = ("solve", "What is 1 + 1?", *on(server), "-q", "--thread", "t")
    ended = ponder(*asked, "--max-calls", "3")
    why = "HTTP 400: bad: check --model and the settings that are sent"
    said = f"error: no call brought a candidate: {why} (max_calls)"
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.splitlines()[-1].startswith(f"{said}: raise it with ponder resume t ")
    assert ponder("resume", "t", "-q").err.splitlines()[-1].startswith(said)
    stopped = ponder(*asked)
    assert (stopped.code, stopped.out) == (4, "")
    assert "error: no call was answered: HTTP 400: bad: check --model" in stopped.err
    assert "resume with: ponder resume t" in stopped.err
    server.script = lambda *_: Said()
    resumed = ponder("resume", "t")
    assert (resumed.code, resumed.out) == (0, "2\n")


@pytest.mark.parametrize(
    ("assessor", "told"),
    [
        ("probe", "very high, {}, compute budget 60"),
        ("logprob", "very high, {}, compute budget 60"),
        ("ask", "medium, {}, compute budget 20"),
    ],
)
def test_an_assessor_that_was_left_no_time_says_so(
    ponder: Ponder, server: FakeServer, assessor: str, told: str
) -> None:
    done = ponder("solve", "1 + 1?", *on(server), "--assessor", assessor, "--max-seconds", "1e-9")
    assert f"assessed: {told.format('no time was left to ask')}, parallel\n" in done.err


def test_a_refused_key_is_exit_code_4_with_the_way_to_go_on(ponder: Ponder, server: FakeServer) -> None:
    server.script = lambda *_: Said(status=401, body={})
    done = ponder("solve", "1 + 1?", *on(server), "--thread", "t")
    assert done.code == 4
    assert done.err.splitlines()[-2:] == [
        "resume with: ponder resume t",
        "error: model 'openai:fake' refused the key (401): set OPENAI_API_KEY to a valid one",
    ]
    server.script = lambda *_: Said()
    assert ponder("resume", "t", "-q") == Done(0, "2\n", "")


@pytest.mark.parametrize(
    "words",
    [
        *(["resume", "t"], ["resume", "t", "-q"], ["resume"], ["report", "t"], ["runs", "list"], ["runs", "show", "t"]),
        *(["runs", "export", "t"], ["runs", "delete", "t"], ["runs", "prune", "--keep", "0s"]),
    ],
)
def test_a_command_that_reads_makes_no_store_but_says_that_there_is_none(
    ponder: Ponder, tmp_path: Path, words: list[str]
) -> None:
    url = f"sqlite:///{tmp_path}/nope.db"
    done = ponder(*words, "--store", url)
    assert done == Done(2, "", f"error: store '{url}' does not exist: check its name; `ponder solve` makes one\n")
    of_the_environment = ponder(*words)
    assert of_the_environment.code == (2 if "t" in words else 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("max-calls", "0"), ("max-tokens", "5"), ("max-usd", "5"), ("max-seconds", "5"), ("choose", "1")),
        *(("model", "local"), ("base-url", "http://localhost:1/v1")),
    ],
)
def test_an_option_for_one_run_is_refused_where_none_is_named(ponder: Ponder, option: str, value: str) -> None:
    told = f"error: --{option} is for one run: name it, as `ponder resume THREAD --{option} …`\n"
    assert ponder("resume", f"--{option}", value) == Done(2, "", told)


def test_a_wrong_option_points_to_the_help_of_its_own_command(ponder: Ponder) -> None:
    for words, right in (
        (["solve", "1 + 1?", "--model"], "ponder solve"),
        (["runs", "list", "--limit"], "ponder runs list"),
        (["runs", "lst"], "ponder runs"),
        (["slove"], "ponder"),
    ):
        done = ponder(*words)
        assert (done.code, done.err.endswith(f": see `{right} --help`\n")) == (2, True)


def test_a_server_that_is_down_is_exit_code_4(ponder: Ponder) -> None:
    with FakeServer() as gone:
        url = gone.url
    done = ponder("solve", "1 + 1?", "--model", "openai:fake", "--base-url", url, "--policy", "direct")
    assert done.code == 4
    assert "cannot be reached" in done.err.splitlines()[-1]
    lines = [line for line in done.err.splitlines() if line.startswith("candidate ")]
    assert len(lines) == len(set(lines)) == 1


def test_a_thread_that_somebody_works_on_is_exit_code_5(ponder: Ponder, server: FakeServer, tmp_path: Path) -> None:
    server.script = lambda *_: Said(status=401, body={})
    ponder("solve", "1 + 1?", *on(server), "--thread", "t")
    with SQLAlchemySaver.from_conn_string(f"sqlite:///{tmp_path}/ponder.db") as saver:
        Term(saver, "t", "elsewhere:1::x", seconds=30).take()
    done = ponder("resume", "t")
    assert (done.code, done.err.count("\n")) == (5, 1)
    assert "error: thread 't' is worked on by process 1 on 'elsewhere' until" in done.err


def test_a_password_is_not_repeated(ponder: Ponder, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://me:hunter2@127.0.0.1:1/none"
    done = ponder("solve", "1 + 1?", "--store", url)
    assert done.code == 2
    assert "hunter2" not in done.out + done.err
    monkeypatch.setenv("OPENAI_BASE_URL", "http://me:hunter2@127.0.0.1:1/v1")
    done = ponder("doctor", "--model", "openai:x", "--store", url)
    assert (done.code, "hunter2" in done.out + done.err) == (1, False)


def test_certificates_that_are_not_there_are_one_line_and_only_where_they_are_asked_for(
    ponder: Ponder, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such.pem")
    https = ("--model", "openai:x", "--base-url", "https://127.0.0.1:1/v1")
    says = "SSL_CERT_FILE names '/no/such.pem', which cannot be read (No such file or directory): set it to"
    done = ponder("solve", "1 + 1?", *https)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert says in done.err
    assert says in ponder("doctor", *https).out
    assert ponder("solve", "1 + 1?", *on(server)).code == 0
    assert ponder("doctor", *on(server)).code == 0


def test_doctor_says_what_works_and_what_does_not(ponder: Ponder, server: FakeServer) -> None:
    done = ponder("doctor", *on(server))
    assert [line.split()[:2] for line in done.out.splitlines()] == [
        ["ok", "installed"],
        ["ok", "settings"],
        ["ok", "model"],
        ["ok", "store"],
        ["ok", "sandbox"],
    ]
    assert "key" not in done.out.replace("OPENAI_API_KEY", "")
    server.script = lambda *_: Said(status=404, body={})
    done = ponder("doctor", *on(server), "--store", "sqlite:////no/x.db", "--json")
    assert (done.code, [check["ok"] for check in json.loads(done.out)]) == (1, [True, True, False, False, True])


def test_help_says_what_the_exit_codes_mean(ponder: Ponder) -> None:
    done = ponder("--help")
    assert (done.code, "3 no answer within the budget" in " ".join(done.out.split())) == (0, True)
    runs = [["runs", name] for name in ("list", "show", "export", "prune", "delete")]
    for words in (["solve"], ["resume"], ["runs"], ["doctor"], *runs):
        done = ponder(*words, "--help")
        assert (done.code, max(map(len, done.out.splitlines())) <= 80) == (0, True)


def test_help_names_every_variable_that_is_read(ponder: Ponder) -> None:
    sources = [
        path.read_text() for path in ROOT.rglob("*.py") if path.parts[len(ROOT.parts)] in {"state", "nodes", "graphs"}
    ]
    read = {name for text in sources for name in re.findall(r'"((?:PONDER|OPENAI)_[A-Z_]+)"', text)}
    assert len(read) >= 8
    assert read <= set(re.findall(r"[A-Z_]+", ponder("--help").out))


def test_a_hostile_text_becomes_one_short_line_without_control_characters() -> None:
    assert plain("\x1b[31mred\x07\n\nnext\u202eevil") == "[31mred next evil"
    assert plain("x" * 10_000, 20) == "x" * 19 + "…"
    assert plain("the answer is fortytwo", 20) == "the answer is…"
    assert plain("the answer is forty twos", 20) == "the answer is forty…"


CUT_OFF = "what was paid is saved, what was in flight counts as lost"
CTRL_C = """
import os, signal, sys, threading
from ponder.graphs.cli import main

def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)

{when}
sys.argv = ["ponder", *sys.argv[1:]]
main()
"""
AS_IT_IMPORTS = """
class Finder:
    def find_spec(self, name, *_):
        if name == {module!r}:
            ctrl_c()

sys.meta_path.insert(0, Finder())
"""
AS_IT_CALLS_BACK = """
import weakref

class Gone:
    pass

class Finder:
    def find_spec(self, name, *_):
        if name == {module!r}:
            gone = Gone()
            self.watched = weakref.ref(gone, lambda _: ctrl_c())  # out of which Python lets no exception

sys.meta_path.insert(0, Finder())
"""
AS_IT_STOPS = """
from ponder.state.store import Store
close = Store.close

def interrupted(self):
    ctrl_c()
    close(self)
    ctrl_c()

Store.close = interrupted
"""
AS_IT_EXITS = """
def last():
    threading.main_thread().join()
    while True:  # one that comes as it begins to wait is seen only with the next
        ctrl_c()
        threading.Event().wait(0.1)

threading.Thread(target=last).start()
"""


def stopped(when: str, *words: str, lines: int = 0) -> Done:
    """Run a command that is interrupted, at the latest when it has printed so many lines on standard error."""
    environment = os.environ | {"OPENAI_API_KEY": "key"}
    command = [sys.executable, "-c", CTRL_C.format(when=when), *words]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            if lines and process.stderr:
                for _ in range(lines):
                    process.stderr.readline()
                process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=50)
        except BaseException:
            process.kill()
            raise
    return Done(process.returncode, out, err)


@pytest.mark.parametrize("module", ["typer", "langgraph.graph", "ponder.nodes.models.openai"])
def test_ctrl_c_while_it_imports_is_exit_code_130_and_no_traceback(
    server: FakeServer, tmp_path: Path, module: str
) -> None:
    asked = ("solve", "1 + 1?", *on(server), "--store", f"sqlite:///{tmp_path}/ponder.db")
    done = stopped(AS_IT_IMPORTS.format(module=module), *asked)
    assert (done.code, done.out, done.err in {"", "interrupted: nothing of the run is stored\n"}) == (130, "", True)
    assert server.requests == []


@pytest.mark.parametrize("module", ["langgraph.graph", "rich.live"])
def test_ctrl_c_while_it_imports_and_python_would_drop_an_exception_ends_it_all_the_same(
    server: FakeServer, tmp_path: Path, module: str
) -> None:
    asked = ("solve", "1 + 1?", *on(server), "--store", f"sqlite:///{tmp_path}/ponder.db")
    assert stopped(AS_IT_CALLS_BACK.format(module=module), *asked) == Done(130, "", "")
    assert server.requests == []


def test_ctrl_c_again_while_it_saves_and_while_it_exits_is_exit_code_130_and_loses_nothing(
    ponder: Ponder, server: FakeServer, tmp_path: Path
) -> None:
    server.script = lambda _, number: (number < 2 or server.release.wait(60)) and Said()  # type: ignore[return-value]
    store = f"sqlite:///{tmp_path}/ponder.db"
    done = stopped(
        AS_IT_STOPS + AS_IT_EXITS,
        *("solve", "1 + 1?", *on(server), "--store", store, "--thread", "t"),
        lines=2,  # two candidates
    )
    assert done == Done(130, "", f"interrupted: {CUT_OFF}\nresume with: ponder resume t --store {store}\n")
    assert json.loads(ponder("runs", "export", "t", "--store", store).out)["spent"]["calls"] == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_later_signal_ends_a_command_that_does_not_come_to_an_end(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    left: list[int] = []
    expected: list[int] = []

    @stoppable(number)
    def command() -> None:
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), number)
            assert left == expected

    monkeypatch.setattr(os, "_exit", left.append)
    before = signal.signal(number, leave)
    try:
        for seconds, expected in ((3600.0, []), (-1.0, [128 + number])):  # noqa: B007 - `command` reads it
            monkeypatch.setattr("ponder.graphs.cli.PEACE_SECONDS", seconds)
            with pytest.raises(SystemExit) as ended:
                command()
            assert ended.value.code == 128 + number
            assert signal.getsignal(number) is leave
    finally:
        signal.signal(number, before)


def test_a_command_hears_no_signal_that_it_was_started_to_ignore() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable(signal.SIGHUP):
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_and_who_else_stops_a_command_saves_prints_the_resume_command_and_ends_with_a_code_of_its_own(
    server: FakeServer, tmp_path: Path, number: signal.Signals
) -> None:
    server.script = lambda _, number: (number < 2 or server.release.wait(60)) and Said()  # type: ignore[return-value]
    store = f"sqlite:///{tmp_path}/ponder.db"
    command = [str(Path(sys.executable).parent / "ponder"), "solve", "1 + 1?", *on(server), "--store", store]
    environment = os.environ | {"OPENAI_API_KEY": "key"}
    with subprocess.Popen(
        [*command, "--thread", "t"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            server.wait_for(lambda it: it.answered == 2 and len(it.requests) == 3)
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
        except BaseException:
            process.kill()
            raise
    assert (process.returncode, out) == (128 + number, "")
    assert err.splitlines()[-2:] == [
        f"interrupted: {CUT_OFF}",
        f"resume with: ponder resume t --store {store}",
    ]
    server.release.set()
    done = subprocess.run(
        [command[0], "resume", "t", "--store", store, "--quiet"],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
    )
    assert done.stdout == "2\n"


def test_ctrl_c_with_every_call_in_flight_says_that_to_go_on_takes_more_calls(
    server: FakeServer, tmp_path: Path
) -> None:
    server.script = lambda *_: server.release.wait(60) and Said()  # type: ignore[return-value]
    asked = ("solve", "1 + 1?", *on(server), "--store", f"sqlite:///{tmp_path}/ponder.db", "--policy", "fixed")
    command = [str(Path(sys.executable).parent / "ponder"), *asked, "--max-calls", "3", "--thread", "t"]
    environment = os.environ | {"OPENAI_API_KEY": "key"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            server.wait_for(lambda it: len(it.requests) == 3)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=50)[1].splitlines()
        except BaseException:
            process.kill()
            raise
    assert f"interrupted: {CUT_OFF}; where no call is left, go on with more --max-calls" in said


def test_ctrl_c_at_an_endpoint_ends_it_with_130_and_no_error(server: FakeServer) -> None:
    command = [str(Path(sys.executable).parent / "ponder"), "serve", *on(server), "--port", "0"]
    environment = os.environ | {"OPENAI_API_KEY": "key"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            assert any("Uvicorn running" in line for line in process.stderr)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=50)[1]
        except BaseException:
            process.kill()
            raise
    assert (process.returncode, "error" in said.lower()) == (130, False)
