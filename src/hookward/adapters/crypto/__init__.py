"""Encryption at rest and signing keys, with cryptography and joserfc, and secrets in files."""
