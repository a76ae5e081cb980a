"""The searches choose from the tree alone: which attempts to work on next."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.nodes.searches import SEARCHES
from ponder.nodes.searches.ab_mcts import ab_mcts
from ponder.nodes.searches.beam import beam
from ponder.nodes.searches.best_first import best_first
from ponder.nodes.tree import Move, Node, Tree
from ponder.state.settings import Settings


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    nodes: list[Node] = []
    for index in range(draw(st.integers(0, 12))):
        open_ = [node.id for node in nodes if not node.closed]
        parent = draw(st.sampled_from(["", *open_]))
        score = draw(st.sampled_from([0.0, 0.25, 0.5, 1.0]))
        nodes.append(Node(str(index), score, parent, closed=draw(st.booleans())))
    return Tree(nodes)


@given(tree=trees(), name=st.sampled_from(sorted(SEARCHES)), seed=st.integers(0, 9))
def test_a_search_chooses_open_nodes_and_chooses_alike_when_it_is_asked_again(tree: Tree, name: str, seed: int) -> None:
    settings = Settings(seed=seed)
    chosen = SEARCHES[name](tree, settings)
    assert chosen == SEARCHES[name](Tree(list(tree.nodes)), settings)
    assert all(move.node is None or (move.node in tree.nodes and not move.node.closed) for move in chosen)


@given(trees())
def test_what_was_made_from_a_node_is_counted_near_and_far(tree: Tree) -> None:
    def below(place: str) -> list[Node]:
        return [found for node in tree.children.get(place, []) for found in (node, *below(node.id))]

    for place in ("", *(node.id for node in tree.nodes)):
        found = tree.made.get(place)
        assert (found.count if found else 0) == len(below(place))
        assert (found.total if found else 0) == pytest.approx(sum(node.score for node in below(place)))


def test_best_first_varies_each_node_once_and_the_best_first() -> None:
    nodes = [Node("a", 0.2), Node("b", 0.9), Node("c", 0.9), Node("d", 1, "b"), Node("e", 1, closed=True)]
    order: list[str] = []
    while chosen := best_first(Tree(nodes), Settings()):
        assert chosen == [chosen[0]] * 2
        best = ids(chosen)[0]
        order.append(best)
        nodes += [Node(f"{best}{index}", 0, best, closed=True) for index in range(2)]
    assert order == ["d", "c", "a"]


def test_a_beam_keeps_the_best_partial_solutions_of_its_last_depth() -> None:
    settings = Settings(beam_width=2)
    assert beam(Tree([]), settings) == [Move()] * 4
    first = [Node("a", 0.9), Node("b", 0.1), Node("c", 0.5), Node("d", 1, closed=True)]
    assert ids(beam(Tree(first), settings)) == ["a", "a", "c", "c"]
    second = [*first, Node("aa", 0.1, "a"), Node("ca", 0.3, "c", closed=True)]
    assert ids(beam(Tree(second), settings)) == ["aa", "aa"]
    assert beam(Tree([Node("a", 1, closed=True)]), settings) == []


def ids(moves: list[Move]) -> list[str]:
    return [move.node.id if move.node else "" for move in moves]


def counts(nodes: list[Node]) -> Counter[str]:
    drawn = (ab_mcts(Tree(nodes), Settings(seed=seed, window=5)) for seed in range(200))
    return Counter(place for draws in drawn for place in ids(draws))


def test_ab_mcts_goes_wider_where_new_attempts_do_well_and_deeper_where_they_do_not() -> None:
    wider = counts([Node(str(index), 0.9) for index in range(8)] + [Node("x", 0.1, "0"), Node("y", 0.1, "0")])
    deeper = counts([Node(str(index), 0.1) for index in range(8)] + [Node("x", 0.9, "0"), Node("y", 0.9, "0")])
    assert wider[""] > 800
    assert deeper[""] < 200
    assert deeper["0"] + deeper["x"] + deeper["y"] > 3 * max(deeper[str(other)] for other in range(1, 8))


def test_ab_mcts_draws_from_the_beta_posterior_of_the_paper() -> None:
    # One child of score s: wider wins with P(Beta(.5+s, .5+1-s) >= Beta(.5, .5)), deeper is still unseen.
    draws, random = 20_000, Random(1)  # noqa: S311 - nothing secret
    expected = sum(random.betavariate(1.3, 0.7) >= random.betavariate(0.5, 0.5) for _ in range(draws)) / draws
    seen = [ab_mcts(Tree([Node("a", 0.8)]), Settings(seed=seed, window=20)) for seed in range(200)]
    assert sum(move.node is None for draws in seen for move in draws) / 4000 == pytest.approx(expected, abs=0.03)


def test_ab_mcts_asks_the_model_whose_attempts_score_better_and_forgets_none() -> None:
    nodes = [Node(str(index), 0.9 if index % 2 else 0.2, model="good" if index % 2 else "bad") for index in range(10)]
    tree = Tree(nodes, ("good", "bad"))
    moves = [move for seed in range(200) for move in ab_mcts(tree, Settings(seed=seed, window=5))]
    wider = Counter(move.model for move in moves if move.node is None)
    assert wider["good"] > 5 * wider["bad"]
    # Below a node nobody has tried yet, each is as likely.
    deeper = Counter(move.model for move in moves if move.node is not None)
    assert 0.6 < deeper["good"] / deeper["bad"] < 1.6
