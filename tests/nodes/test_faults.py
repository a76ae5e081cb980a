"""The adapters against a server that fails and lies: what can be read is read, the rest is a failed call."""

import asyncio
import socket
import ssl
import time
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage

from ponder.nodes.backoff import FIRST, LONGEST, backoff
from ponder.nodes.models.chat import LangChainModel
from ponder.nodes.models.openai import openai_model
from ponder.nodes.ports import CallFailed, Reply, Request
from ponder.state import ModelUnreachable
from ponder.state.budget import Usage
from tests.fake_server import FakeServer, Said
from tests.fault_server import Behaviour, FaultServer, Served
from tests.lies import HONEST, LIES

ASKED = Request(temperature=0.7, max_tokens=64, seed=3)
PROMPT = "What is 20 + 3?"


async def ask(url: str, prompt: str = PROMPT) -> Reply:
    return await openai_model("fault", url, "key").generate([HumanMessage(prompt)], ASKED)


async def outcome(behaviour: Behaviour) -> tuple[Reply | CallFailed, Served]:
    """Ask once; return what came of it, and what the server says of it."""
    with FaultServer(behaviour) as server:
        try:
            return await ask(server.url), server.log[0]
        except CallFailed as failure:
            return failure, server.log[0]


def lying(*lies: str) -> Behaviour:
    return Behaviour(right=1, lies=1, lying=lies)


def failing(*failures: str, **settings: Any) -> Behaviour:
    return Behaviour(rate=1, failures=failures, **settings)


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_is_read_or_a_failure_to_be_tried_again_and_what_was_paid_is_known_to_the_token(lie: str) -> None:
    found, served = await outcome(lying(lie))
    usage = found.usage
    if lie in HONEST:
        assert usage == Usage(input_tokens=served.input_tokens, output_tokens=served.output_tokens)
    else:
        assert usage is None or usage.estimated
    if isinstance(found, CallFailed):
        assert found.retry_after == 0.0
        assert found.sent
        assert "'openai:fault'" in str(found) or found.status == 429


SUM = "20 and 3 are together \\boxed{23}.\nAnswer: 23"


@pytest.mark.parametrize(
    ("lie", "text", "finish"),
    [
        ("no usage", SUM, "stop"),
        ("absurd usage", SUM, "stop"),
        ("parts", SUM, "stop"),
        ("no role", SUM, "stop"),
        ("no finish", SUM, "stop"),
        ("odd finish", SUM, "other"),
        ("a number as finish", SUM, "other"),
        ("more choices", SUM, "stop"),
        ("odd logprobs", SUM, "stop"),
        ("reasoning only", SUM, "stop"),
        ("no text", "", "stop"),
        ("tool calls", "", "stop"),
        ("calls with reasoning", "", "stop"),
        ("a delta", SUM, "stop"),
        ("odd tool calls", "", "stop"),
        ("refusal", "I will not add.", "error"),
    ],
)
async def test_what_can_be_read_is_read(lie: str, text: str, finish: str) -> None:
    found, _ = await outcome(lying(lie))
    assert isinstance(found, Reply)
    assert (found.text, found.finish, found.mean_logprob) == (text, finish, None)


@pytest.mark.parametrize(
    ("lie", "says"),
    [
        ("a number as text", "a message whose content is 7"),
        ("no choices", "a completion without choices"),
        ("null choices", "a completion without choices"),
        ("choices of words", "a completion without choices"),
        ("no message", "a choice without a message"),
        ("null message", "a choice without a message"),
        ("an error in a choice", "reports an error: overloaded"),
        ("an error that succeeds", "reports an error: overloaded"),
        ("a 429 that succeeds", "HTTP 429: slow down"),
        ("a word", "'yes' instead of a completion"),
        ("html", "'Sign in Please sign in.' instead of a completion"),
    ],
)
async def test_what_cannot_be_read_says_what_came(lie: str, says: str) -> None:
    found, _ = await outcome(lying(lie))
    assert isinstance(found, CallFailed)
    assert says in str(found)


