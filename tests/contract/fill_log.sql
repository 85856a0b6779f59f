-- A log of 1,000,000 deliveries over yesterday, today and tomorrow: account 1 has nine of ten, ninety-nine of a hundred
-- delivered; one in 200 is a replay of one that came a hundred before it.
-- Watches 1 to 2,000; 1 to 1,200 have an owner, 300 of them each.
CREATE FUNCTION id_of(ms bigint, what text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT (lpad(to_hex(ms), 12, '0') || '7' || substr(md5(what), 1, 3) || 'b' || substr(md5(what), 4, 15))::uuid $$;
INSERT INTO account (id, name) SELECT n, 'account ' || n FROM generate_series(2, 12) n;
INSERT INTO watch (id, account_id, owner, resource_type, status, definition, lane_id, active_since, version)
SELECT id_of(n, 'watch ' || n), 1, CASE WHEN n <= 1200 THEN 'owner ' || n % 4 END, 'appointment', 1,
  convert_to('{"address":"https://host' || n || '.example/hooks"}', 'UTF8'), n, n, n FROM generate_series(1, 2000) n;
INSERT INTO delivery (id, account_id, event_id, watch_id, resource_type, kind, resource_id, status, attempts, last_code,
  last_error)
SELECT id_of((today - 1) * 86400000 + n * 259::bigint, 'delivery ' || n), CASE WHEN n % 10 = 0 THEN 2 + n / 10 % 10 ELSE 1 END,
  id_of((today - 1) * 86400000 + n * 259::bigint, 'event ' || n), id_of(1 + n % 2000, 'watch ' || (1 + n % 2000)), 'appointment', 2,
  convert_to((n % 300000)::text, 'UTF8'), CASE WHEN n % 100 = 7 THEN 1 + n / 100 % 5 ELSE 3 END, 1,
  CASE WHEN n % 100 = 7 THEN 503 ELSE 200 END, CASE WHEN n % 200 = 7 THEN 'timeout' END
FROM generate_series(1, 1000000) n, (SELECT floor(extract(epoch FROM now()) / 86400)::bigint AS today) t;
UPDATE delivery r SET event_id = d.event_id, replay_of = d.id
FROM generate_series(200, 1000000, 200) n, (SELECT floor(extract(epoch FROM now()) / 86400)::bigint AS today) t,
  delivery d
WHERE r.id = id_of((today - 1) * 86400000 + (n - 1) * 259::bigint, 'delivery ' || n - 1)
  AND d.id = id_of((today - 1) * 86400000 + (n - 101) * 259::bigint, 'delivery ' || n - 101);
-- And a batch: account 12 has 1,000 events of one millisecond, each with a delivery to 40 watches.
INSERT INTO delivery (id, account_id, event_id, watch_id, resource_type, kind, resource_id, status, attempts, last_code)
SELECT id_of(today * 86400000, 'delivery ' || e || ' ' || w), 12, id_of(today * 86400000, 'event of a batch ' || e),
  id_of(w, 'watch of the batch ' || w), 'appointment', 2, '9', CASE WHEN e % 10 = 0 THEN 4 ELSE 3 END, 1, 200
FROM generate_series(1, 1000) e, generate_series(1, 40) w,
  (SELECT floor(extract(epoch FROM now()) / 86400)::bigint AS today) t;
INSERT INTO event (id, account_id, resource_type, type_version, kind, version, scope, resource_id, body)
SELECT event_id, account_id, resource_type, 1, kind, 1, '{}', resource_id, '{"id": "x"}' FROM delivery
WHERE replay_of IS NULL ON CONFLICT DO NOTHING;
INSERT INTO attempt (delivery_id, number, sent, duration_us, code, request, request_body, truncated)
SELECT id, 1, now(), 1, last_code, '{}', '{"id": "x"}', false FROM delivery WHERE resource_id < '1';
ANALYZE;
