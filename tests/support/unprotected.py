"""What somebody with the file, or a superuser's password, does before they change the trail."""

from app.audit import protection


def removal(dialect: str) -> list[str]:
    """Return the statements that take away what `protection.statements` gives a trail."""
    if dialect == "sqlite":
        return [f"DROP TRIGGER {name}" for name in protection.trigger_names(dialect)]
    dropped = [f"DROP TRIGGER {one.name} ON {one.table}" for one in protection.triggers()]
    return dropped + [f"DROP FUNCTION {name}()" for name in protection.function_bodies()]