@pytest.mark.parametrize("arguments", ["[1]", '"hello"', "7", "true", "[" * 100_000, [1], "{"])
async def test_a_tool_call_whose_arguments_are_no_object_is_none_and_the_reply_costs_what_the_server_says(
    arguments: Any,
) -> None:
    message = {"content": "Answer: 12", "tool_calls": [{"function": {"name": "add", "arguments": arguments}}]}
    usage = {"prompt_tokens": 50, "completion_tokens": 5}
    said = Said(body={"choices": [{"finish_reason": "stop", "message": message}], "usage": usage})
    with FakeServer(lambda *_: said) as server:
        reply = await ask(server.url)
    assert (reply.text, reply.tool_calls) == ("Answer: 12", [])
    assert reply.usage == Usage(input_tokens=50, output_tokens=5)


@pytest.mark.parametrize("arguments", ["{}", "", "null", None, {}])
async def test_a_tool_call_without_arguments_is_one(arguments: Any) -> None:
    message = {"content": None, "tool_calls": [{"function": {"name": "now", "arguments": arguments}}]}
    with FakeServer(lambda *_: Said(body={"choices": [{"message": message}]})) as server:
        (call,) = (await ask(server.url)).tool_calls
    assert (call["name"], call["args"]) == ("now", {})


async def test_a_number_that_no_float_can_hold_is_neither_a_probability_nor_a_count_of_tokens() -> None:
    tokens = [{"logprob": 10**400}, {"logprob": -0.5}]
    choice = {"message": {"content": "Answer: 12"}, "logprobs": {"content": tokens}}
    usage = {"prompt_tokens": 50, "completion_tokens": 10**400}
    with FakeServer(lambda *_: Said(body={"choices": [choice], "usage": usage})) as server:
        reply = await ask(server.url)
    assert (reply.mean_logprob, reply.usage) == (-0.5, None)


async def test_a_call_that_was_answered_in_vain_counts_at_its_worst() -> None:
    found, _ = await outcome(lying("half a json"))
    assert found.usage is not None
    assert len(PROMPT) // 4 < found.usage.input_tokens <= len(PROMPT)
    assert (found.usage.output_tokens, found.usage.estimated) == (64, True)


@pytest.mark.parametrize("seed", range(8))
async def test_a_cut_is_passing_however_much_had_come(seed: int) -> None:
    found, _ = await outcome(failing("cut", seed=seed))
    assert isinstance(found, CallFailed)
    assert "the connection was lost" in str(found)
    assert (found.retry_after, found.unreachable, found.sent) == (0.0, False, True)
    assert found.usage is not None
    assert found.usage.estimated


async def test_an_error_of_the_server_is_passing_and_costs_nothing() -> None:
    found, served = await outcome(failing("error"))
    assert isinstance(found, CallFailed)
    assert (found.status, found.retry_after, found.usage) == (served.status, 0.0, None)
    assert "on purpose" in str(found) or "Bad gateway" in str(found)


async def test_a_burst_of_rate_limits_says_how_long_to_wait() -> None:
    found, _ = await outcome(failing("limited", retry_after=3.5))
    assert isinstance(found, CallFailed)
    assert (found.status, found.retry_after) == (429, 3.5)


async def test_a_call_that_hangs_can_be_cancelled_and_the_next_one_works() -> None:
    with FaultServer(failing("hang")) as server:
        task = asyncio.create_task(ask(server.url))
        async with asyncio.timeout(60):
            while not server.log:  # noqa: ASYNC110 - the server is on another thread
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.play.behaviour = Behaviour(right=1)
        assert (await ask(server.url)).text == SUM
        assert not server.log[0].reported


