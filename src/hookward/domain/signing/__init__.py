"""Signatures of requests: Standard Webhooks and HTTP Message Signatures (RFC 9421)."""
