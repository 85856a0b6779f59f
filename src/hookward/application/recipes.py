"""Recipes: what it takes time to work out of a watch's definition, kept while the definition is the same.

A template may take a third of a second to compile, and plans are made anew whenever a key changes.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from hookward.domain.address_template import AddressTemplate, compile_address, has_placeholder
from hookward.domain.duration import parse_duration
from hookward.domain.ids import WatchId
from hookward.domain.template import Template, compile_template
from hookward.domain.watch import WatchDefinition, WatchMethod

MAX_RECIPES = 4096


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """``template`` is ``None`` where the body, if any, is the document itself, ``place`` where the address is fixed.
    ``schedule`` and ``timeout`` (in seconds) are ``None`` where the defaults apply.
    """

    template: Template | None
    place: AddressTemplate | None
    schedule: tuple[float, ...] | None
    timeout: float | None


class Recipes:
    """Recipes by watch, at most a few thousand (G12)."""

    def __init__(self) -> None:
        self._recipes: OrderedDict[WatchId, tuple[int, Recipe]] = OrderedDict()

    def get(self, watch: WatchId, version: int, definition: WatchDefinition) -> Recipe:
        """The recipe of a watch at a version; raises Invalid for what could not be saved today."""
        known = self._recipes.get(watch)
        if known is not None and known[0] == version:
            self._recipes.move_to_end(watch)
            return known[1]
        recipe = _make(definition)
        self._recipes[watch] = (version, recipe)
        self._recipes.move_to_end(watch)
        if len(self._recipes) > MAX_RECIPES:
            self._recipes.popitem(last=False)
        return recipe


def _make(definition: WatchDefinition) -> Recipe:
    templated = definition.schema is not msgspec.UNSET and definition.method not in WatchMethod.WITHOUT_BODY
    return Recipe(
        template=compile_template(definition.schema) if templated else None,
        place=compile_address(definition.address) if has_placeholder(definition.address) else None,
        schedule=None if definition.retry is None else tuple([parse_duration(wait) for wait in definition.retry]),
        timeout=None if definition.timeout is None else parse_duration(definition.timeout),
    )
