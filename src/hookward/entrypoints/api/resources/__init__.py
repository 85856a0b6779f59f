"""One module per resource of the api: its schemas, mapping and handlers."""
