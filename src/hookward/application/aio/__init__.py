"""Concurrency and memory building blocks that several rooms share. Nothing here knows a concept of the service."""
