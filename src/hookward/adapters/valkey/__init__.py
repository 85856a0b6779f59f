"""Wake-ups and shared access tokens on Valkey or Redis. Both can be lost at any time (G2)."""
