"""Telling other systems: an outbox written with what it tells of, signed, retried, without personal data."""
