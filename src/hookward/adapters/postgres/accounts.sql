-- Accounts: the tenants. Only operators read these rows.

-- fragment: columns
id, public_id AS ref, name, zone, retention_days, created

-- name: add
-- scope: store
-- why: Store an account, unless its name is taken.
INSERT INTO account (public_id, name, zone, retention_days, version) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (name) DO NOTHING RETURNING {columns}

-- name: list
-- scope: store
-- why: List accounts, oldest first, behind the account $1.
SELECT {columns} FROM account WHERE $1::uuid IS NULL
OR id > (SELECT id FROM account WHERE public_id = $1) ORDER BY id LIMIT $2

-- name: find
-- scope: store
-- why: Find an account by its public id.
SELECT {columns} FROM account WHERE public_id = $1

-- name: find_by_name
-- scope: store
-- why: Find an account by its name.
SELECT {columns} FROM account WHERE name = $1

-- name: change
-- scope: store
-- why: Change those settings of an account whose flags ($3, $5, $7) are set.
UPDATE account SET version = $2, name = CASE WHEN $3 THEN $4 ELSE name END,
  zone = CASE WHEN $5 THEN $6 ELSE zone END, retention_days = CASE WHEN $7 THEN $8 ELSE retention_days END
WHERE public_id = $1 RETURNING {columns}

-- name: zone
-- scope: store
-- why: Find the time zone of an account.
SELECT zone FROM account WHERE id = $1

-- name: zones_since
-- scope: store
-- why: Find the time zones of the accounts that changed after a version.
SELECT id, zone FROM account WHERE version > $1
