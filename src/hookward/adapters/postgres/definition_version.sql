-- The version of the definitions: watches, keys, resource types and accounts. Every change of one raises it.

-- name: raise_version
-- scope: store
-- why: Raise the version, once the changes before this one are committed.
{next_version} RETURNING version, clock_timestamp() AS raised_at
