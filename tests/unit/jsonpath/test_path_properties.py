from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from jsonpath_ng.ext.parser import parse as reference_parse

from hookward.domain.errors import BudgetExceeded, Invalid
from hookward.domain.jsonpath import parser as jsonpath_syntax
from hookward.domain.jsonpath.nodes import MAX_PATH_STEPS, Steps
from hookward.domain.jsonpath.path import compile_path
from tests.unit.events.json_strategies import documents, paths, singular_paths

hostile_texts = st.text(st.sampled_from("$$$$....[[]]()'\"ab@?*:,01-&|=!<>~`/\\ \n\u00e9\ud800"), max_size=40).map(
    "$".__add__
)
PIECES = [
    *(".a", "[0]", "[*]", "[0,-1]", "['a','b']", "[::2]", "[?@.a==1]", "[?(", "@.a", "$", ")]", "]", "..", "&", "||"),
    *("`len`", "`sub(/a/,b)`", "where", "true", "null", "1.5", "=~'a'", "&&", "!", "==", "'", '"', "\\", "?", ",", " "),
]
hostile_pieces = st.lists(st.sampled_from(PIECES), max_size=40).map(lambda pieces: "$" + "".join(pieces))


def exactly(value: Any) -> bytes:
    return msgspec.json.encode(value)


def nodes_of(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(nodes_of, children))


@given(singular_paths | paths, documents)
def test_a_path_finds_what_jsonpath_ng_finds(text, document):
    reference = [match.value for match in reference_parse(text).find(document)]
    assert exactly(compile_path(text).find(document)) == exactly(reference)


@given(singular_paths)
def test_plain_notation_is_read_as_jsonpath_ng_reads_it(text):
    assert compile_path(text).query.segments == jsonpath_syntax.parse(text)


@given(paths, documents)
def test_a_path_never_finds_more_than_the_document_has(text, document):
    assert len(compile_path(text).find(document)) <= nodes_of(document)


@given(hostile_texts | hostile_pieces, documents)
def test_any_text_compiles_or_is_refused_and_then_stays_within_its_steps(text, document):
    try:
        path = compile_path(text)
    except Invalid as refused:
        (problem,) = refused.problems
        problem.message.encode()
        return
    steps = Steps(200)
    try:
        path.find(document, steps)
    except BudgetExceeded:
        assert steps.left < 0
    assert steps.left > -200


@given(st.sampled_from(["['a','b']", "[0,-1]", ".*", "[*]", "[-1,0]", "[?@]", "[?$[0]]", "[:]"]), st.integers(1, 32))
def test_repeated_segments_do_not_multiply_matches(segment, times):
    document: Any = "leaf"
    for _ in range(times):
        document = [document]
    assert len(compile_path("$" + segment * times).find(document, Steps(MAX_PATH_STEPS))) <= 1
