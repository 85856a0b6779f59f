"""OAuth 2.0 token endpoints: requests through authlib, and reading of hostile responses."""
