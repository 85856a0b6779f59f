"""Manage an account's own resource types, and keep them in memory."""
