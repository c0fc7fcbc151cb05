"""What settings name is looked at before anything begins: where it is first wanted, nobody is told."""

from app.core.settings import Settings, variable_of
from app.identity.password_policy import BreachedPasswords
from app.jobs.schedule import check_cron
from app.webhooks.trusting import trusted


def refuse_unusable(settings: Settings) -> None:
    """Refuse time-tables that are none and files that cannot be used, whether or not they are wanted yet.

    Raises:
        StartRefusedError: One of them is not what its setting takes.
    """
    for name in type(settings).model_fields:
        if name.endswith("_schedule"):
            check_cron(getattr(settings, name), variable_of(name))
    trusted(settings.webhooks_ca)
    BreachedPasswords.read(settings.breached_passwords)
