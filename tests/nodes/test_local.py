"""The embedded model, for real."""

import subprocess
import sys
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage

from ponder.graphs import solve
from ponder.graphs.models import as_model
from ponder.nodes.models import local
from ponder.nodes.models.local import local_model
from ponder.nodes.ports import Request
from ponder.state import ModelUnreachable

QUESTION = [HumanMessage("What is 4 times 7? End with a line 'Answer: <answer>'.")]


async def test_the_embedded_model_answers_counts_and_repeats_itself_by_seed() -> None:
    model = local_model()
    asked = Request(temperature=0.7, max_tokens=48, seed=1)
    first, again = [await model.generate(QUESTION, asked) for _ in range(2)]
    other = await model.generate(QUESTION, Request(temperature=0.7, max_tokens=48, seed=2))
    assert first.text == again.text != other.text
    assert first.usage is not None
    assert first.usage.output_tokens > 1
    assert first.mean_logprob is not None
    assert first.mean_logprob < 0


async def test_the_token_limit_is_kept_and_seen() -> None:
    reply = await local_model().generate([HumanMessage("Count to a hundred.")], Request(0.0, 5))
    assert reply.finish == "length"


def test_one_server_serves_every_run_of_the_process() -> None:
    local_model()
    before = dict(local.servers)
    assert getattr(as_model("local"), "slots", None) == local.SLOTS
    answer = solve("What is 4 times 7?", policy="parallel", max_samples=4, max_tokens=48, seed=1, store=":memory:")
    assert local.servers == before
    assert answer.spent.calls == 4
    assert answer.spent.output_tokens > 4


def test_a_file_that_is_missing_or_no_model_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelUnreachable, match=r"does not exist: give --model local:PATH\.gguf"):
        local_model(str(tmp_path / "none.gguf"))
    (tmp_path / "text.gguf").write_text("hello")
    with pytest.raises(ModelUnreachable, match="cannot be loaded"):
        local_model(str(tmp_path / "text.gguf"))


def test_the_process_ends_cleanly_after_a_solve() -> None:
    asked = "solve('1 + 1?', policy='direct', max_tokens=8, store=':memory:').spent.calls"
    command = [sys.executable, "-W", "error", "-c", f"from ponder.graphs import solve; print({asked})"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
