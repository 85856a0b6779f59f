"""HTTP as the api speaks it: bodies, parameters, responses, conditional requests, connections."""
