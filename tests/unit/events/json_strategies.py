"""Documents and paths for the property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

names = st.sampled_from(["a", "b", "c", "first name", "é", "it's", 'so "x"', "back\\slash", "where", "null", "0", ""])
texts = st.one_of(names, st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)


def _containers(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(children, max_size=4) | st.dictionaries(names | texts, children, max_size=4)


documents = st.recursive(scalars, _containers, max_leaves=20)
objects = st.dictionaries(names, documents, max_size=6)


def quoted(name: str, quote: str = "'") -> str:
    return quote + name.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote


def _name(name: str, dotted: bool, quote: str) -> str:
    plain = name.isascii() and name.isidentifier() and name != "where"
    return f".{name}" if plain and dotted else f"[{quoted(name, quote)}]"


name_segments = st.builds(_name, names, st.booleans(), st.sampled_from("'\""))
index_segments = st.integers(-4, 4).map(lambda index: f"[{index}]")
bounds = st.none() | st.integers(-4, 4)


def _slice(start: int | None, end: int | None, step: int | None) -> str:
    first, second = ("" if bound is None else str(bound) for bound in (start, end))
    return f"[{first}:{second}]" if step is None else f"[{first}:{second}:{step}]"


singular_segments = name_segments | index_segments
singular_tails = st.lists(singular_segments, max_size=3).map("".join)
literals = st.one_of(
    st.sampled_from(["null", "true", "false"]),
    st.integers(-3, 12).map(str),
    st.floats(-9, 9).map(lambda number: f"{number:.3f}"),
    names.map(quoted),
    st.builds(str.__add__, st.sampled_from("@$"), singular_tails),
)
queries = st.builds(str.__add__, st.sampled_from("@$"), singular_tails)
comparisons = st.one_of(
    queries,
    queries.map("!".__add__),
    st.builds(" ".join, st.tuples(queries, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), literals)),
)
conditions = st.recursive(
    comparisons,
    lambda inner: st.builds(lambda a, sign, b: f"({a} {sign} {b})", inner, st.sampled_from(["&&", "||"]), inner),
    max_leaves=3,
)
plural_segments = st.one_of(
    st.sampled_from([".*", "[*]"]),
    st.lists(names, min_size=2, max_size=3, unique=True).map(lambda some: f"[{','.join(map(quoted, some))}]"),
    st.lists(st.integers(0, 4), min_size=2, max_size=3, unique=True).map(lambda some: f"[{','.join(map(str, some))}]"),
    st.builds(_slice, bounds, bounds, st.none() | st.integers(-3, 3).filter(bool)),
    conditions.map(lambda condition: f"[?({condition})]"),
)
singular_paths = st.lists(singular_segments, max_size=5).map(lambda segments: "$" + "".join(segments))
paths = st.lists(singular_segments | plural_segments, max_size=4).map(lambda segments: "$" + "".join(segments))
