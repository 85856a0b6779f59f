"""Compile and render templates of bodies and addresses, and compile and evaluate filters."""
