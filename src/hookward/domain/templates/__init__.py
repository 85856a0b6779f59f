"""Templates of bodies and addresses, and filters: compiling and rendering."""
