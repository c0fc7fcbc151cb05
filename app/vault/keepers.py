"""Who keeps the root key, by what the operator set: a file, or a Transit engine.

Whoever is not in use but at hand is asked, too, when the key in use does not fit any more: a deployment moves
from one to the other while it serves.
"""

from urllib.parse import urlsplit

from app.core.entropy import Entropy
from app.core.errors import StartRefusedError
from app.core.extras import refuse_without
from app.core.settings import Settings
from app.vault.away import AwayRoot
from app.vault.keyring import Keyring
from app.vault.root import LocalRoot, RootKey
from app.vault.root_files import RootFiles

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def keyring_for(settings: Settings, entropy: Entropy) -> Keyring:
    """Return a keyring with the root key in use, which takes up another one when that comes into force.

    Raises:
        StartRefusedError: The file of the root key is missing, damaged or open to others; no Transit is set.
    """
    files = RootFiles(settings.keys_dir)
    transit = transit_root(settings, entropy) if settings.transit_address is not None else None

    def others() -> list[RootKey]:
        local: list[RootKey] = [LocalRoot(secret, entropy) for secret in files.candidates()]
        return local if transit is None else [*local, transit]

    root = root_in_use(settings, entropy) if transit is None or settings.keys_provider == "file" else transit
    return Keyring(root, entropy, others, settings.keys_keep)


def root_in_use(settings: Settings, entropy: Entropy) -> RootKey:
    """Return the root key that the settings name.

    Raises:
        StartRefusedError: Its file is missing, damaged, or readable by others; Transit is not set up.
    """
    if settings.keys_provider == "file":
        return LocalRoot(RootFiles(settings.keys_dir).present(), entropy)
    return transit_root(settings, entropy)


def transit_root(settings: Settings, entropy: Entropy) -> AwayRoot:
    """Return the root key in the Transit engine that the settings name. Nothing is asked of it yet.

    Raises:
        StartRefusedError: Something is not set, or the extra is not installed.
    """
    address = settings.transit_address
    if address is None:
        raise StartRefusedError("the root key is to be in Transit: set CARETRAIL_TRANSIT_ADDRESS")
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise StartRefusedError("CARETRAIL_TRANSIT_ADDRESS has to begin with https://")
    approle = settings.transit_role_id is not None and settings.transit_secret_id_path is not None
    if approle == (settings.transit_token_path is not None):
        raise StartRefusedError(
            "set either CARETRAIL_TRANSIT_TOKEN_PATH or CARETRAIL_TRANSIT_ROLE_ID with"
            " CARETRAIL_TRANSIT_SECRET_ID_PATH"
        )
    refuse_without("app.vault.transit", "vault", "a root key in Transit")
    from app.vault.transit import Transit, TransitSettings

    keeper = Transit(
        TransitSettings(
            address=address,
            mount=settings.transit_mount,
            key=settings.transit_key,
            namespace=settings.transit_namespace,
            ca=settings.transit_ca,
            token_file=settings.transit_token_path,
            role_id=settings.transit_role_id,
            secret_id_file=settings.transit_secret_id_path,
            timeout_s=settings.transit_timeout_s,
        )
    )
    return AwayRoot("transit", keeper, entropy, settings.transit_timeout_s)
