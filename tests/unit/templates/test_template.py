import itertools
import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from hookward.domain.errors import Invalid, TemplateFailed
from hookward.domain.templates.compiler import MAX_PLACEHOLDERS, MAX_PROBLEMS, MAX_SOURCE, MAX_TEMPLATE_DEPTH
from hookward.domain.templates.template import Template, compile_template

DOCUMENT = {
    "id": "app-1",
    "seats": 3,
    "price": Decimal("12.50"),
    "rate": 1e5,
    "big": 10**30,
    "open": True,
    "none": None,
    "staff": {"firstName": "Ann", "lastName": 'O"Neil\n'},
    "client": {"firstName": "Zoé"},
    "start": {"dateTime": "2026-11-20T10:15:30"},
    "first name": "quoted",
    "a}b": "brace",
    "tags": ["x", "y"],
    "one": ["x"],
    "nulls": [None],
    "items": [{"n": 1}, {"n": 2}],
}


def rendered(source: Any) -> Any:
    return json.loads(compile_template(source).render(DOCUMENT), parse_float=Decimal)


def in_text(placeholder: str) -> Any:
    return rendered({"v": placeholder})["v"]


def as_value(placeholder: str) -> Any:
    return rendered(f"[{placeholder}]")[0]


def problems(source: Any) -> list[tuple[str | None, str]]:
    with pytest.raises(Invalid) as refused:
        compile_template(source)
    return [(problem.pointer, problem.message) for problem in refused.value.problems]


def test_an_object_holds_placeholders_in_its_string_values():
    source = {
        "id": "${$.id}",
        "staff": "${$.staff.firstName} ${$.staff.lastName}",
        "datetime": {"start": "${$.start.dateTime}"},
    }
    assert rendered(source) == {
        "id": "app-1",
        "staff": 'Ann O"Neil\n',
        "datetime": {"start": "2026-11-20T10:15:30"},
    }


def test_a_number_stays_a_number_outside_quotes():
    source = '{"seats": ${$.seats}, "who": "${$.client.firstName}"}'
    assert compile_template(source).render(DOCUMENT) == '{"seats": 3, "who": "Zoé"}'.encode()


def test_everything_else_of_an_object_is_copied():
    source = {"${$.id}": [1, 10**40, 1.5, Decimal("1.10"), True, None, {}, [], "é\n", ["${$.id}", "x"]]}
    assert rendered(source) == {
        "${$.id}": [1, 10**40, Decimal("1.5"), Decimal("1.10"), True, None, {}, [], "é\n", ["app-1", "x"]]
    }


def test_a_string_is_copied_as_it_is_written():
    source = ' {"a" : "\\u00e9\\/", "a":1.50,\n"\\ud83d\\ude00":[ ]} '
    assert compile_template(source).render(DOCUMENT) == source.encode()


@pytest.mark.parametrize("source", ["1", '"x"', "null", "${$}", "[]"])
def test_a_string_may_hold_any_json_value(source):
    assert rendered(source) == (json.loads(source) if source != "${$}" else rendered("${$}"))


@pytest.mark.parametrize(
    ("placeholder", "expected"),
    [
        ("${$.nothing}", ""),
        ("${$.none}", ""),
        ("${$.id}", "app-1"),
        ("${$.staff.lastName}", 'O"Neil\n'),
        ("${$.seats}", "3"),
        ("${$.price}", "12.50"),
        ("${$.rate}", "100000.0"),
        ("${$.big}", "1" + "0" * 30),
        ("${$.open}", "true"),
        ("${$.client}", '{"firstName":"Zoé"}'),
        ("${$.tags}", '["x","y"]'),
        ("${$.tags[*]}", '["x","y"]'),
        ("${$.one[*]}", "x"),
        ("${$.nulls[*]}", ""),
        ("${$.items[?@.n > 2]}", ""),
        ("${$.items[?@.n > 1].n}", "2"),
        ("${ $.id }", "app-1"),
        ("${$['a}b']}", "brace"),
        ('${$["a}b"]}', "brace"),
        ("${$.items[?(@.n == '}' || @.n == 2)].n}", "2"),
        ("${$['it\\'s }']}", ""),
    ],
)
def test_in_text_a_placeholder_gives_the_text_of_what_it_finds(placeholder, expected):
    within_quotes = rendered(f"[{json.dumps('<' + placeholder + '>')}]")
    assert (in_text(f"<{placeholder}>"), within_quotes) == (f"<{expected}>", [f"<{expected}>"])


