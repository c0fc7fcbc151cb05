"""Whose keys an organisation's key wraps: people with an account, and residents."""

from app.identity.account_rows import account_state
from app.identity.rows import AccountRow
from app.identity.table import account
from app.residents.boxes import resident_state
from app.residents.rows import ResidentRow
from app.residents.table import resident
from app.trail.rewrapping import Owners

OWNERS = (
    Owners("user", account, AccountRow, account_state),
    Owners("resident", resident, ResidentRow, resident_state),
)
