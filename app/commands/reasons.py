"""The reason an operator gives, which is stored sealed."""

from app.core.errors import InvalidRequestError

LONGEST_REASON = 500


def check_reason(reason: str) -> None:
    """Refuse to go on without a reason.

    Raises:
        InvalidRequestError: There is none, it is too long, or it is no text.
    """
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise InvalidRequestError(detail=f"give a reason of at most {LONGEST_REASON} letters")
    check_text(reason)


def check_text(given: str) -> None:
    """Refuse an argument that is no text: the shell hands on bytes, and these are not UTF-8."""
    if any("\ud800" <= letter <= "\udfff" for letter in given):
        raise InvalidRequestError(detail="give names and reasons as text in UTF-8")
