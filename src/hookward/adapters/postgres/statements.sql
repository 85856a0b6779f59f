-- Fragments that the statements of every file can include.

-- fragment: lease_fence
-- Changes under a lease happen only while it lasts: without its row, which is locked until the transaction ends, a
-- statement that reads from `lease_fence` changes nothing. $1 is the lease's token.
lease_fence AS (SELECT token FROM lease WHERE token = $1 AND until > now() FOR KEY SHARE)

-- fragment: next_version
-- The row lock of the version puts all changes of definitions in order.
UPDATE definition_version SET version = definition_version.version + 1
