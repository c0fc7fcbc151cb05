"""What only some deployments want is in an extra, imported in its own folder only: it starts without.

Whoever lacks one is sent to the lock that has all of them. An install by name could take another version than
the one that was tested, or, where the service is not installed, whatever an index has under that name.
"""

from importlib import import_module

from app.core.errors import StartRefusedError


def refuse_without(module: str, extra: str, what: str) -> None:
    """Return if a module of an extra can be imported.

    Raises:
        StartRefusedError: It cannot; says what wants the extra, and what to do.
    """
    try:
        import_module(module)
    except ImportError as missing:
        told = f"{what} wants the extra `{extra}`: install requirements-extras.lock, as the guide has it"
        raise StartRefusedError(told) from missing
