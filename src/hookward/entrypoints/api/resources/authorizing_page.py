"""The page at the end of an authorization: no script, no link, nothing loaded, no referrer sent."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Final

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.55 system-ui, sans-serif; margin: 15vh auto; max-width: 36rem; padding: 0 1.25rem; }
h1 { font-size: 1.6rem; } p { overflow-wrap: anywhere; }
"""
_DIGEST = b64encode(sha256(_STYLE.encode()).digest()).decode()
PAGE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",  # the address of the page holds a code
    "X-Content-Type-Options": "nosniff",
}


def callback_page(title: str, text: str) -> str:
    """Return the whole page; ``title`` and ``text`` are escaped."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1><p>{escape(text)}</p></main></body></html>"
    )
