"""Let its_hub or optillm solve the sums of `faults.py`: eight samples and a vote, in an interpreter that has them.

`python faults_peers.py its_hub|optillm URL COUNT` prints {"right", "tokens", "errors"}; it imports nothing of ponder's.
"""

import asyncio
import importlib
import importlib.util
import json
import os
import re
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

SAMPLES = 8
SOLVES = 16
"""At once."""
DEADLINE = 15.0
"""Seconds: its_hub has no timeout of its own, and waits five minutes for a server that hangs."""


def problem_of(index: int) -> tuple[str, int]:
    left, right = 1000 + index, 7 + index % 90
    return f"What is {left} + {right}? End with a line 'Answer: <answer>'.", left + right


def answer_of(text: object) -> str:
    found = re.findall(r"Answer: *(-?\d+)", str(text))
    return found[-1] if found else ""


async def its_hub(url: str, count: int) -> list[Any]:
    lms = importlib.import_module("its_hub.core.lms.openai_lm")
    voting = importlib.import_module("its_hub.core.algorithms.self_consistency")
    orchestrator = importlib.import_module("its_hub.core.orchestrator").LMOrchestrator()
    algorithm = voting.SelfConsistency(answer_of, orchestrator=orchestrator)
    gate = asyncio.Semaphore(SOLVES)
    async with lms.OpenAICompatibleLanguageModel(url, "none", "fault", max_tokens=64, temperature=0.7) as model:

        async def one(index: int) -> tuple[bool, int]:
            prompt, right = problem_of(index)
            async with gate, asyncio.timeout(DEADLINE):
                result = await algorithm.ainfer(model, prompt, SAMPLES, return_response_only=False)
            return answer_of(result.the_one["content"]) == str(right), result.usage.completion_tokens

        return await asyncio.gather(*(one(index) for index in range(count)), return_exceptions=True)


async def optillm(url: str, count: int) -> list[Any]:
    """Call the plugin alone: the package itself wants torch and every provider's client."""
    openai = importlib.import_module("openai")
    found = importlib.util.find_spec("optillm")
    if found is None or found.origin is None:
        raise SystemExit("optillm is not installed")
    path = Path(found.origin).parent / "plugins" / "majority_voting_plugin.py"
    spec = importlib.util.spec_from_file_location("majority_voting_plugin", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is missing")
    plugin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plugin)
    client = openai.OpenAI(base_url=url, api_key="none", timeout=3.0)

    def one(index: int) -> tuple[bool, int]:
        prompt, right = problem_of(index)
        settings = {"k": SAMPLES, "max_tokens": 64, "temperature": 0.7}
        text, tokens = plugin.run("You add.", prompt, client, "fault", settings)
        return answer_of(text) == str(right), tokens

    with ThreadPoolExecutor(SOLVES) as pool:
        loop = asyncio.get_running_loop()
        tasks = (loop.run_in_executor(pool, one, index) for index in range(count))
        return await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    name, url, count = sys.argv[1:]
    loop = asyncio.new_event_loop()
    results = loop.run_until_complete({"its_hub": its_hub, "optillm": optillm}[name](url, int(count)))
    failed = Counter(f"no answer: {type(result).__name__}" for result in results if isinstance(result, BaseException))
    made = [result for result in results if not isinstance(result, BaseException)]
    told = {"right": sum(right for right, _ in made), "tokens": sum(tokens for _, tokens in made), "errors": failed}
    print(json.dumps(told), flush=True)
    os._exit(0)  # its_hub leaves threads behind that wait for ever for a place that a cancelled call had


if __name__ == "__main__":
    main()
