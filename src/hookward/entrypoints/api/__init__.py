"""The HTTP api: one table of routes, thin handlers, every error a problem document (RFC 9457).

``routes`` declares every route with its wire types and scope; ``service`` holds what handlers need; ``answers`` turns
values and errors into responses; ``app`` puts them together. Handlers decode, call a use case, encode.
"""
