"""Answers are found where models put them, and compared by meaning."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.nodes.answers import cluster, equal, extract, infer_type
from ponder.state.run import AnswerType


@pytest.mark.parametrize(
    ("text", "kind", "answer"),
    [
        (r"so \boxed{\frac{1}{2}} it is", None, "1/2"),
        (r"\boxed{3} or rather \boxed{\text{Paris}}", None, "paris"),
        (r"so \boxed{12", None, None),
        ("the answer is 5 <think>", "number", None),
        ("<think>Answer: 3</think>Answer: 4", "number", "4"),
        ("<answer>7</answer> and 8", "number", "7"),
        ("Answer: <answer>", None, None),
        ("**Final Answer**\n\n42", "number", "42"),
        ("Answer:\n42", "number", "42"),
        ("The answer is Paris. It is the capital.", None, "paris"),
        ("The answer is J. Smith.", None, "j. smith"),
        ("Final Answer: The final answer is $5$. I hope it is correct.", "math", "5"),
        ("80 - 35", "number", "35"),
        ("it is -35", "number", "-35"),
        ("The answer is 22, which is the sum of 11 and 98.", "number", "22"),
        ("98 - 49 is 18.", "number", "18"),
        ("The answer is 5 apples in 2 bags", "number", "5"),
        ("The answer is 5 km.", "number", "5000 m"),
        ("The answer is five.", "number", "5"),
        (r"thus $x=\frac{3}{4}$", "math", "x = 3/4"),
        ("Answer: 12", "number", "12"),
        ("Answer: 3\nNo wait.\nAnswer: **4**", "number", "4"),
        ("The answer is: 1,234.50 dollars", "number", "2469/2 USD"),
        ("the answer is 8 * 2 = 16 pens", "number", "16"),
        ("steps 1, 2\n#### 42", "number", "42"),
        ("33 + 97 = 130", "number", "130"),
        ("no idea", "number", None),
        ("The answer is (C).", "choice", "C"),
        ("I would say B", "choice", "B"),
        ("A cat is an animal, so I choose (b).", "choice", "B"),
        ("**B**", "choice", "B"),
        ('The last letter is "n".', None, "n"),
        ("Answer: Tuesday.", None, "tuesday"),
        ("a poem\nof two lines", "text", "poem of two lines"),
        ('```json\n{"b": 1, "a": 2}\n```', "json", '{"a": 2, "b": 1}'),
        ("{broken", "json", None),
        ('"hello"', "json", '"hello"'),
        ('It is {"a": [1, 2.0]} then.', "json", '{"a": [1, 2]}'),
        ("```python\ndef f(:\n```", "code", None),
        ("```python\nprint(1)\n```", "code", "print(1)"),
        ("", None, None),
        ("Answer: 3.0 × 10^8", "number", "300000000"),
        ("so it is 5.1 × 10^8", "number", "510000000"),
        ("it is $5bn", "number", "5000000000 USD"),
        ("Answer: .75", "number", "3/4"),
        ("Answer: 5 * 6", "number", "30"),
        ("Answer: 2^10 = 1024", "number", "1024"),
        ("Answer: 12 hours and 30 minutes", "number", "45000 s"),
        ("Answer: −5 °C", "number", "5363/20 K"),
        ("Answer:\n- 7 apples", "number", "7"),
        ("The answer is 5 days ago.", "number", "432000 s"),
        ("The answer is 5!", "number", "5"),
        ('The answer is "22", which is the sum of 13 and 9.', "number", "22"),
        ("Answer: 76 - 46, which simplifies to 30", "number", "30"),
        ("Answer: 3 to 4 of the 9", "number", None),
        ("Answer: between 3 and 4", "number", None),
        ("Answer: x = 2 and x = 3", "number", "x ∈ {2, 3}"),
        ("Answer: 2,5", "number", "2, 5"),
        ("Answer: 7th", "number", "7"),
        ("The answer is now 2.", "number", "2"),
        ("Answer: 4\n\nAnswer:", None, "4"),
        ("Answer:", None, None),
        ("I see. The answer is", None, None),
        ("Answer is (see below):\n\n42", None, "42"),
        ("Answer: Mt. Everest", None, "mt everest"),
        ('The answer to the last letter of "chair" is "K".', None, "k"),
        ("The answer is **blue**", "text", "blue"),
        ('Answer: "Romeo" and "Juliet"', "text", "romeo and juliet"),
        ("My colour is *blue*, and I hope you come.", "text", "my colour is blue and i hope you come"),
        ('So {"a": 5}. See [2].', "json", '{"a": 5}'),
        (f'[{{"a": 1}}, "{"x" * 20_000}", {{"b": 2}}]', "json", f'[{{"a": 1}}, "{"x" * 20_000}", {{"b": 2}}]'),
    ],
)
def test_extracts(text: str, kind: AnswerType | None, answer: str | None) -> None:
    found = extract(text, kind)
    assert (found and found.canonical) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Founded in 1976. Answer: Apple", "apple"),
        ("It is 1976. The answer is not given.", "1976"),
        ("The answer is not given.", "not given"),
        ("It is 1976. Answer: answer", "1976"),
        ("Answer: 3 to 4", "3 to 4"),
        ("Answer: 7 pens", "7"),
        ("It was 1976.", "1976"),
        ("no idea", None),
    ],
)
def test_that_a_number_is_asked_for_is_a_guess_which_a_marked_answer_outweighs(text: str, answer: str | None) -> None:
    found = extract(text, question="How many pens does Sam have?")
    assert (found and found.canonical) == answer


QUESTION = "What is the capital of France?\nA) London\nB) Paris\nC) Rome"


def test_a_question_of_many_spaces_is_read_at_once() -> None:
    begun = time.process_time()
    assert extract("Answer: B", "choice", question=QUESTION + " " * 20_000) is not None
    assert time.process_time() - begun < 1


@pytest.mark.parametrize("text", ["Answer: Paris", "Answer: B", "Answer: b) Paris", "It is Paris.\nParis", "(B)"])
def test_a_choice_is_read_by_its_letter_or_by_the_text_of_the_option(text: str) -> None:
    found = extract(text, "choice", question=QUESTION)
    assert found is not None
    assert found.canonical == "B"


def test_a_choice_that_is_not_offered_is_no_answer() -> None:
    assert extract("Answer: Berlin", "choice", question=QUESTION) is None
    assert extract("Answer: E", "choice", question=QUESTION) is None


def test_where_a_percentage_is_asked_for_the_sign_may_be_left_out() -> None:
    found = extract("Answer: 50%", "number", question="What percentage is red?")
    assert found is not None
    assert (found.canonical, found.aliases) == ("1/2", ("50",))


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("1/2", "0.5", True),
        ("1,000", "1000.0", True),
        ("50%", "0.5", True),
        ("$5", "5", True),
        ("1e3", "1000", True),
        ("-3", "3", False),
        ("Tuesday", " tuesday. ", True),
        ("1/0", "1/0", True),
        ("9" * 5000, "9" * 5000, True),
    ],
)
def test_compares_by_meaning(a: str, b: str, same: bool) -> None:
    assert equal(a, b) is same


@given(st.lists(st.sampled_from(["1/2", "0.5", ".50", "2", "2.0", "two", "Two", ""]), max_size=10), st.randoms())
def test_clusters_do_not_depend_on_the_order_of_arrival(answers: list[str], random: object) -> None:
    order = list(range(len(answers)))
    random.shuffle(order)  # type: ignore[attr-defined]
    forward = {frozenset(group) for group in cluster(answers)}
    shuffled = {frozenset(order[i] for i in group) for group in cluster([answers[i] for i in order])}
    assert forward == shuffled


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("What is 33 + 97?", "number"),
        ("How many pens does Sam have?", "number"),
        ("Which is it?\nA) one\nB) two", "choice"),
        ("Write a Python function that sorts.", "code"),
        ("Which day of the week is it?", None),
        ("What is a computer virus?", None),
        ("Which company made the first personal computer?", None),
        ("Is 2024-03-05 a Tuesday?", None),
        ("Who won the 2010-2011 season?", None),
        ("Evaluate the argument that free will exists.", None),
        ("Describe how old houses are restored.", None),
        ("What is 33-12?", "number"),
        ("If 3 pens cost $1, compute the price of 9 pens.", "number"),
        ("Evaluate 3x + 1 at x = 2.", "number"),
        ("\n" * 100_000 + " " * 100_000, None),
    ],
)
def test_infers_what_is_asked_for(question: str, kind: AnswerType | None) -> None:
    assert infer_type(question) == kind


def test_of_a_program_and_an_example_of_its_use_the_program_is_the_answer() -> None:
    said = "```python\ndef add(a, b): return a + b\n```\nYou can call it:\n```python\nadd(2, 3)  # 5\n```"
    found = extract(said, "code")
    assert found is not None
    assert found.raw == "def add(a, b): return a + b"
    only = extract("```python\nprint(5)\n```", "code")
    assert only is not None
    assert only.raw == "print(5)"


@pytest.mark.parametrize("behind", ["", "\n", "\n\nThe above solution uses addition."])
def test_code_whose_fence_is_only_closed_is_what_stands_before(behind: str) -> None:
    code = "def add(a, b):\n    return a + b\n"
    found = extract(f"{code}```{behind}", "code")
    assert found is not None
    assert found.canonical == canonical_of(code)


def canonical_of(code: str) -> str:
    """Return what bare code means."""
    found = extract(code, "code")
    assert found is not None
    return found.canonical
