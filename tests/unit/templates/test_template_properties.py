import json
from dataclasses import dataclass
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonpath_ng.ext.parser import parse as reference_parse

from hookward.domain.errors import Invalid, TemplateFailed
from hookward.domain.templates.template import compile_template
from tests.unit.events.json_strategies import documents, objects, paths, singular_paths, texts


@dataclass
class Typed:
    """A placeholder outside quotes; ``plural`` paths give arrays."""

    path: str
    plural: bool


@dataclass
class Reference:
    """A placeholder in a text."""

    path: str


constants = st.text(st.sampled_from("ab é\"\\\n\u2028😀}'"), max_size=6)
references = (singular_paths | paths).map(Reference)
pieces = st.lists(constants | references | st.just("${"), max_size=4)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)


def trees(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
    )


class Text(tuple[str | Reference, ...]):
    """Pieces of one string value."""

    __slots__ = ()


object_trees = st.dictionaries(texts, trees(plain | pieces.map(Text)), max_size=3)
typed = st.builds(Typed, singular_paths, st.just(False)) | st.builds(
    lambda path: Typed(path + "[*]", True), paths | singular_paths
)
string_trees = trees(plain | pieces.map(Text) | typed)


def matches(path: str, document: Any) -> list[Any]:
    return [match.value for match in reference_parse(path).find(document)]


def text_of(found: list[Any]) -> str:
    value = found[0] if len(found) == 1 else (found or None)
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def expected(tree: Any, document: Any) -> Any:
    match tree:
        case Typed(path=path, plural=plural):
            found = matches(path, document)
            return found if plural else (found or [None])[0]
        case Text():
            return "".join(p if isinstance(p, str) else text_of(matches(p.path, document)) for p in tree)
        case dict():
            return {name: expected(member, document) for name, member in tree.items()}
        case list():
            return [expected(element, document) for element in tree]
        case _:
            return tree


def written(pieces_of_text: Text) -> str:
    return "".join(
        f"${{{piece.path}}}" if isinstance(piece, Reference) else piece.replace("${", "$${") for piece in pieces_of_text
    )


def as_object(tree: Any) -> Any:
    match tree:
        case Text():
            return written(tree)
        case dict():
            return {name: as_object(member) for name, member in tree.items()}
        case list():
            return [as_object(element) for element in tree]
        case _:
            return tree


def as_string(tree: Any) -> str:
    match tree:
        case Typed(path=path):
            return f" ${{{path}}}"
        case Text():
            return json.dumps(written(tree))
        case dict():
            return (
                "{"
                + ",".join(
                    f"{json.dumps(name.replace('${', '$${'))}:{as_string(member)}" for name, member in tree.items()
                )
                + "}"
            )
        case list():
            return f"[\n{', '.join(map(as_string, tree))}]"
        case _:
            return json.dumps(tree)


def refuse(name: str) -> Any:
    raise AssertionError(name)


def strictly_decoded(body: bytes) -> Any:
    value = json.loads(body.decode(), parse_constant=refuse)
    msgspec.json.encode(value)
    return value


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@given(object_trees, documents)
def test_an_object_renders_as_a_naive_reading_of_it(tree, document):
    body = compile_template(as_object(tree)).render(document)
    assert canonical(strictly_decoded(body)) == canonical(expected(tree, document))


@given(string_trees, documents)
def test_a_string_renders_as_a_naive_reading_of_it(tree, document):
    body = compile_template(as_string(tree)).render(document)
    assert canonical(strictly_decoded(body)) == canonical(expected(tree, document))


TOKENS = [
    *'{}[]:,"$\\ \n',
    *("${$.a}", "${$.a[*]}", "${$.b[0]}", "$${", "${", '"x"', '"a":', "null", "1", "-", "1.5e3", "true", "u00", "12"),
    *("\\u00e9", "\\ud83d", "\\ude00", "\ud83d", "\\n", "$['a}b']", "$..a", "'", "é", "\t", "NaN", "\\u0022", "\ufeff"),
]
token_texts = st.lists(st.sampled_from(TOKENS), max_size=14).map("".join)
quoted_token_texts = token_texts.map(lambda text: f'"{text}"')
wrapped_token_texts = st.builds('{{"a": {}, "b": "{}"}}'.format, token_texts, token_texts)


@settings(max_examples=400)
@given(token_texts | quoted_token_texts | wrapped_token_texts, objects)
def test_any_string_is_refused_or_gives_strict_json_for_any_document(source, document):
    try:
        template = compile_template(source)
    except Invalid as refused:
        assert_named(refused)
        return
    strictly_decoded(template.render(document))


object_sources = trees(plain | token_texts | st.floats() | st.decimals() | st.binary(max_size=2))


@given(st.dictionaries(texts | token_texts | st.integers(), object_sources, max_size=4) | object_sources, objects)
def test_any_value_is_refused_or_gives_strict_json_for_any_document(source, document):
    try:
        template = compile_template(source)
    except Invalid as refused:
        assert_named(refused)
        return
    strictly_decoded(template.render(document))


def assert_named(refused: Invalid) -> None:
    assert refused.problems
    for problem in refused.problems:
        assert problem.pointer is not None
        (problem.message + problem.pointer).encode()


@given(string_trees, documents, st.integers(0, 60))
def test_a_body_is_never_longer_than_the_limit(tree, document, limit):
    template = compile_template(as_string(tree))
    try:
        body = template.render(document, limit=limit)
    except TemplateFailed:
        assert len(template.render(document)) > limit
        return
    assert len(body) <= limit
