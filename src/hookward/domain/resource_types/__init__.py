"""Resource types: their scope, identity, schema, REST operations and paths."""
