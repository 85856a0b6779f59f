"""HTTP of the api: bodies, parameters, responses, conditional requests, connections."""
