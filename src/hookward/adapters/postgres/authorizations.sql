-- Credentials as watches use them, and the authorizations that are under way in browsers.

-- name: find_credential
-- scope: account
-- why: Find the oldest credential that has one of the digests.
SELECT id FROM credential WHERE account_id = $1 AND digest = ANY($2::bytea[]) ORDER BY created, id LIMIT 1

-- name: insert_credential
-- scope: account
-- why: Store a credential.
INSERT INTO credential (id, account_id, digest, state) VALUES ($1, $2, $3, $4)

-- name: lock_generation
-- scope: credential
-- why: Read the generation of a credential's refresh token, and keep it as it is until the transaction ends.
SELECT generation FROM credential WHERE id = $1 FOR UPDATE

-- name: delete_unused
-- scope: credential
-- why: Delete a credential that no watch uses any more.
DELETE FROM credential WHERE id = $1 AND NOT EXISTS (SELECT FROM watch WHERE credential_id = $1)

-- name: clear_refusal
-- scope: credential
-- why: Let tokens be requested again with a credential that was refused.
UPDATE credential SET refused = NULL, updated = now() WHERE id = $1 AND refused IS NOT NULL

-- name: detach_credential
-- scope: found_ids
-- why: Take the credential from a watch that was deleted.
UPDATE watch SET credential_id = NULL WHERE id = $1

-- name: lock_watch
-- scope: account
-- why: Lock a watch, which puts authorizations that begin at the same time in order.
SELECT FROM watch WHERE account_id = $1 AND id = $2 AND deleted IS NULL FOR NO KEY UPDATE

-- name: trim_flows
-- scope: authorization
-- why: Delete a watch's authorizations that are over, and the oldest of the others: the newest $2 stay.
DELETE FROM authorization_flow WHERE watch_id = $1 AND (until <= now() OR state IN (
  SELECT state FROM authorization_flow WHERE watch_id = $1 ORDER BY until DESC, state OFFSET $2))

-- name: insert_flow
-- scope: account
-- why: Store an authorization that begins; it may last $5 seconds.
INSERT INTO authorization_flow (state, account_id, watch_id, sealed, until)
VALUES ($1, $2, $3, $4, now() + $5 * interval '1 second') RETURNING until

-- name: take_flow
-- scope: authorization
-- why: Delete and return the authorization that a browser comes back from.
DELETE FROM authorization_flow WHERE state = $1 AND ($2::uuid IS NULL OR watch_id = $2)
RETURNING account_id, watch_id, sealed, until > now() AS is_valid

-- name: delete_flows
-- scope: authorization
-- why: Delete the authorizations of a watch that was deleted.
DELETE FROM authorization_flow WHERE watch_id = $1

-- name: raise_version_for
-- scope: account
-- why: Raise the version of the definitions if a watch still has the credential $3.
{next_version}
WHERE EXISTS (SELECT FROM watch WHERE account_id = $1 AND id = $2 AND deleted IS NULL AND credential_id = $3)
RETURNING version

-- name: find_owner
-- scope: account
-- why: Find the owner of a watch that still has the credential $3.
SELECT owner FROM watch WHERE account_id = $1 AND id = $2 AND deleted IS NULL AND credential_id = $3

-- name: paused_lanes
-- scope: credential
-- why: Find the lanes of an owner's watches that are paused until their credential is authorized.
SELECT lane_id FROM watch WHERE credential_id = $1 AND owner IS NOT DISTINCT FROM $2
AND status = {watch_status.paused} AND status_reason = $3

-- name: replace_credential
-- scope: credential
-- why: Give an owner's watches another credential, and enable those that were paused for want of it.
UPDATE watch SET credential_id = $2, version = $5, updated = now(),
  status = CASE WHEN status = {watch_status.paused} AND status_reason = $4 THEN {watch_status.enabled} ELSE status END,
  status_reason = CASE WHEN status = {watch_status.paused} AND status_reason = $4 THEN NULL ELSE status_reason END
WHERE credential_id = $1 AND owner IS NOT DISTINCT FROM $3

-- name: open_lanes
-- scope: credential
-- why: Let what waits in lanes that were paused be delivered.
UPDATE lane SET paused = false, wake_at = now()
FROM (SELECT id FROM lane WHERE id = ANY($1::bigint[]) AND closing IS NULL ORDER BY id FOR UPDATE) AS locked
WHERE lane.id = locked.id
