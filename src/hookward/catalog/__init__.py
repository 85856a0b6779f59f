"""The built-in resource types, as data: one TOML file, one JSON Schema and one sample each. No code per system."""
