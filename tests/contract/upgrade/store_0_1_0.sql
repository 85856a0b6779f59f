-- A store as release 0.1.0 leaves it: three accounts with three watches each; of each account 100 deliveries that have
-- arrived, 60 that wait and are due, 20 that are due within three seconds, 10 that are due in an hour, and 30 events
-- that no worker has seen.
CREATE FUNCTION pg_temp.id_of(what text) RETURNS uuid LANGUAGE sql AS $$
  SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - 60000), 12, '0') || '7' || substr(md5(what), 1, 3)
    || 'b' || substr(md5(what), 4, 15))::uuid $$;

INSERT INTO account (id, name, zone) VALUES (2, 'second', 'Europe/Paris'), (3, 'third', NULL);
UPDATE definition_version SET version = 40;
INSERT INTO lane (account_id, watch_id) SELECT 1 + n % 3, pg_temp.id_of('watch ' || n) FROM generate_series(1, 9) n ORDER BY n;
INSERT INTO watch (id, account_id, owner, resource_type, status, definition, lane_id, active_since, version)
SELECT watch_id, account_id, CASE WHEN id % 5 = 0 THEN 'north' END, 'appointment', 1,
  convert_to('{"address":"http://' || id || '.test/"}', 'UTF8'), id, 1 + id, 1 + id FROM lane;
INSERT INTO credential (id, account_id, digest, state) SELECT pg_temp.id_of('credential'), 2, 'digest', 'sealed';
INSERT INTO crypto_key (id, account_id, definition, secret, version)
SELECT pg_temp.id_of('key'), 3, '{"name":"a key","algorithm":"hmac-sha256","format":"standard-webhooks"}', 'sealed', 35;
INSERT INTO api_key (id, account_id, name, scopes, digest) SELECT pg_temp.id_of('api key'), 1, 'mine', '{publish}', 'digest';

-- Each account's first watch has all of the waiting deliveries, so that its lane is behind.
CREATE TEMPORARY TABLE made AS
SELECT n, 1 + n % 3 AS account, pg_temp.id_of('event ' || n) AS event, n / 3 AS nth FROM generate_series(0, 659) n;
INSERT INTO event (id, account_id, resource_type, type_version, kind, version, scope, resource_id, body)
SELECT event, account, 'appointment', 1, 2, 40, '{"companyId":"42"}', convert_to(n::text, 'UTF8'),
  convert_to('{"id":' || n || '}', 'UTF8') FROM made;
INSERT INTO idempotency (account_id, key, event_id, digest, until)
SELECT account, convert_to('key ' || n, 'UTF8'), event, 'digest', now() + interval '1 hour' FROM made WHERE nth % 10 = 0;
INSERT INTO outbox (account_id, version, events, bytes) SELECT account, 40, ARRAY[event], 10 FROM made WHERE nth >= 190 ORDER BY n;

INSERT INTO delivery (id, account_id, event_id, watch_id, resource_type, kind, resource_id, status, attempts, last_code, finished)
SELECT pg_temp.id_of('delivery ' || n), account, event, w.id, 'appointment', 2, convert_to(n::text, 'UTF8'),
  CASE WHEN nth < 100 THEN 3 WHEN nth % 2 = 0 THEN 1 ELSE 2 END, CASE WHEN nth < 100 OR nth % 2 = 1 THEN 1 ELSE 0 END,
  CASE WHEN nth < 100 THEN 200 WHEN nth % 2 = 1 THEN 503 END, CASE WHEN nth < 100 THEN now() END
FROM made JOIN LATERAL (SELECT id FROM watch WHERE account_id = made.account ORDER BY lane_id LIMIT 1) w ON true WHERE nth < 190;
INSERT INTO attempt (delivery_id, number, sent, duration_us, code, request, request_body, response, response_body, truncated)
SELECT id, 1, now(), 1000, last_code, '{}', '{"id": 1}', '{}', '', false FROM delivery WHERE attempts = 1;
INSERT INTO payload (delivery_id, method, address, body)
SELECT id, 'POST', 'http://before.test/', '{"id": 1}' FROM delivery WHERE status = 2;
INSERT INTO waiting (delivery_id, lane_id, event_id, due_at, number)
SELECT d.id, w.lane_id, d.event_id, now() + CASE WHEN nth < 160 THEN interval '0' WHEN nth < 180
  THEN (nth - 160) * interval '150 ms' ELSE interval '1 hour' END, d.attempts + 1
FROM made JOIN delivery d ON d.event_id = made.event JOIN watch w ON w.id = d.watch_id WHERE d.status < 3;
UPDATE lane SET behind = true, wake_at = now() WHERE id IN (SELECT lane_id FROM waiting);
