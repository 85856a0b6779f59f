"""The only code that touches technology: PostgreSQL, arq, HTTP clients, ciphers, clocks, child processes.

Each adapter fulfils a port that the application declares, gets plain values (never the settings object), and
translates foreign errors into the tree of ``domain.errors`` at one seam.
"""
