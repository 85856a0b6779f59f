"""The five APIs' paths, and a scope of one's own to send to and to listen in."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from hookward.adapters.catalog import load_catalog
from tests.receiver import Receiver
from tests.service import Service, wait_until

SAMPLES: dict[str, dict[str, Any]] = {each.name: dict(each.sample) for each in load_catalog()}
CONFERENCE, QUEUE, APPOINTMENT = "conference.registration", "queue.registration", "appointment"
EVENT, SESSION = "event.registration", "event.registrationSession"

C = "/conferences/{own}/sessions/7/registrations"
Q = "/queues/{own}/registrations"
A = "/companies/{own}/appointments"
E = "/registrations/{own}"
S = "/Ams/{number}/Event/8814/EventRegistrationSessions"
WATCH = {
    CONFERENCE: C + "/watch", QUEUE: Q + "/watch", APPOINTMENT: A + "/watch", EVENT: E + "/watch",
    SESSION: S + "/watch",
}  # fmt: skip


class Own:
    """A scope of one test: a watch at the receiver hears what is published in it, and nothing else."""

    def __init__(self, service: Service, receiver: Receiver) -> None:
        self.service = service
        self.receiver = receiver
        self.own = uuid.uuid4().hex
        self.number = int(self.own[:12], 16)

    def path(self, template: str) -> str:
        return template.replace("{own}", self.own).replace("{number}", str(self.number))

    async def watch(self, name: str) -> None:
        given = {"address": f"{self.receiver.url}/{name}"}
        await self.service.ask("POST", self.path(WATCH[name]), expect=201, json=given)

    async def send(
        self, method: str, template: str, body: Any = None, **headers: str
    ) -> tuple[int, Any, Mapping[str, str]]:
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {} if data is None else {"Content-Type": "application/json"}
        path = self.path(template)
        sent = None if data is None else BytesIO(data)
        async with self.service.client.request(method, path, data=sent, headers={**given, **headers}) as answer:
            text = await answer.text()
            said = json.loads(text) if "json" in answer.content_type else text
            return answer.status, said, answer.headers

    async def heard(self, count: int = 1) -> list[dict[str, Any]]:
        """The documents that arrived, ``count`` of them."""
        await wait_until(lambda: len(self.receiver.requests) >= count)
        return [json.loads(received.body) for received in self.receiver.requests]

    async def heard_only(self, name: str) -> bool:
        """Whether an event published now is the only one that arrives."""
        scopes = {
            CONFERENCE: {"conferenceId": self.own, "sessionId": "7"}, QUEUE: {"queueId": self.own},
            APPOINTMENT: {"companyId": self.own}, EVENT: {"tenantId": self.own},
            SESSION: {"ClientID": self.number, "EventID": 8814},
        }  # fmt: skip
        last = {"resourceType": name, "scope": scopes[name], "event": "merged", "resource": SAMPLES[name]}
        await self.service.publish(last)
        return [each["event"] for each in await self.heard()] == ["merged"]
