"""Residents and their records: who lives here, and what is written down about their care.

`identity.py` and `bodies.py` are pure: they say what may be written. Nothing in them touches
a database, and no value reaches a record without having passed through them.
"""
