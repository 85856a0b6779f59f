"""Accounts, API keys, and the authentication of callers."""
