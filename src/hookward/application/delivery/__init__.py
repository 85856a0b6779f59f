"""A worker: from claimed events to recorded attempts. Test sends use the same parts."""
