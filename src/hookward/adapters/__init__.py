"""The only code that touches technology: PostgreSQL, arq, HTTP clients, ciphers, clocks, child processes.

Each adapter implements a port that the application declares, gets plain values (never the settings object), and
translates foreign errors into those of ``domain.errors`` in one place.
"""