@pytest.mark.parametrize(
    ("asks", "least", "most"),
    [("7", 7, 7), ("1.5", 1.5, 1.5), ("-3", 0, 0), ("nan", 0, 0), ("soon", 0, 0), ("", 0, 0), ("date", 28, 30)],
)
async def test_how_long_to_wait_may_be_seconds_or_a_date(asks: str, least: float, most: float) -> None:
    headers = {"retry-after": formatdate(time.time() + 30, usegmt=True) if asks == "date" else asks}
    said = Said(status=429, body={}, headers=headers)
    with FakeServer(lambda *_: said) as server, pytest.raises(CallFailed) as caught:
        await ask(server.url)
    assert caught.value.retry_after is not None
    assert least <= caught.value.retry_after <= most


async def test_a_server_that_asks_for_more_time_than_a_call_waits_is_quoted_with_it() -> None:
    said = Said(status=429, body={"error": {"message": "slow down"}}, headers={"retry-after": "3600"})
    with FakeServer(lambda *_: said) as server, pytest.raises(CallFailed) as caught:
        await ask(server.url)
    told = "HTTP 429: slow down; the server asks to wait 3600 s, longer than the 60 s that a call waits"
    assert (str(caught.value), caught.value.retry_after) == (told, None)


async def test_a_date_that_no_clock_knows_asks_nothing() -> None:
    said = Said(status=429, body={}, headers={"retry-after": "Fri, 31 Dec 99999999999999999999 23:59:59 GMT"})
    with FakeServer(lambda *_: said) as server, pytest.raises(CallFailed) as caught:
        await ask(server.url)
    assert (caught.value.status, caught.value.retry_after) == (429, 0.0)


async def test_a_reply_without_an_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ponder.nodes.models.http.LONGEST_REPLY", 1024 * 1024)
    with FakeServer(lambda *_: Said(body="word " * 400_000)) as server:
        with pytest.raises(CallFailed, match=r"cannot be read \(more than 1 MiB\)"):
            await ask(server.url)
        server.script = lambda *_: Said()
        assert (await ask(server.url)).text == "Answer: 2"


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_a_key_that_a_server_repeats_is_kept_nowhere(status: int) -> None:
    key = "sk-very-secret"
    said = Said(status=status, body={"error": {"message": f"this came: authorization: Bearer {key}"}})
    with FakeServer(lambda *_: said) as server:
        model = openai_model("fault", server.url, key)
        with pytest.raises(CallFailed, match=r"authorization: Bearer \*\*\*") as caught:
            await model.generate([HumanMessage(PROMPT)], ASKED)
    assert key not in str(caught.value)


@pytest.mark.parametrize("asks", ["3600", "inf", "Fri, 31 Dec 2100 23:59:59 GMT"])
async def test_a_server_that_asks_for_too_long_is_asked_no_more(asks: str) -> None:
    said = Said(status=429, body={}, headers={"retry-after": asks})
    with FakeServer(lambda *_: said) as server, pytest.raises(CallFailed) as caught:
        await ask(server.url)
    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    ("status", "message", "fix"),
    [
        (400, "maximum context length is 8 tokens", "shorten the problem, or lower max_tokens"),
        (413, "request too large", "shorten the problem, or lower max_tokens"),
        (422, "what is this", "check --model and the settings that are sent"),
    ],
)
async def test_a_request_that_is_refused_is_not_repeated_and_says_what_to_change(
    status: int, message: str, fix: str
) -> None:
    with FakeServer(lambda *_: Said(status=status, body={"error": {"message": message}})) as server:
        with pytest.raises(CallFailed) as caught:
            await ask(server.url)
        assert len(server.requests) == 1
    assert str(caught.value) == f"HTTP {status}: {message}: {fix}"
    assert caught.value.retry_after is None


async def test_a_server_that_has_no_such_method_has_another_url() -> None:
    said = Said(status=405, body={})
    with FakeServer(lambda *_: said) as server, pytest.raises(ModelUnreachable, match=r"\(405\): check --model"):
        await ask(server.url)


