"""How to find the events of a list: by themselves, or by their deliveries where a filter is about those.

A delivery has its event's time, so a walk over deliveries meets events in their order, to the millisecond. A replay
with an id of its own has not: it stands where its event does.
"""

from __future__ import annotations

from dataclasses import dataclass

from hookward.adapters.postgres.log_search import (
    MAX_ARMS,
    SCAN,
    is_id_prefix,
    span_of,
    status_arms,
    text_window,
    watches_meant,
    watches_seen,
)
from hookward.adapters.postgres.pages import GREATER, Arm, Values, Walk, id_before, id_behind
from hookward.adapters.postgres.pool import Database
from hookward.application.log import EventQuery
from hookward.domain.ids import Prefix, millisecond_of

EVENT_SCAN = SCAN // 2
"""How many rows a page may look at: of deliveries it always looks at so many, to find each event but once."""

_COLUMNS = "account_id, event_id, watch_id, resource_type, kind, resource_id, status, last_code, last_error"
_OWN = f"(SELECT id, id AS own_id, {_COLUMNS} FROM delivery WHERE replay_of IS NULL)"
_REPLAYS = f"(SELECT event_id AS id, id AS own_id, {_COLUMNS} FROM delivery WHERE replay_of IS NOT NULL)"

# Bodies are looked at as far as their first 64 KiB: what is kept compressed is opened no further.
_TEXT = "(position({q} in d.resource_id) > 0 OR position({q} in substring({body} from 1 for 65536)) > 0)"
_BODY_OF = "(SELECT e.body FROM event e WHERE e.id = d.event_id)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What one of an event's deliveries must be like: ``{d}`` stands for it.

    ``named`` is a condition on the ids of those that are no replays: there is an index for it.
    """

    conditions: list[str]
    watches: list[bytes] | None
    named: str

    def of(self, name: str) -> list[str]:
        return [each.replace("{d}", name) for each in self.conditions]


async def walk_of_events(
    database: Database, query: EventQuery, *, now_ms: int, scan: int, text_scan: int
) -> tuple[Walk | None, tuple[int, int] | None]:
    """The walk, ``None`` where nothing can be found; and the window of time in which a text is looked for."""
    low, high = span_of(query.since_ms, query.until_ms)
    walk = Walk(arms=[], values=Values(), low=low, high=high, scan=scan)
    walk.checks = _checks(query, walk.values)
    if query.event is not None:
        _narrow(walk, query.event, query.event)
    meant = None if query.search is None else await watches_meant(database, query.account, query.search)
    wanted = await _wanted(database, walk.values, query, meant)
    account = walk.values.add(query.account)
    if wanted is None:
        walk.arms = [Arm("event", f"d.account_id = {account}")]
        if query.event is not None:
            walk.low, walk.high = max(walk.low, id_before(query.event)), min(walk.high, id_behind(query.event))
    elif wanted.watches == []:
        return None, None
    else:
        _drive(walk, wanted, query, account)
    if query.search is None or meant is not None:
        return walk, None
    return walk, _search(walk, query, query.search, now_ms, text_scan)


def _checks(query: EventQuery, values: Values) -> list[str]:
    """The conditions on the event that no index helps with: deliveries carry these as well."""
    pairs: list[tuple[str, object]] = [
        ("resource_type", query.resource_type),
        ("resource_id", None if query.resource_id is None else query.resource_id.encode()),
        ("kind", None if query.kind is None else int(query.kind)),
    ]
    return [f"d.{column} = {values.add(value)}" for column, value in pairs if value is not None]


async def _wanted(database: Database, values: Values, query: EventQuery, meant: list[bytes] | None) -> _Wanted | None:
    """What a delivery must be like; ``None`` when nothing is asked of deliveries."""
    pairs: list[tuple[str, object]] = [("last_code", query.code), ("last_error", query.error)]
    conditions = [f"{{d}}.{column} = {values.add(value)}" for column, value in pairs if value is not None]
    if query.status is not None:
        conditions.append(f"{{d}}.status = {int(query.status)}")  # said, not passed: there is an index for some
    found = None if query.search is None else is_id_prefix(query.search)
    named = ""
    if found is not None and found[0] is Prefix.DELIVERY:
        span = f"BETWEEN {values.add(found[1])} AND {values.add(found[2])}"
        conditions.append(f"{{d}}.own_id {span}")
        named = f" AND d.id {span}"
    watches: list[bytes] | None = None if query.watch is None else [query.watch]
    if meant is not None:
        watches = meant if watches is None else [id_ for id_ in watches if id_ in meant]
    watches = await watches_seen(database, query.account, query.owner, watches)
    if watches is not None:
        conditions.append(f"{{d}}.watch_id = ANY({values.add(watches)}::uuid[])")
    elif query.owner is not None:
        account, owner = values.add(query.account), values.add(query.owner)
        conditions.append(
            "EXISTS (SELECT 1 FROM watch c "
            f"WHERE c.id = {{d}}.watch_id AND c.account_id = {account} AND c.owner = {owner})"
        )
    return _Wanted(conditions=conditions, watches=watches, named=named) if conditions else None


def _drive(walk: Walk, wanted: _Wanted, query: EventQuery, account: str) -> None:
    """Let deliveries lead to events: each is found where its first delivery is that is like this."""
    of_account = f"d.account_id = {account}"
    if wanted.watches is not None and len(wanted.watches) <= MAX_ARMS:
        walk.arms = [Arm(_OWN, f"d.watch_id = o.id{wanted.named}", wanted.watches)]
    else:
        arms, _ = status_arms(query.status, query.code, query.error)
        walk.arms = [Arm(_OWN, f"{of_account}{status}{wanted.named}") for status in arms]
    walk.arms.append(Arm(_REPLAYS, of_account))
    walk.checks += wanted.of("d")
    if query.event is not None:
        walk.checks.append(f"d.event_id = {walk.values.add(query.event)}")
    walk.once = "event_id"
    like = " AND ".join([f"x.account_id = {account}", f"x.id {GREATER}", *wanted.of("x")])
    walk.once_seen = " UNION ALL ".join(f"SELECT x.event_id FROM {table} x WHERE {like}" for table in (_OWN, _REPLAYS))


def _search(walk: Walk, query: EventQuery, text: str, now_ms: int, text_scan: int) -> tuple[int, int] | None:
    """Narrow a walk to what ``q`` says, if that names no watches; answers the window of time of a text."""
    event = "d.id" if walk.once is None else "d.event_id"
    if (found := is_id_prefix(text)) is not None:
        if found[0] is Prefix.EVENT:
            walk.checks.append(f"{event} BETWEEN {walk.values.add(found[1])} AND {walk.values.add(found[2])}")
            _narrow(walk, found[1], found[2])
        return None
    window = text_window(query.since_ms, query.until_ms, now_ms)
    low, high = span_of(*window)
    walk.low, walk.high = max(walk.low, low), min(walk.high, high)
    walk.scan = text_scan
    body = "d.body" if walk.once is None else _BODY_OF
    walk.checks.append(_TEXT.format(q=walk.values.add(text.encode()), body=body))
    return window


def _narrow(walk: Walk, least: bytes, greatest: bytes) -> None:
    """Look no further than the milliseconds of these events."""
    walk.low = max(walk.low, id_before(millisecond_of(least)[0]))
    walk.high = min(walk.high, id_behind(millisecond_of(greatest)[1]))
