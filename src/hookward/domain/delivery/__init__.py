"""Deliveries and attempts: their states, the request, the outcome, retries, and masking of secrets."""
