"""Manage watches, authorize them, and keep a replica of them in memory for matching."""
