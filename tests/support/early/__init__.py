"""A server that is broken on purpose: it answers before the entry is committed."""