@pytest.mark.parametrize(
    ("placeholder", "expected"),
    [
        ("${$.nothing}", None),
        ("${$.none}", None),
        ("${$.seats}", 3),
        ("${$.price}", Decimal("12.50")),
        ("${$.big}", 10**30),
        ("${$.id}", "app-1"),
        ("${$.open}", True),
        ("${$.client}", {"firstName": "Zoé"}),
        ("${$.tags[1]}", "y"),
        ("${$.tags[7]}", None),
        ("${$.tags[*]}", ["x", "y"]),
        ("${$.one[*]}", ["x"]),
        ("${$.nothing[*]}", []),
        ("${$['id','nothing']}", ["app-1"]),
        ("${$.items[?@.n == 2].n}", [2]),
        ('${$["first name"]}', "quoted"),
        ("${$['a}b']}", "brace"),
    ],
)
def test_outside_quotes_a_placeholder_gives_a_value_or_always_an_array(placeholder, expected):
    assert as_value(placeholder) == expected


def test_a_placeholder_within_quotes_may_be_written_with_json_escapes():
    assert rendered(r'["${$[\"first name\"]}", "${$[\u0027first\u0020name\u0027]\u007d!"]') == ["quoted", "quoted!"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$${$.id}", "${$.id}"),
        ("$$${$.id}", "$${$.id}"),
        ("$${a} ${$.id}", "${a} app-1"),
        ("${$.id}$${", "app-1${"),
        ("$ $$ {} $id }", "$ $$ {} $id }"),
        ("costs 5$", "costs 5$"),
        ("${$.id}${$.seats}", "app-13"),
    ],
)
def test_two_dollars_before_a_brace_are_a_literal(text, expected):
    assert (in_text(text), rendered(json.dumps(text))) == (expected, expected)


def test_an_escaped_dollar_within_quotes_starts_no_placeholder():
    assert rendered(r'["\u0024{$.id}"]') == ["${$.id}"]


def test_a_placeholder_may_stand_in_a_name_of_the_string_form():
    assert rendered('{"${$.id}": 1}') == {"app-1": 1}


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("", "line 1, column 1: this is not JSON"),
        ("{", "this is not JSON"),
        ("[1,]", "this is not JSON"),
        ("[01]", "this is not JSON"),
        ("\ufeff1", "this is not JSON"),
        ("[}", "this is not JSON"),
        ('{"a": 1${$.a}}', "line 1, column 8: this is not JSON"),
        ('{"a": ${$.a}1}', "line 1, column 13: this is not JSON"),
        ('{"a": -${$.a}}', "this is not JSON"),
        ('{"a": ${$.a}${$.b}}', "this is not JSON"),
        ('{"a": ${$.a}"b"}', "this is not JSON"),
        ("{${$.a}: 1}", "line 1, column 2: this is not JSON"),
        ('{"a": $${b}}', "a literal `${` stands within quotes only"),
        ("[NaN]", "NaN is not JSON"),
        ("[-Infinity]", "-Infinity is not JSON"),
        ("[1e999]", "1e999 is out of the range"),
        ('["\\u00${$.a}12"]', "line 1, column 3: this is not a JSON escape"),
        ('["\\u00\n"]', "this is not a JSON escape"),
        ('[\n"\\${$.a}"]', "line 2, column 2: this is not a JSON escape"),
        ('["\\ud83d${$.a}"]', "this is not a JSON escape"),
        ('["\\ude00"]', "this is not a JSON escape"),
        ('["a\tb"]', "line 1, column 4: a control character"),
        ('["a', "line 1, column 2: the string that starts here has no end"),
        ('["a\\', "this is not a JSON escape"),
        ('["${$.a"]', "line 1, column 3: the placeholder `${$.a` has no end"),
        ('["${$["a"]}"]', "line 1, column 3: the placeholder `${$[` has no end"),
        ("[${$.a", "line 1, column 2: the placeholder `${$.a` has no end"),
        ("[${$.a[}]", "has no end"),
        ("[${}]", "does not start with `$`"),
        ("[${$..a}]", "line 1, column 2: the placeholder `${$..a}`: `..` searches at any depth"),
        ("\ud800", "line 1, column 1: half of a surrogate pair"),
        ("[" * (MAX_TEMPLATE_DEPTH + 1), "column 101: nested deeper than 100"),
        (" " * MAX_SOURCE + "1", f"at most {MAX_SOURCE} are allowed"),
        ("[" + "${$},${$}," * (MAX_PLACEHOLDERS // 2) + "${$}]", f"more than {MAX_PLACEHOLDERS} placeholders"),
    ],
)
def test_a_string_that_could_give_no_json_is_refused_by_its_place(source, part):
    pointer, message = problems(source)[0]
    assert (pointer, part in message) == ("", True), message


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 2):
        value = [value]
    return {"v": value}


