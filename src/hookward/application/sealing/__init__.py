"""Check the master keys against the database, and rotate them."""
