"""docs/reference/api.md lists every route, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from hookward.entrypoints.api.routes import ROUTES

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "api.md"


def test_the_reference_lists_every_route_with_its_scope() -> None:
    listed = re.findall(r"^\| `([A-Z]+)` \| `([^`]+)` \| (?:`(\w+)`|–) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    routes = [(route.method, route.path, route.scope.value if route.scope else "") for route in ROUTES]
    assert sorted(listed) == sorted(routes)
