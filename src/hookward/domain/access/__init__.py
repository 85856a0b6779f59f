"""Accounts, API keys and callers: what is valid, and what a caller may do."""
