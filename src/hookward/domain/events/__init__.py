"""Change events: reading and validating published events, and the document built from one."""
