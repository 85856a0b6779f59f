"""The list of rooms, and the rules on names, references and links that need no running service.

A room is a sub-package that belongs to one subject. It has the same name on every floor, and modules that belong to a
subject take their names from the same list (docs/glossary.md, docs/architecture.md).
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[3]
SRC = ROOT / "src" / "hookward"
DOCS = ROOT / "docs"

ROOMS = {
    "access": {"domain", "application"},
    "aio": {"application"},
    "crypto_keys": {"domain", "application"},
    "delivery": {"domain", "application"},
    "events": {"domain", "application"},
    "history": {"application", "adapters/postgres"},
    "jsonpath": {"domain"},
    "oauth": {"domain", "application"},
    "resource_types": {"domain", "application"},
    "sealing": {"application"},
    "signing": {"domain"},
    "templates": {"domain"},
    "watches": {"domain", "application"},
}
"""Each room, and the floors on which it is a sub-package."""

NOUNS = {
    "accounts", "api_keys", "authorizations", "credentials", "definition_version", "deliveries", "erasures", "jwks",
    "lanes", "leases", "outbox", "replays", "results", "retention", "watch_effects",
}  # fmt: skip
"""What a module may be called beside the rooms: the nouns of the glossary that are smaller than a room."""

TECHNICAL = {
    "adapters/postgres": {"migrate", "migrations", "pool", "sealed", "statements", "upkeep"},
    "adapters/postgres/history": {"paging", "search"},
    "entrypoints/api/resources": {"authorizing_page", "docs", "health", "history_params", "mirrored", "watch_schemas"},
}  # fmt: skip
"""What names no subject: connections, migrations, clean-up, pages and schemas that are a file of their own."""

SAME_NAME = {
    "main": "the entry of a program, called by its process",
    "migrate": "the command and what it runs",
    "serve": "the command and what it runs",
}
"""Public names that may stand in several modules, with the reason."""

SAME_LETTERS = {
    "accounts": "the command group `hookward accounts`, and the use case Accounts",
    "keys": "the command group `hookward keys`, and the selector Keys",
    "watches": "the command group `hookward watches`, and the use case Watches",
    "worker": "the command `hookward worker`, and the Worker",
}
"""Public names that may differ only by case and underscores: the command line names functions as its commands."""


class Definition(NamedTuple):
    name: str
    module: str
    kind: str


def children(folder: str) -> set[str]:
    """Return the names of the modules and packages in a folder of src/hookward."""
    found = (SRC / folder).iterdir()
    return {each.stem for each in found if each.suffix == ".py" or (each.is_dir() and any(each.glob("*.py")))} - {
        "__init__"
    }


def packages(folder: str) -> set[str]:
    return {each.name for each in (SRC / folder).iterdir() if (each / "__init__.py").is_file()}


def value_kind(value: ast.expr | None) -> str:
    called = value.func if isinstance(value, ast.Call) else None
    return "type variable" if isinstance(called, ast.Name) and called.id in {"TypeVar", "ParamSpec"} else "value"


def is_for_one_module(each: Definition) -> bool:
    """Return whether a name belongs to its module: a type variable, or a constant, as each store's ``SQL`` is."""
    return each.kind == "type variable" or (each.kind == "value" and each.name.isupper())


