"""Render ``docs/reference/watch-properties.md`` from the table of watch properties.

python -m tests.unit.watches.property_page > docs/reference/watch-properties.md
"""

from __future__ import annotations

from collections.abc import Iterable

from hookward.domain.watches.properties import PROPERTIES, Property

_HEAD = """\
# Watch properties

Generated from `hookward.domain.watches.properties` by `python -m tests.unit.watches.property_page`; do not edit. Types,
limits and examples are in the OpenAPI document, the use of most properties in [watch.md](../how-to/watch.md).
"""


def page() -> str:
    """Return the page."""
    supported = [each for each in PROPERTIES if each.accepted is None]
    writable = [each for each in supported if each.writable]
    read_only = [each for each in supported if not each.writable]
    planned = [each for each in PROPERTIES if each.accepted is not None]
    return "\n".join([
        _HEAD,
        "## Writable\n",
        "A property that is left out, or null, has its default. `address` is required.\n",
        *_table(("property", "meaning", "default"), ((_name(each), _doc(each), each.default) for each in writable)),
        "\n## Read-only\n",
        "Ignored in requests, except `resourceType` and `scope`, which choose the resources of a new watch.\n",
        *_table(("property", "meaning"), ((_name(each), _doc(each)) for each in read_only)),
        "\n## Not supported yet\n",
        "Refused, unless they are null or have the value in the last column.\n",
        *_table(("property", "meaning", "accepted"), ((_name(each), _doc(each), _accepted(each)) for each in planned)),
        "",
    ])  # fmt: skip


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [_row(heads), _row(("---",) * len(heads)), *(_row(each) for each in rows)]


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _name(each: Property) -> str:
    return f"`{each.name}`"


def _doc(each: Property) -> str:
    return each.doc.replace("|", "\\|")


def _accepted(each: Property) -> str:
    return ", ".join(f"`{str(value).lower()}`" for value in each.accepted or ())


if __name__ == "__main__":
    print(page(), end="")
