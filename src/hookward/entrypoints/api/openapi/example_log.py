"""What the document shows of the log: deliveries, events, replays, erasures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookward.entrypoints.api.resources import deliveries, erasures, events, replays

EVENT = "evt_01935c1f6a7d7c3e8b1f0c9d2e4a6b80"
WATCH = "wat_01935c1f5d207a118c42be6f00d1e2a7"
DELIVERY = "dlv_01935c1f6a7d74409f0aa51b3c6d7e88"
MADE, SENT = "2026-11-20T09:14:02.512Z", "2026-11-20T09:15:30.004Z"
ADDRESS = "https://example.com/hooks/appointments"

_BRIEF = {"id": EVENT, "resourceType": "appointment", "event": "updated", "resourceId": "a-1001"}
_WATCH_BRIEF = {"id": WATCH, "name": "calendar sync", "address": ADDRESS}
_ITEM = {
    "id": DELIVERY,
    "status": "delivered",
    "statusReason": None,
    "event": _BRIEF,
    "watch": _WATCH_BRIEF,
    "attemptCount": 1,
    "created": SENT,
    "nextAttempt": None,
    "finished": "2026-11-20T09:15:30.061Z",
    "lastStatusCode": 200,
    "lastError": None,
}
_ATTEMPT = {
    "number": 1,
    "sent": SENT,
    "durationMs": 48.2,
    "request": {
        "method": "POST",
        "address": ADDRESS,
        "headers": {"Content-Type": "application/json", "webhook-id": DELIVERY, "X-Team": "***"},
        "body": '{"id":"a-1001","event":"updated"}',
    },
    "response": {"statusCode": 200, "headers": {"Content-Type": "text/plain"}, "body": "ok", "truncated": False},
    "error": None,
    "remoteAddress": "203.0.113.7:443",
}
_TIMED_OUT = {
    **_ATTEMPT,
    "durationMs": 15000.4,
    "response": None,
    "error": {"type": "timeout", "message": "no answer within 15s"},
}
_EVENT_ITEM = {
    **_BRIEF,
    "scope": {"companyId": "42"},
    "state": "matched",
    "created": SENT,
    "occurredAt": None,
    "timeZone": "Europe/Paris",
    "erased": False,
    "deliveryCount": 1,
    "deliveriesByStatus": {"delivered": 1},
}
_ERASURE = {
    "id": "ers_01935c1f7b3c7e2aa4d0c1b2e3f40516",
    "status": "running",
    "events": 12,
    "deliveries": 30,
    "created": MADE,
    "finished": None,
}

LOG_EXAMPLES: Mapping[Any, Mapping[str, Any]] = {
    deliveries.AttemptOut: {"delivered": _ATTEMPT, "timed out": _TIMED_OUT},
    deliveries.DeliveryOut: {"delivered": {**_ITEM, "attempts": [_ATTEMPT]}},
    deliveries.DeliveryListOut: {"page": {"data": [_ITEM], "nextCursor": None, "prevCursor": None}},
    events.EventListOut: {"page": {"data": [_EVENT_ITEM], "nextCursor": None, "prevCursor": None}},
    events.EventOut: {
        "matched": {
            **_EVENT_ITEM,
            "resource": {"id": "a-1001", "name": "Consultation"},
            "previousData": None,
            "extraFull": None,
            "watches": [_WATCH_BRIEF],
            "deliveries": [_ITEM],
            "moreDeliveries": None,
        }
    },
    replays.ReplayCreate: {"apart": {"newId": True}},
    replays.ReplayOut: {"accepted": {"id": DELIVERY}},
    erasures.ErasureCreate: {"one": {"resourceType": "appointment", "resourceId": "gone-1001"}},
    erasures.ErasureOut: {
        "running": _ERASURE,
        "done": {**_ERASURE, "status": "done", "finished": "2026-11-20T09:14:03.220Z"},
    },
}
