"""What models cost, and where the table comes from."""

from pathlib import Path

import pytest

from ponder.state import UsageError
from ponder.state.budget import Usage
from ponder.state.pricing import Price, load_prices, price_of

TOML = """
["openai:gpt-5*"]
input = 1.0
output = 10.0
["openai:gpt-5-mini"]
input = 0.25
cached = 0.025
output = 2.0
"""


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PONDER_PRICES", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def test_a_call_costs_its_fresh_its_cached_and_its_output_tokens() -> None:
    price = Price(input=0.25, cached=0.025, output=2.0)
    usage = Usage(input_tokens=1_000_000, cached_tokens=400_000, output_tokens=500_000)
    assert price.of(usage) == pytest.approx(0.6 * 0.25 + 0.4 * 0.025 + 0.5 * 2)


def test_without_a_price_for_cached_input_it_costs_as_much_as_any_other() -> None:
    assert Price(input=1, output=0).of(Usage(input_tokens=10, cached_tokens=4)) == pytest.approx(10e-6)


def test_the_table_is_a_file_that_the_environment_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(TOML)
    monkeypatch.setenv("PONDER_PRICES", str(tmp_path / "mine.toml"))
    prices = load_prices()
    assert price_of("openai:gpt-5-mini", prices) == Price(input=0.25, cached=0.025, output=2.0)
    assert price_of("openai:gpt-5-nano", prices) == Price(input=1, output=10)
    assert price_of("openai:gpt-4", prices) is None


def test_a_name_with_brackets_in_it_has_its_own_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDER_PRICES", '{"served[q4]": {"input": 1, "output": 2}}')
    assert price_of("served[q4]", load_prices()) == Price(input=1, output=2)


def test_a_run_that_is_a_model_costs_what_its_model_does_unless_it_has_a_price_of_its_own() -> None:
    cheap, dear, own = Price(input=1, output=1), Price(input=100, output=400), Price(input=7, output=7)
    assert price_of("ponder:gpt", {"gpt": dear, "*": cheap}) == dear
    assert price_of("ponder:gpt", {"*": cheap}) == cheap
    assert price_of("ponder:gpt", {"gpt": dear, "ponder:*": own, "*": cheap}) == own
    assert price_of("ponder:gpt", {}) is None


@pytest.mark.parametrize("price", ["Infinity", "NaN"])
def test_a_price_that_no_limit_can_be_held_to_is_refused(monkeypatch: pytest.MonkeyPatch, price: str) -> None:
    monkeypatch.setenv("PONDER_PRICES", f'{{"fake": {{"input": {price}, "output": 2}}}}')
    with pytest.raises(UsageError, match=r"fake\.input: Input should be"):
        load_prices()


def test_the_table_may_stand_in_the_environment_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDER_PRICES", '{"fake": {"input": 1, "output": 2}}')
    assert price_of("fake", load_prices()) == Price(input=1, output=2)


def test_else_it_is_the_user_s_own_file_and_what_runs_here_is_free(tmp_path: Path) -> None:
    assert price_of("local", load_prices()) == Price(input=0, output=0)
    assert price_of("openai:gpt-5-mini", load_prices()) is None
    (tmp_path / "ponder").mkdir()
    (tmp_path / "ponder" / "prices.toml").write_text(TOML)
    assert price_of("openai:gpt-5-mini", load_prices()) is not None


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("/no/such/file.toml", "'/no/such/file.toml' cannot be read"),
        ('{"fake": {"input": -1, "output": 2}}', "'PONDER_PRICES': fake.input: Input should be greater than"),
        ('{"fake": {"input": 1}}', "fake.output: Field required"),
        ('{"fake": {"inptu": 1, "output": 2}}', "fake.inptu: Extra inputs are not permitted"),
        ('{"fake"', "'PONDER_PRICES' is neither TOML nor JSON"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(monkeypatch: pytest.MonkeyPatch, table: str, says: str) -> None:
    monkeypatch.setenv("PONDER_PRICES", table)
    with pytest.raises(UsageError) as caught:
        load_prices()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
