from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path as File
from typing import Any

import pytest
from jsonpath_ng import Descendants, Fields, Parent, Root
from jsonpath_ng.ext.iterable import Len

from hookward.domain.errors import BudgetExceeded, Invalid
from hookward.domain.jsonpath import parser as jsonpath_syntax
from hookward.domain.jsonpath.limits import MAX_LENGTH, MAX_PATH_SEGMENTS
from hookward.domain.jsonpath.nodes import Steps
from hookward.domain.jsonpath.path import compile_path

DOCUMENT = {
    "id": 7,
    "status": "booked",
    "first name": "Ann",
    "none": None,
    "where": "here",
    "staff": {"name": "Bo", "tags": ["a", "b", "c"]},
    "items": [
        {"n": "x", "price": 5, "on": True, "size": {"w": 1}},
        {"n": "y", "price": 10.5, "on": False, "gone": None},
        {"n": "z", "price": Decimal("20.10"), "size": {"w": 1.0}},
    ],
}


def found(text: str) -> list[Any]:
    return compile_path(text).find(DOCUMENT)


def message(text: str) -> str:
    with pytest.raises(Invalid) as refused:
        compile_path(text)
    (problem,) = refused.value.problems
    return problem.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$", [DOCUMENT]),
        ("$.id", [7]),
        (" $.staff.name\n", ["Bo"]),
        ("$ . staff . name", ["Bo"]),
        ("$['first name']", ["Ann"]),
        ('$["first name"]', ["Ann"]),
        ("$.staff['tags'][0]", ["a"]),
        ("$.staff.tags[-1]", ["c"]),
        ("$.none", [None]),
        ("$['where']", ["here"]),
    ],
)
def test_a_path_of_names_and_indexes_finds_its_value(text, expected):
    assert (found(text), compile_path(text).singular) == (expected, True)


@pytest.mark.parametrize(
    "text",
    [
        "$.nothing",
        "$.id.real",
        "$.id[0]",
        "$.status[0]",
        "$.status.upper",
        "$.none.a",
        "$.staff[0]",
        "$.staff.tags.name",
        "$.staff.tags[3]",
        "$.staff.tags[-4]",
        "$['__class__']",
        "$.items['0']",
    ],
)
def test_what_is_not_in_the_document_is_not_found(text):
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$['id','status','nothing']", [7, "booked"]),
        ("$.id['a','b']", []),
        ("$.staff.*", ["Bo", ["a", "b", "c"]]),
        ("$.staff.tags[*]", ["a", "b", "c"]),
        ("$.id.*", []),
        ("$.staff.tags[1:]", ["b", "c"]),
        ("$.staff.tags[::-1]", ["c", "b", "a"]),
        ("$.staff[0:1]", []),
        ("$.staff.tags[0,2]", ["a", "c"]),
        ("$.staff[0,2]", []),
        ("$.items[*].n", ["x", "y", "z"]),
    ],
)
def test_any_other_path_finds_what_it_selects_in_order(text, expected):
    assert (found(text), compile_path(text).singular) == (expected, False)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("@.price > 5", "yz"),
        ("@.price >= 10.5", "yz"),
        ("@.price < 20.1", "xy"),
        ("@.price <= 20.1", "xyz"),
        ("@.price == 20.1", "z"),
        ("@.price = 5", "x"),
        ("@.price != 5", "yz"),
        ("@.price == '5'", ""),
        ("@.n > 'x'", "yz"),
        ("(@.n == 'x') || @.n == 'z' && @.price > 100", "x"),
        ("(@.n == 'x' || @.n == 'z') && @.price > 10", "z"),
        ("@.gone", "y"),
        ("!@.gone", "xz"),
        ("@.gone == null", "y"),
        ("@.gone != null", "xz"),
        ("@.on == true", "x"),
        ("@.on != true", "yz"),
        ("@.price == true", ""),
        ("@.on >= false", "y"),
        ("@.on < true", ""),
        ("@.on > false", ""),
        ("@.size == $.items[2].size", "xz"),
        ("@.size < $.items[2].size", ""),
        ("@.size == $.staff", ""),
        ("@.size == @.gone", "y"[:0]),
        ("@.nothing == $.nothing", "xyz"),
        ("@.nothing != $.nothing", ""),
        ("@.nothing < $.nothing", ""),
        ("@.gone == $.none", "y"),
        ("$.status == 'booked'", "xyz"),
        ("price > 10", "yz"),
        ("@.size.* == 1", "xz"),
        ("@.size[?@ == 1]", "xz"),
        ("@ == 1", ""),
    ],
)
def test_a_filter_keeps_the_children_of_which_its_condition_holds(condition, expected):
    assert "".join(found(f"$.items[?({condition})].n")) == expected


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ([1, {"a": "x"}], [1.0, {"a": "x"}], True),
        ([1], [1, 2], False),
        ([True], [1], False),
        ([[]], [{}], False),
        ([0.1], [Decimal("0.1")], True),
        (["a"], ["b"], False),
        ([None], [None], True),
        ({"a": 1}, {"b": 1}, False),
    ],
)
def test_arrays_and_objects_are_compared_by_value(left, right, equal):
    assert bool(compile_path("$[?@.l == @.r]").find([{"l": left, "r": right}])) is equal


