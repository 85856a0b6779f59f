"""Create, import, rotate and retire crypto keys, and publish the public key set."""
