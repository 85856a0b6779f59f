"""Watches: the model, the rules for every property, and which watches an event matches."""
