"""OAuth 2.0 settings, token grants, access tokens and the authorization code flow."""
