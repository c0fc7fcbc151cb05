"""Encryption at rest: envelope keys, sealing, blind look-ups. Knows no resident and no request."""