def test_a_filter_can_ask_the_whole_document():
    path = compile_path("$[?($.status == 'booked')]")
    assert (bool(path.find(DOCUMENT)), path.find({"status": "open"})) == (True, [])


def test_indexes_that_meet_at_one_element_select_it_once():
    assert compile_path("$[0,-1]").find(["only"]) == ["only"]


def test_a_quoted_name_may_escape_quotes_and_backslashes():
    assert compile_path(r"$['it\'s \\ \"so\"']").find({'it\'s \\ "so"': 1}) == [1]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "does not start with `$`"),
        ("staff.name", "does not start with `$`"),
        ("$" + ".a" * MAX_LENGTH, f"at most {MAX_LENGTH}"),
        ("$" + ".a" * (MAX_PATH_SEGMENTS + 1), f"at most {MAX_PATH_SEGMENTS}"),
        ("$['\ud800']", "half of a surrogate pair"),
        ("$..name", "`..` searches at any depth"),
        ("$.a.`len`", "`len` between backticks"),
        ("$.a.`sub(/(a+)+/, b)`", "between backticks"),
        ("$.a.`parent`", "`parent` between backticks"),
        ("$.where", "['where']"),
        ("$ wherenot b", "['wherenot']"),
        ("$.a | $.b", "union"),
        ("$.a & $.b", "intersection"),
        ("$[?(@.a==1)&(@.b==2)]", "write `&&`"),
        ("$.~", "`~`"),
        ("$.a + $.b", "arithmetic (`+`)"),
        ("$.a - b", "arithmetic (`-`)"),
        ("$.a * 1000000000", "arithmetic (`*`)"),
        ("$.a / 2", "sorting and division"),
        ("$.a[/b]", "sorting and division"),
        ("$[?@.a =~ '(a+)+$']", "regular expressions"),
        ("$[?@.a == b]", "write 'b' for a text"),
        ("$[?@a == 1]", "write @.a"),
        ("$[?'a' == @.b]", "left of a comparison"),
        ("$[?true == @.b]", "left of a comparison"),
        ("$[?null == @.b]", "left of a comparison"),
        ("$[?1 == @.b]", "the number `1` is out of place"),
        ("$.items.0", "write [0] for an index"),
        ("$.(a.b)", "parentheses are allowed in filters only"),
        ("$.a,b", "`,` is allowed in brackets only"),
        ("$.a.$", "stand at the start"),
        ("$.@", "stand at the start"),
        ("$['a','b','a']", "`a` is named twice"),
        ("$[0,1,0]", "`0` is named twice"),
        ("$[9007199254740992]", "out of range"),
        ("$[:9007199254740992]", "out of range"),
        ("$[::0]", "step 0"),
        (r"$['a\nb']", "is not an escape"),
        ("$" + "[?@" * 9 + "]" * 9, "nested deeper than 8"),
        ("$[?" + "(" * 9 + "@.a" + ")" * 9 + "]", "nested deeper than 8"),
        ("$.a[", "is not a JSONPath"),
        ("$.a)", "is not a JSONPath"),
        ("$?a", "is not a JSONPath"),
        ("$.prénom", "quote a name with other characters"),
        ("$['a", "is not a JSONPath"),
    ],
)
def test_a_path_that_is_not_allowed_is_refused_by_what_is_wrong_with_it(text, part):
    assert part in message(text)


@pytest.mark.parametrize("tree", [Descendants(Root(), Fields("a")), Len(), Parent()])
def test_a_node_that_is_not_on_the_list_is_refused_even_if_its_tokens_were_not(tree):
    with pytest.raises(Invalid):
        jsonpath_syntax.translate(tree)


def test_a_path_is_equal_to_another_of_the_same_text():
    assert (compile_path("$.a[*]"), repr(compile_path("$.a"))) == (compile_path(" $.a[*]"), "JsonPath(text='$.a')")


def test_a_path_that_touches_too_much_stops_after_its_steps():
    steps = Steps(1000)
    with pytest.raises(BudgetExceeded):
        compile_path("$.a[?$.a[?$.a[?@ == -1]]]").find({"a": list(range(50))}, steps)
    assert steps.left > -100


def test_comparing_long_texts_takes_steps_too():
    steps = Steps(1000)
    text = "x" * 1_000_000
    with pytest.raises(BudgetExceeded):
        compile_path("$.a[?$.s == $.t]").find({"a": [1] * 10, "s": text, "t": text + "y"}, steps)
    with pytest.raises(BudgetExceeded):
        compile_path("$.a[?$.s == $.t]").find({"a": [1] * 10, "s": [text], "t": [text + "y"]}, steps)


def test_ordinary_filters_of_large_arrays_stay_within_the_steps():
    items = [{"n": i, "price": i} for i in range(10_000)]
    assert len(compile_path("$.items[?@.price >= 5000 && @.n != 7].n").find({"items": items})) == 5000


def test_paths_compile_alike_in_many_threads_and_write_no_files(tmp_path: File, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jsonpath_syntax._parser.cache_clear()
    texts = [f"$.a[?@.b == {i} || @.c > 2].d[{i}:]" for i in range(40)] * 4
    with ThreadPoolExecutor(8) as pool:
        compiled = list(pool.map(compile_path, texts))
    assert ([path.query for path in compiled], list(tmp_path.iterdir())) == ([compile_path(t).query for t in texts], [])
