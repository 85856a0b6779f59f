"""The worker: from claimed events to recorded attempts, and test sends, which use the same parts."""
