"""The compiler that both forms of a template use: it collects constants, placeholders and problems."""

from __future__ import annotations

from typing import Final, NoReturn

from hookward.domain.errors import Invalid, Problem
from hookward.domain.jsonpath.path import JsonPath, compile_path
from hookward.domain.problems import quoted
from hookward.domain.templates.rendering import Slot, Template, slot_for

MAX_SOURCE: Final = 64 * 1024
MAX_PLACEHOLDERS: Final = 1000
MAX_TEMPLATE_DEPTH: Final = 100
MAX_PROBLEMS: Final = 1000


class TemplateBuilder:
    """Collects constants, placeholders and problems in the order of the source."""

    def __init__(self) -> None:
        self._constants = [bytearray()]
        self._slots: list[Slot] = []
        self._paths: dict[str, JsonPath] = {}
        self._placeholders = 0
        self._problems: list[Problem] = []

    def constant(self, encoded: bytes) -> None:
        """Add bytes that are the same in every body."""
        self._constants[-1] += encoded

    def placeholder(self, text: str, *, typed: bool, pointer: str = "", place: str = "") -> None:
        """Add a placeholder by the text of its path. Its problems start with ``place``."""
        self._placeholders += 1
        if self._placeholders > MAX_PLACEHOLDERS:
            self.give_up(f"the template has more than {MAX_PLACEHOLDERS} placeholders; use fewer", pointer)
        try:
            path = self._paths.get(text) or compile_path(text)
        except Invalid as error:
            for problem in error.problems:
                self.problem(f"{place}the placeholder `${{{quoted(text)}}}`: {problem.message}", pointer)
            return
        self._paths[text] = path
        self._slots.append(slot_for(path, typed=typed))
        self._constants.append(bytearray())

    def problem(self, message: str, pointer: str = "") -> None:
        """Add a problem and continue, until there are ``MAX_PROBLEMS``."""
        self._problems.append(Problem(message=message, pointer=quoted(pointer, 1000)))
        if len(self._problems) == MAX_PROBLEMS:
            self._refuse()

    def give_up(self, message: str, pointer: str = "") -> NoReturn:
        """Add a problem after which the rest cannot be read. Raises Invalid."""
        self.problem(message, pointer)
        self._refuse()

    def build(self) -> Template:
        """Return the template. Raises Invalid with every problem."""
        if self._problems:
            self._refuse()
        head, *constants = map(bytes, self._constants)
        return Template(head, tuple(zip(self._slots, constants, strict=True)))

    def _refuse(self) -> NoReturn:
        raise Invalid("the template cannot be used", tuple(self._problems))
