"""The HTTP api: one table of routes, thin handlers, every error a problem document (RFC 9457).

Each module of ``resources`` has the schemas, the handlers and the routes of one resource; ``routes`` joins the routes
to one table. ``dependencies`` has what handlers work with, ``http`` reads requests and writes responses, ``openapi``
describes the table, and ``app`` serves it. Handlers read, call a use case, respond.
"""