def defined(body: list[ast.stmt], module: str) -> Iterator[Definition]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield Definition(node.name, module, "class")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Definition(node.name, module, "function")
        elif isinstance(node, ast.Assign):
            kind = value_kind(node.value)
            yield from (Definition(each.id, module, kind) for each in node.targets if isinstance(each, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield Definition(node.target.id, module, value_kind(node.value))
        elif isinstance(node, ast.If | ast.Try):
            yield from defined(node.body, module)


@cache
def definitions() -> tuple[Definition, ...]:
    """Return the public names that stand at the top of a module of src/hookward."""
    found: set[Definition] = set()
    for path in sorted(SRC.rglob("*.py")):
        module = path.relative_to(SRC).with_suffix("").as_posix()
        if "migrations/" not in module:
            found |= {
                each
                for each in defined(ast.parse(path.read_text("utf-8")).body, module)
                if not each.name.startswith("_")
            }
    return tuple(sorted(found))


def named(*suffixes: str) -> list[Path]:
    """Return our own files with one of these suffixes: source, tests, benchmarks, docs and the pages at the top."""
    inside = (path for top in ("src", "tests", "benchmarks", "docs", ".github") for path in (ROOT / top).rglob("*"))
    ours = (path for path in (*inside, *ROOT.glob("*")) if path.suffix in suffixes and path.is_file())
    return sorted(path for path in ours if "node_modules" not in path.parts)


@pytest.mark.parametrize("floor", ["domain", "application"])
def test_the_sub_packages_of_a_floor_are_rooms_of_the_list(floor: str) -> None:
    assert packages(floor) == {room for room, floors in ROOMS.items() if floor in floors}


@pytest.mark.parametrize("folder", TECHNICAL)
def test_modules_of_stores_and_resources_are_called_after_a_room_or_a_noun(folder: str) -> None:
    assert children(folder) - {*ROOMS, *NOUNS} - TECHNICAL[folder] == set()


@pytest.mark.parametrize("folder", TECHNICAL)
def test_no_technical_name_is_listed_that_is_gone(folder: str) -> None:
    assert TECHNICAL[folder] - children(folder) == set()


def test_unit_tests_are_kept_in_the_rooms_of_what_they_test() -> None:
    groups = {each.name for each in (ROOT / "tests/unit").iterdir() if (each / "__init__.py").is_file()}
    assert groups - {*ROOMS, "adapters", "api", "cli", "service"} == set()


def test_the_glossary_lists_every_room_with_its_floors() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+?) \| ", (DOCS / "glossary.md").read_text("utf-8"), re.MULTILINE)
    listed = {room: set(floors.split(", ")) for room, floors in rows}
    assert listed == ROOMS


def test_no_public_class_function_or_type_alias_stands_for_two_things() -> None:
    places = defaultdict(list)
    for each in definitions():
        if not is_for_one_module(each):
            places[each.name].append(each.module)
    twice = {name: modules for name, modules in places.items() if len(modules) > 1 and name not in SAME_NAME}
    assert twice == {}


def test_no_two_public_names_differ_by_case_and_underscores_alone() -> None:
    spellings = defaultdict(set)
    for each in definitions():
        spellings[each.name.lower().replace("_", "")].add(each.name)
    alike = [names for lower, names in spellings.items() if len(names) > 1 and lower not in SAME_LETTERS]
    assert alike == []


def test_every_package_says_what_lives_in_it() -> None:
    silent = [
        str(each.relative_to(SRC))
        for each in SRC.rglob("__init__.py")
        if not ast.get_docstring(ast.parse(each.read_text("utf-8")))
    ]
    assert silent == []


def test_every_promise_that_is_cited_is_defined() -> None:
    promises = set(re.findall(r"^## (G\d+)\b", (DOCS / "promises.md").read_text("utf-8"), re.MULTILINE))
    cited = {
        match
        for path in named(".py", ".md", ".sql", ".toml")
        for match in re.findall(r"\bG\d{1,2}\b", path.read_text("utf-8"))
    }
    assert promises == {f"G{number}" for number in range(1, 13)}
    assert cited - promises == set()


def test_every_decision_that_is_cited_is_there() -> None:
    records = {int(each.name[:4]) for each in (DOCS / "decisions").glob("[0-9]*.md")}
    cited = {
        int(number)
        for path in named(".py", ".md", ".sql", ".toml")
        for number in re.findall(r"\b(?:ADR|decision) (\d+)\b", path.read_text("utf-8"))
    }
    assert cited - records == set()


def anchors(page: Path) -> set[str]:
    """Return what a link may name behind ``#``: the headings of a page, as the usual renderers write them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [str(each.relative_to(ROOT)) for each in named(".md")])
def test_every_relative_link_leads_somewhere(page: str) -> None:
    lost = []
    for link in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text("utf-8")):
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        if re.match(r"[a-z]+:", link):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


def qualified(tree: ast.AST, prefix: str = "") -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from qualified(node, f"{prefix}{node.name}.")


STEPS = re.compile(r"^\| *\d+\w* *\| `([\w/]+\.py)` \| ([^|]+) \|", re.MULTILINE)


def test_every_step_of_the_walks_names_functions_that_are_there() -> None:
    lost = []
    steps = STEPS.findall((DOCS / "architecture.md").read_text("utf-8"))
    for file, functions in steps:
        path = SRC / file
        known = set(qualified(ast.parse(path.read_text("utf-8")))) if path.is_file() else set()
        lost += [f"{file} {name}" for name in re.findall(r"`([\w.]+)`", functions) if name not in known]
    assert lost == []
    assert len(steps) > 40


def test_paths_of_the_source_that_docs_name_are_there() -> None:
    named_paths = {
        (str(page.relative_to(ROOT)), path)
        for page in named(".md")
        for path in re.findall(
            r"`((?:domain|application(?!/json|/problem)|adapters|entrypoints|bootstrap)/[\w/.]*\w)/?`",
            page.read_text("utf-8"),
        )
    }
    lost = [each for each in named_paths if not any((SRC / f"{each[1]}{end}").exists() for end in ("", ".py"))]
    assert sorted(lost) == []
