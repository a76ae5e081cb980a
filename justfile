# List the recipes.
default:
    @just --list

# Everything CI checks.
check:
    bash .ci/run

# Format, and fix what can be fixed.
fix:
    uv run ruff format
    uv run ruff check --fix

# Lint and types.
lint:
    uv run ruff format --check
    uv run ruff check
    uv run mypy
    uv run pyright

# The tests; arguments go to pytest.
test *arguments:
    uv run pytest {{arguments}}

# Rewrite the generated parts of the README.
readme:
    uv run python -m tests.test_readme

# The graph in LangGraph Studio.
studio:
    uv run langgraph dev

# What ponder adds to eight calls.
overhead:
    uv run python -m tests.benchmarks.overhead

# Real problems on the embedded model, by each policy.
live:
    uv run python -m tests.benchmarks.live

# Kill runs at random moments on each database, and resume them.
crash *arguments:
    uv run python -m tests.benchmarks.crash {{arguments}}

# What holds, and what is left of the accuracy, on a server that fails and lies.
faults *arguments:
    uv run python -m tests.benchmarks.faults {{arguments}}

# Many solves at once, and one wide solve, against a bare client.
throughput *arguments:
    uv run python -m tests.benchmarks.throughput {{arguments}}

# An agent with tools before and after one line, and what that line costs.
agent *arguments:
    uv run python -m tests.benchmarks.agent {{arguments}}

# Anything that fits the endpoint's schema, and much that does not, against a server at a URL.
fuzz url:
    uvx --from schemathesis st run {{url}}/openapi.json --checks not_a_server_error

# Many requests at once through the endpoint, and through optillm's.
endpoint *arguments:
    uv run python -m tests.benchmarks.endpoint {{arguments}}

# Our saver against LangGraph's own: speed, sizes, memory.
savers *arguments:
    uv run --group bench python -m tests.benchmarks.saver {{arguments}}

# Recorded answers through the machine: did the preview tell the truth?
foretold *arguments:
    uv run python -m tests.benchmarks.foretold {{arguments}}

# Recorded answers through the machine: accuracy against calls, of every policy.
replay *arguments:
    uv run --group bench python -m tests.benchmarks.replay {{arguments}}
