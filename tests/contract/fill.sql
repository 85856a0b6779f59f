-- 200,000 of everything over yesterday, today and tomorrow, and 5,000 from long ago in the default partitions.
CREATE FUNCTION id_of(ms bigint, what text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT (lpad(to_hex(ms), 12, '0') || '7' || substr(md5(what), 1, 3) || 'b' || substr(md5(what), 4, 15))::uuid $$;

CREATE TABLE n AS
SELECT n, CASE WHEN n <= 5000 THEN (today - 20) * 86400000 + n ELSE (today - 1) * 86400000 + (n - 1) * 1296::bigint END AS ms,
  CASE WHEN n % 20 = 0 THEN 2 + n / 20 % 99 ELSE 1 END AS account,
  CASE WHEN n % 4 = 0 THEN 1 ELSE 1 + n % 20000 END AS lane
FROM generate_series(1, 200000) n, (SELECT floor(extract(epoch FROM now()) / 86400)::bigint AS today) t;

INSERT INTO account (id, name) SELECT n, 'account ' || n FROM generate_series(2, 100) n;
UPDATE definition_version SET version = 20000;
INSERT INTO lane (account_id, watch_id, slots, in_use, behind, wake_at)
SELECT 1 + n % 100, id_of(1, 'watch ' || n), 16, 1, n % 2 = 0, now() - n * interval '1 second'
FROM generate_series(1, 20000) n ORDER BY n;
INSERT INTO watch (id, account_id, resource_type, status, definition, lane_id, active_since, version)
SELECT id_of(1, 'watch ' || n), 1 + n % 100, 'appointment', 1, '{}', n, n, n FROM generate_series(1, 20000) n;
INSERT INTO lease (until, worker) SELECT now() + interval '1 day', 'worker ' || n FROM generate_series(1, 20) n;
INSERT INTO lane_grant (lane_id, token, n) SELECT n, 1 + n % 20, 1 FROM generate_series(1, 20000) n;

INSERT INTO event (id, account_id, resource_type, type_version, kind, version, scope, resource_id, body)
SELECT id_of(ms, 'event ' || n), account, 'appointment', 1, 2, 1, '{}', '7', convert_to(repeat('x', 200), 'UTF8') FROM n;
INSERT INTO outbox (account_id, version, events, bytes, token)
SELECT account, 1, ARRAY[id_of(ms, 'event ' || n)], 200, CASE WHEN n % 100 = 0 THEN 1 + n / 100 % 20 END FROM n ORDER BY n;
INSERT INTO idempotency (account_id, key, event_id, digest, until)
SELECT account, convert_to('key ' || n, 'UTF8'), id_of(ms, 'event ' || n), '', now() + interval '1 hour' FROM n;
INSERT INTO delivery (id, account_id, event_id, watch_id, resource_type, kind, resource_id, status, attempts)
SELECT id_of(ms, 'delivery ' || n), account, id_of(ms, 'event ' || n), id_of(1, 'watch ' || lane), 'appointment', 2, '7',
  CASE WHEN n % 10 = 0 THEN 1 + n / 10 % 5 ELSE 3 END, 1 FROM n;
INSERT INTO attempt (delivery_id, number, sent, duration_us, code, request, truncated)
SELECT id_of(ms, 'delivery ' || n), 1, now(), 1, 200, '{}', false FROM n;
INSERT INTO payload (delivery_id, method, address, body)
SELECT id_of(ms, 'delivery ' || n), 'POST', '', convert_to(repeat('x', 200), 'UTF8') FROM n;
INSERT INTO waiting (delivery_id, lane_id, event_id, due_at, number, token)
SELECT id_of(ms, 'delivery ' || n), lane, id_of(ms, 'event ' || n), now() + (n % 1000 - 500) * interval '1 second', 2,
  CASE WHEN n % 100 = 1 THEN 1 + n / 100 % 20 END FROM n;
ANALYZE;
