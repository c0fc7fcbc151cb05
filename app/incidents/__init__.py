"""Incidents: what happened, by when whom must be told, how grave it is, and what was done about it."""
