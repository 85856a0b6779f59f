"""The HTTP client: an egress-guarded connection pool and one HTTP/1.1 exchange.

The only importer of aiohttp outside entry points.
"""
