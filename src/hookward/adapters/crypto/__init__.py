"""Ciphers and signing keys on cryptography and joserfc, and secrets in files."""
