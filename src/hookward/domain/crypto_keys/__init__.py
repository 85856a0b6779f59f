"""Crypto keys: algorithms, key material, and the rules for creating and rotating them."""
