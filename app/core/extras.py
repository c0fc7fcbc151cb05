"""What only some deployments want is in an extra, imported in its own folder only: it starts without.

Whoever lacks one is sent to the lock that has all of them. An install by name could take another version than
the one that was tested, or, where the service is not installed, whatever an index has under that name.
"""


def lacking(what: str, extra: str) -> str:
    """Say that something wants an extra that is not installed, and what to do."""
    return f"{what} wants the extra `{extra}`: install requirements-extras.lock, as the operations guide says"