async def test_an_account_without_credit_stops_the_run() -> None:
    said = Said(status=402, body={"error": {"message": "pay"}})
    with FakeServer(lambda *_: said) as server, pytest.raises(ModelUnreachable, match="no quota left: pay"):
        await ask(server.url)


async def test_nonsense_from_a_server_that_has_answered_before_does_not_blame_the_url() -> None:
    with FaultServer(Behaviour(right=1)) as server:
        model = openai_model("fault", server.url, "key")
        await model.generate([HumanMessage(PROMPT)], ASKED)
        server.play.behaviour = lying("html")
        with pytest.raises(CallFailed) as caught:
            await model.generate([HumanMessage(PROMPT)], ASKED)
    assert "--base-url" not in str(caught.value)
    assert not caught.value.unreachable


async def test_a_setting_that_is_refused_fails_none_of_the_calls_in_flight() -> None:
    def script(request: dict[str, Any], _: int) -> Said:
        refused = "logprobs" in request
        return Said(status=400, body={"error": {"message": "logprobs are not supported"}}) if refused else Said()

    with FakeServer(script) as server:
        model = openai_model("fake", server.url, "key")
        replies = await asyncio.gather(*(model.generate([HumanMessage("1 + 1?")], ASKED) for _ in range(8)))
    assert len(replies) == 8


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 35,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(input_tokens=10, output_tokens=25, reasoning_tokens=20),
        ),
        ({"prompt_tokens": 10, "total_tokens": 15}, Usage(input_tokens=10, output_tokens=5)),
        ({"input_tokens": 10, "output_tokens": 5}, Usage(input_tokens=10, output_tokens=5)),
        ({"prompt_tokens": "10", "completion_tokens": 5.0}, Usage(input_tokens=10, output_tokens=5)),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 99}},
            Usage(input_tokens=10, output_tokens=5, cached_tokens=10),
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 99}},
            Usage(input_tokens=10, output_tokens=5, reasoning_tokens=5),
        ),
        ({"prompt_tokens": 10, "completion_tokens": 0}, None),
        ({"prompt_tokens": 10, "completion_tokens": 5.5}, None),
        ({"prompt_tokens": True, "completion_tokens": 5}, None),
        ({"prompt_tokens": 10, "completion_tokens": "9" * 5000}, None),
        ({"completion_tokens": 5}, None),
        ({"prompt_tokens": 10, "completion_tokens": float("inf")}, None),
        ([10, 5], None),
    ],
)
async def test_usage_is_read_in_the_forms_it_comes_in(usage: Any, counted: Usage | None) -> None:
    with FakeServer(lambda *_: Said(usage=usage)) as server:
        assert (await ask(server.url)).usage == counted


class Failing(FakeListChatModel):
    """A LangChain model of another provider, which raises an error of its own."""

    error: Any = None

    def _call(self, *_: Any, **__: Any) -> str:
        raise self.error


async def raised_by(error: Exception) -> CallFailed | ModelUnreachable:
    """Return what becomes of an exception of a LangChain model that is not ponder's own."""
    with pytest.raises((CallFailed, ModelUnreachable)) as caught:
        await LangChainModel(Failing(responses=[], error=error), "other").generate([HumanMessage(PROMPT)], ASKED)
    return caught.value


def untrusted(code: int, why: str) -> Exception:
    """Return what a handshake raises, as Python's `ssl` makes it."""
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
    error.verify_code, error.verify_message = code, why
    return error


