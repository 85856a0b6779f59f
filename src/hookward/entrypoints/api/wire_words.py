"""The closed sets of words that answers and query parameters hold, as the document lists them.

Answers are typed as texts, for that is what the domain gives; the words are the domain's own, so they cannot drift.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from hookward.domain.access import Scope
from hookward.domain.change import ChangeKind
from hookward.domain.delivery import DeliveryStatus
from hookward.domain.oauth import ClientAuthMethod, GrantType
from hookward.domain.outcome import ErrorKind
from hookward.domain.resource_type import BodyShape
from hookward.domain.watch import LevelDetails, StoreBodies, WatchMethod, WatchStatus


def _one_of(words: Iterable[str]) -> Meta:
    return Meta(extra_json_schema={"enum": [str(word) for word in words]})


EventWord = Annotated[str, _one_of(kind.word for kind in ChangeKind)]
DeliveryStatusWord = Annotated[str, _one_of(status.word for status in DeliveryStatus)]
WatchStatusWord = Annotated[str, _one_of(status.word for status in WatchStatus)]
MethodWord = Annotated[str, _one_of(WatchMethod.ALL)]
LevelDetailsWord = Annotated[str, _one_of(LevelDetails)]
StoreBodiesWord = Annotated[str, _one_of(StoreBodies)]
GrantWord = Annotated[str, _one_of(GrantType)]
ClientAuthWord = Annotated[str, _one_of(ClientAuthMethod)]
ErrorWord = Annotated[str, _one_of(ErrorKind)]
BodyWord = Annotated[str, _one_of(BodyShape)]
ScopeWord = Annotated[str, _one_of(Scope)]
