"""The OpenAPI 3.1 document, made of the table of routes and the wire types that the code uses; pure and deterministic.

``schemas`` turns wire types into JSON Schemas, ``resources`` resource types; ``operations`` describes a route,
``refusals`` the problems it may answer; ``examples`` holds what the document shows; ``document`` puts it together.
Nothing here is written by hand that a table or a type already says.
"""
