"""Accept events: validation, group commit, and the bound on undelivered events."""