@pytest.mark.parametrize(
    ("source", "pointer", "part"),
    [
        ({"a": {"b/~": ["x", "${$..a}"]}}, "/a/b~1~0/1", "the placeholder `${$..a}`: `..` searches at any depth"),
        ({"a": "${$.a"}, "/a", "the placeholder `${$.a` has no end"),
        ({"a": "${$.b} ${"}, "/a", "has no end"),
        ({"a": "\ud83d${$.a}\ude00"}, "/a", "half of a surrogate pair"),
        ({"\ud800": 1}, "/\\ud800", "half of a surrogate pair"),
        ({1: 1}, "", "a name that is no text"),
        ({"a": float("nan")}, "/a", "nan is not a number in the range"),
        ({"a": Decimal("Infinity")}, "/a", "Infinity is not a number in the range"),
        ({"a": Decimal("sNaN")}, "/a", "sNaN is not a number in the range"),
        ({"a": Decimal("1e400")}, "/a", "1E+400 is not a number in the range"),
        ({"a": 10**5000}, "/a", "too many digits"),
        ({"a": b"x"}, "/a", "a bytes is not a JSON value"),
        (nested(MAX_TEMPLATE_DEPTH + 1), "/v" + "/0" * (MAX_TEMPLATE_DEPTH - 1), "nested deeper than 100"),
        ({"a": "x" * MAX_SOURCE}, "/a", f"longer than {MAX_SOURCE} bytes"),
        ({"a": ["x" * 1000] * 100}, "/a/65", f"longer than {MAX_SOURCE} bytes"),
        ({"a": "${$}" * MAX_PLACEHOLDERS, "b": "${$}"}, "/b", f"more than {MAX_PLACEHOLDERS} placeholders"),
        ([], "", "use a JSON object, or a string"),
        (None, "", "use a JSON object, or a string"),
    ],
    ids=itertools.count(),
)
def test_an_object_that_could_give_no_json_is_refused_by_its_pointer(source, pointer, part):
    ((where, message),) = problems(source)
    assert (where, part in message) == (pointer, True), message


def test_every_problem_of_a_template_is_named_at_once():
    in_object = problems({"a": "${$..a} ${x}", "b": ["${"], "c": "${$.fine}"})
    in_string = problems('{"a": "${$..a}\\x${x}",\n"b": ${$.a - b} 1}')
    assert ([pointer for pointer, _ in in_object], [message.split(":")[0] for _, message in in_string]) == (
        ["/a", "/a", "/b/0"],
        ["line 1, column 8", "line 1, column 15", "line 1, column 17", "line 2, column 6", "line 2, column 17"],
    )


def test_no_more_problems_are_named_than_anyone_reads():
    assert len(problems('"' + "\n" * 2 * MAX_PROBLEMS + '"')) == MAX_PROBLEMS


def test_a_template_as_large_as_allowed_compiles():
    source = json.dumps(["${$.id}"] * MAX_PLACEHOLDERS + ["x" * 40_000])
    deepest = nested(MAX_TEMPLATE_DEPTH)
    assert (len(rendered(source)), rendered(deepest), rendered(json.dumps(deepest))) == (1001, deepest, deepest)


def test_a_body_may_be_as_long_as_the_limit_and_no_longer():
    template = compile_template({"a": "${$.a}"})
    body = template.render({"a": "x" * 10}, limit=18)
    with pytest.raises(TemplateFailed, match="longer than 17 bytes"):
        template.render({"a": "x" * 10}, limit=17)
    with pytest.raises(TemplateFailed, match="longer than 1 bytes"):
        compile_template("{ }").render({}, limit=1)
    assert len(body) == 18


@dataclass
class CountingSlot:
    fills: list[Any] = field(default_factory=list)

    def fill(self, document, steps):
        self.fills.append((document, steps))
        return b"x" * 600_000


def test_a_body_over_the_limit_stops_as_soon_as_that_is_known():
    slot = CountingSlot()
    with pytest.raises(TemplateFailed):
        Template(b"", ((slot, b""),) * 1000).render({})
    assert len(slot.fills) == 2


def test_the_paths_of_one_template_share_their_steps():
    template = compile_template({"a": "${$.a[?@ > 9]}" * 1000})
    with pytest.raises(TemplateFailed, match="touches too many values"):
        template.render({"a": [1] * 1000})


@pytest.mark.parametrize(
    "value", ["\ud800", ["\ud800"], 10**5000, object()], ids=["half", "within", "digits", "object"]
)
def test_what_json_cannot_hold_fails_instead_of_giving_a_body(value):
    with pytest.raises(TemplateFailed, match="JSON cannot hold"):
        compile_template("${$.v}").render({"v": value})
    with pytest.raises(TemplateFailed, match="JSON cannot hold"):
        compile_template({"v": "${$.v}"}).render({"v": value})


def test_endless_nesting_fails_instead_of_giving_a_body():
    value: list[Any] = []
    value.append(value)
    with pytest.raises(TemplateFailed, match="JSON cannot hold"):
        compile_template("${$}").render(value)
