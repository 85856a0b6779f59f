-- Key-check values: one for each master key that seals something. Statements on sealed columns are made in sealed.py,
-- one for each column.

-- name: key_check_values
-- scope: store
-- why: Read the key-check values by the prefix of their key.
SELECT mark, proof FROM sealing_check

-- name: lock_key_check_values
-- scope: store
-- why: Let one process at a time add a key-check value.
LOCK TABLE sealing_check IN SHARE ROW EXCLUSIVE MODE

-- name: insert_key_check_value
-- scope: store
-- why: Add a key-check value.
INSERT INTO sealing_check (mark, proof) VALUES ($1, $2) ON CONFLICT DO NOTHING

-- name: delete_key_check_values
-- scope: store
-- why: Delete the key-check values of retired master keys.
DELETE FROM sealing_check WHERE mark = ANY($1::bytea[])
