"""The one place where things are built, wired and closed, a module a role."""
