"""The document as one page for people: server-rendered, without script, nothing loaded from elsewhere."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html import escape
from typing import Any

import msgspec

_METHODS = ("get", "post", "put", "patch", "delete")
_CODE = re.compile(r"`([^`]+)`")
_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentcolor 18%, transparent); --mute: 70%; }
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 2rem 1.25rem 6rem; }
h1 { font-size: 1.8rem; margin: 0; } h2 { margin: 2.5rem 0 .5rem; } h4 { margin: 1rem 0 .25rem; }
p { margin: .5rem 0; } a { color: inherit; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: 1rem 0; }
code, pre { font: 13px/1.5 ui-monospace, monospace; }
pre { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; max-height: 28rem; overflow: auto;
  padding: .75rem; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; padding: 0 .9rem; }
details > details { border-style: dashed; }
summary { cursor: pointer; overflow-wrap: anywhere; padding: .45rem 0 .45rem 1.2rem; text-indent: -1.2rem; }
summary b { display: inline-block; min-width: 4.8rem; text-indent: 0; }
summary span, .mute { opacity: .7; }
table { border-collapse: collapse; width: 100%; } .wide { overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .75rem .3rem 0; text-align: left; vertical-align: top; }
th { font-weight: 600; } td:first-child code { white-space: nowrap; }
"""


def policy_of() -> str:
    """The Content-Security-Policy of the page: its own style and nothing else."""
    digest = b64encode(sha256(_STYLE.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def make_page(document: dict[str, Any]) -> str:
    """The whole page."""
    return "".join(_page(document))


def _page(document: dict[str, Any]) -> Iterator[str]:
    info, components = document["info"], document["components"]
    title = escape(f"{info['title']} {info['version']}")
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<style>{_STYLE}</style></head><body><main><h1>{title}</h1>"
    yield "".join(f"<p>{_prose(each)}</p>" for each in info["description"].split("\n\n"))
    yield '<p>For machines: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p><nav>'
    names = [tag["name"] for tag in document["tags"]]
    yield "".join(f'<a href="#tag-{escape(name)}">{escape(name)}</a>' for name in names)
    yield '<a href="#keys">keys</a><a href="#schemas">schemas</a></nav>'
    for tag in document["tags"]:
        yield f'<h2 id="tag-{escape(tag["name"])}">{escape(tag["name"])}</h2>'
        yield f"<p>{_prose(tag.get('description', ''))}</p>"
        for path, methods in document["paths"].items():
            for method in _METHODS:
                if tag["name"] in methods.get(method, {}).get("tags", ()):
                    yield from _operation(method, path, methods[method], components)
    yield '<h2 id="keys">keys</h2><dl>'
    for name, scheme in components["securitySchemes"].items():
        yield f"<dt><b>{escape(name)}</b></dt><dd>{_prose(scheme['description'])}</dd>"
    yield '</dl><h2 id="schemas">schemas</h2>'
    for name, schema in components["schemas"].items():
        yield f'<details id="schema-{escape(name)}"><summary><b>{escape(name)}</b></summary>'
        yield from _schema(schema)
        yield "</details>"
    yield "</main></body></html>"


def _operation(method: str, path: str, operation: dict[str, Any], components: dict[str, Any]) -> Iterator[str]:
    yield f'<details id="{escape(operation["operationId"])}"><summary><b>{method.upper()}</b> '
    yield f"<code>{escape(path)}</code> <span>{escape(operation['summary'])}</span></summary>"
    yield f"<p>{_prose(operation['description'])}</p>"
    scope = operation.get("x-scope")
    yield f"<p class=mute>Needs a key with the scope {escape(scope)}.</p>" if scope else "<p class=mute>No key.</p>"
    parameters = [_resolved(each, components["parameters"]) for each in operation["parameters"]]
    yield "<h4>Parameters</h4>"
    yield from _table(
        ("name", "in", "type", ""),
        ((each["name"], each["in"], _kind(each["schema"]), each.get("description", "")) for each in parameters),
    )
    if "requestBody" in operation:
        left_out = "" if operation["requestBody"]["required"] else ", which may be left out"
        yield f"<h4>Body{left_out}</h4>"
        yield from _content(operation["requestBody"])
    yield "<h4>Answers</h4>"
    for status, response in operation["responses"].items():
        shown = _resolved(response, components["responses"])
        yield f"<details><summary><b>{status}</b> <span>{escape(shown['description'])}</span></summary>"
        yield f"<p>Headers: {', '.join(f'<code>{escape(name)}</code>' for name in shown['headers'])}</p>"
        yield from _content(shown)
        yield "</details>"
    yield "</details>"


def _content(holder: dict[str, Any]) -> Iterator[str]:
    kinds: list[tuple[dict[str, Any], list[str]]] = []
    for media, content in holder.get("content", {}).items():
        if kinds and kinds[-1][0] == content:
            kinds[-1][1].append(media)
        else:
            kinds.append((content, [media]))
    for content, names in kinds:
        shown = " or ".join(f"<code>{escape(name)}</code>" for name in names)
        yield f"<p>{shown} {_kind(content['schema'])}</p>"
        examples = {**content.get("examples", {})}
        if "example" in content:
            examples["example"] = {"value": content["example"]}
        for name, example in examples.items():
            yield f"<details><summary>{escape(name)}</summary>{_json(example['value'])}</details>"


def _schema(schema: dict[str, Any]) -> Iterator[str]:
    yield f"<p>{_prose(schema.get('description', ''))}</p>"
    if "properties" in schema:
        required = schema.get("required", ())
        yield from _table(
            ("property", "type", ""),
            (
                (name + (" *" if name in required else ""), _kind(inner), inner.get("description", ""))
                for name, inner in schema["properties"].items()
            ),
        )
    yield f"<details><summary>JSON Schema</summary>{_json(schema)}</details>"


def _table(heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    """The first column is code, the last prose; what stands between is HTML or a word."""
    yield '<div class="wide"><table><tr>' + "".join(f"<th>{head}</th>" for head in heads) + "</tr>"
    for first, *middle, last in rows:
        cells = "".join(f"<td>{cell}</td>" for cell in middle)
        yield f"<tr><td><code>{escape(first)}</code></td>{cells}<td>{_prose(last)}</td></tr>"
    yield "</table></div>"


def _kind(schema: dict[str, Any]) -> str:
    """A few words on what a schema takes."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if "enum" in schema:
        return " | ".join(f"<code>{escape(msgspec.json.encode(each).decode())}</code>" for each in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(_kind(each) for each in schema["anyOf"])
    kinds = schema.get("type", "any")
    words = escape(" | ".join(kinds) if isinstance(kinds, list) else kinds)
    if "items" in schema:
        words = words.replace("array", f"array of {_kind(schema['items'])}", 1)
    return words + (f" <code>{escape(schema['pattern'])}</code>" if "pattern" in schema else "")


def _resolved(value: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = components[value["$ref"].rpartition("/")[2]] if "$ref" in value else value
    return found


def _json(value: Any) -> str:
    return f"<pre>{escape(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())}</pre>"


def _prose(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))