def refused(status: int) -> Exception:
    error = RuntimeError("refused")
    error.status_code = status  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("error", "unreachable", "sent"),
    [
        (httpx.ConnectError("refused"), True, False),
        (ConnectionRefusedError(), True, False),
        (socket.gaierror("no such host"), True, False),
        (httpx.ReadError("reset"), False, True),
        (httpx.ReadTimeout("slow"), False, True),
        (ConnectionResetError(), False, True),
        (TimeoutError(), False, True),
        (KeyError("choices"), True, True),
        (RecursionError(), True, True),
    ],
)
async def test_an_exception_of_any_provider_is_a_failed_call(error: Exception, unreachable: bool, sent: bool) -> None:
    with pytest.raises(CallFailed) as caught:
        await LangChainModel(Failing(responses=[], error=error), "other").generate([HumanMessage(PROMPT)], ASKED)
    assert (caught.value.unreachable, caught.value.sent, caught.value.retry_after) == (unreachable, sent, 0.0)
    assert (caught.value.usage is None) is not sent


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ValueError("boom"), "model 'other' raised ValueError: boom"),
        (KeyError("choices"), "model 'other' raised KeyError: 'choices'"),
        (OSError(24, "Too many open files"), "model 'other' raised OSError: [Errno 24] Too many open files"),
        (AssertionError(), "model 'other' raised AssertionError"),
        (ConnectionRefusedError("refused"), "(refused): check that the server runs and its URL"),
        (httpx.ProxyError("407"), "model 'other' cannot be reached (407)"),
        (TimeoutError("slow"), "model 'other': the connection was lost before the reply (slow)"),
        (
            untrusted(18, "self-signed certificate"),
            "(its certificate: self-signed certificate): if it is to be trusted, set SSL_CERT_FILE to a file with it",
        ),
        (untrusted(10, "certificate has expired"), "(its certificate: certificate has expired): check it and its URL"),
        (ssl.CertificateError("another host's"), "another host's"),
        (refused(404), "model 'other' was not found (404): check its name and its URL; it says: refused"),
    ],
)
async def test_a_model_that_is_not_ponder_s_own_is_told_in_words_of_its_own_and_has_no_base_url(
    error: Exception, says: str
) -> None:
    told = str(await raised_by(error))
    assert says in told
    assert "--base-url" not in told


class AwsError(Exception):
    """As botocore's `ClientError` is."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        super().__init__("An error occurred (Words) when calling the Converse operation: words of AWS")
        about = {"HTTPStatusCode": status, "HTTPHeaders": headers}
        self.response = {"Error": {"Code": "Words", "Message": "words of AWS"}, "ResponseMetadata": about}


@pytest.mark.parametrize(("headers", "wait"), [({}, 0.0), ({"retry-after": "7"}, 7.0)])
@pytest.mark.parametrize("status", [429, 503])
async def test_what_aws_throttles_is_waited_for_and_costs_nothing(
    status: int, headers: dict[str, str], wait: float
) -> None:
    found = await raised_by(AwsError(status, headers))
    assert isinstance(found, CallFailed)
    assert (found.status, found.retry_after, found.usage, found.unreachable) == (status, wait, None, False)


async def test_what_aws_refuses_is_not_asked_again() -> None:
    denied, malformed = await raised_by(AwsError(403, {})), await raised_by(AwsError(400, {}))
    assert isinstance(denied, ModelUnreachable)
    assert "words of AWS" in str(denied)
    assert isinstance(malformed, CallFailed)
    assert malformed.retry_after is None


@pytest.mark.parametrize("response", [None, "busy", {}, {"ResponseMetadata": "busy"}, SimpleNamespace(headers=None)])
async def test_a_response_that_holds_nothing_asks_for_no_wait(response: object) -> None:
    error = RuntimeError("busy")
    error.status_code, error.response = 429, response  # type: ignore[attr-defined]
    found = await raised_by(error)
    assert isinstance(found, CallFailed)
    assert (found.status, found.retry_after) == (429, 0.0)


@given(st.integers(1, 2000), st.none() | st.floats(0, 60), st.floats(0, 1))
def test_a_wait_is_what_the_server_asks_and_a_random_part_of_a_step_that_doubles(
    failures: int, asked: float | None, chance: float
) -> None:
    step = min(LONGEST, FIRST * 2 ** min(failures - 1, 100))
    assert backoff(failures, asked, lambda: chance) == (asked or 0) + step * chance


def test_calls_that_fail_together_do_not_come_back_together() -> None:
    assert len({backoff(3) for _ in range(20)}) == 20
