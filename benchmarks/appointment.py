"""The resource that all measurements publish: a medical appointment of one kilobyte."""

from __future__ import annotations

from typing import Any

import msgspec

BODY_BYTES = 1024
_PERSON = {
    "id": "c-5581",
    "firstName": "Zoë",
    "lastName": "Garçon",
    "email": "zoe.garcon@example.com",
    "timeZone": "Europe/Paris",
    "phone": "+33 1 99 00 45 67",
}
_APPOINTMENT: dict[str, Any] = {
    "id": "5f2c9e17ab30",
    "reference": "K7T-42Q",
    "company": {"id": "1042", "name": "Clinique des Tilleuls"},
    "service": {"id": "s-18", "name": "Conseil en audition"},
    "staff": {"id": "st-207", "firstName": "Åsa", "lastName": "Müller"},
    "client": _PERSON,
    "start": {"dateTime": "2026-11-20T10:15:00", "timeZone": "Europe/Paris"},
    "end": {"dateTime": "2026-11-20T10:45:00", "timeZone": "Europe/Paris"},
    "created": {"dateTime": "2026-11-02T18:20:09", "timeZone": "Europe/Paris"},
    "status": "accepted",
    "type": "normal",
    "paid": True,
    "price": {"amount": 47.5, "currency": "EUR"},
    "location": "videoconference",
    "notes": "",
}


def appointment() -> dict[str, Any]:
    """Return an appointment that is ``BODY_BYTES`` long as JSON."""
    missing = BODY_BYTES - len(msgspec.json.encode(_APPOINTMENT))
    words = "Prévoir dix minutes de plus si besoin. " * 20
    notes = words.encode()[:missing].decode(errors="ignore")
    notes += "." * (missing - len(notes.encode()))
    return {**_APPOINTMENT, "notes": notes}


def event(company: str) -> dict[str, Any]:
    """Return the published event: an update of it in the scope of one company."""
    return {
        "resourceType": "appointment",
        "scope": {"companyId": company},
        "event": "updated",
        "resource": appointment(),
    }
