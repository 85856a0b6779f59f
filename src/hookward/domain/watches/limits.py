"""How long and how many the values of a watch's properties may be. What is configured is in ``WatchBounds``."""

from __future__ import annotations

MAX_NAME = 255
MAX_ADDRESS = 4096
MAX_FILTER = 512
MAX_HEADERS = 50
MAX_KEYS = 8
MAX_CREDENTIAL = 1024
"""Characters of a user name and of a password of ``basicAuth``."""
MAX_ZONE = 64

MAX_CLIENT_ID = 1024
MAX_SECRET = 16384
MAX_TOKEN = 16384
MAX_URL = 2048
MAX_OAUTH_SCOPE = 4096
MAX_PARAMETERS = 32
MAX_PARAMETER_NAME = 255
MAX_PARAMETER_VALUE = 4096
