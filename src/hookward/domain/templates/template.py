"""Templates: the ``schema`` of a watch, compiled once and rendered for every delivery.

Both forms, a JSON object and a string that holds JSON text, become one list of constant bytes and slots. Whatever
could make a body that is not strict JSON is refused here, so rendering need not check its result.
"""

from __future__ import annotations

from typing import Any

from hookward.domain.templates.compiler import TemplateBuilder
from hookward.domain.templates.object_form import compile_object
from hookward.domain.templates.rendering import Template
from hookward.domain.templates.text_form import compile_text

__all__ = ["Template", "compile_template"]


def compile_template(source: Any) -> Template:
    """Compile the decoded value of ``schema``.

    Raises ``Invalid`` with every problem that it has. Pointers are relative to the
    template: to the string value at fault in an object; to the whole of a string, whose messages name line and column.
    """
    builder = TemplateBuilder()
    match source:
        case dict():
            compile_object(source, builder)
        case str():
            compile_text(source, builder)
        case _:
            builder.problem("this is no template; use a JSON object, or a string that holds JSON text")
    return builder.build()
