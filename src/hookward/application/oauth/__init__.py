"""OAuth 2.0 access tokens: credentials, refreshes, and the tokens of one process."""
