"""Upgrades of a filled store from the last release's schema, under load."""
