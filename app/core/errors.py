"""The one family of errors. Each class is one problem of the contract.

`http/problems.py` turns `slug`, `status` and `title` into an RFC 9457 answer; nothing else in
the application knows a status code. `why` goes into the trail and never to the caller; `detail`
goes to the caller and says what to do next. Neither ever repeats input.
"""

from typing import ClassVar, Literal, NamedTuple

Outcome = Literal["ok", "deny", "fail"]


class CaretrailError(Exception):
    """Something the caller is told, by slug."""

    slug: ClassVar[str] = "internal-error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong on our side"
    outcome: ClassVar[Outcome] = "fail"
    detail: str = "The request was not carried out. Try again; if it happens again, tell your administrator."

    def __init__(self, detail: str = "", *, why: str = "", retry_after: int | None = None) -> None:
        self.detail = detail or type(self).detail
        self.why = why or self.slug
        self.retry_after = retry_after
        super().__init__(self.why)


class InvalidRequestError(CaretrailError):
    """The input is not what the operation takes. `errors` are (JSON pointer, sentence) pairs."""

    slug = "invalid-request"
    status = 422
    title = "The request is not valid"
    detail = "Correct the fields listed under errors and send the request again."

    def __init__(self, *errors: tuple[str, str], detail: str = "", why: str = "") -> None:
        super().__init__(detail, why=why)
        self.errors = errors


class NotFoundError(CaretrailError):
    """Truly not there (the caller is told the same as for what is hidden)."""

    slug = "not-found"
    status = 404
    title = "Not found"
    detail = "There is nothing here that you may see. Check the address."


class HiddenError(NotFoundError):
    """There, but not for this caller: answered like `NotFoundError`, recorded as a refusal."""

    outcome = "deny"


class ForbiddenError(CaretrailError):
    """The caller may not do this."""

    slug = "forbidden"
    status = 403
    title = "You may not do this"
    outcome = "deny"
    detail = "Your role does not allow this. Ask your manager if you need it for your work."


class CredentialsRefusedError(CaretrailError):
    """Wrong name, wrong password or an account that is not active: one answer for all."""

    slug = "credentials-refused"
    status = 401
    title = "Sign-in refused"
    outcome = "deny"
    detail = "The user name or the password is not right. Check both, or ask for a reset."


class OtpRequiredError(CaretrailError):
    """The password was right; a one-time code must come with it."""

    slug = "otp-required"
    status = 401
    title = "One-time code needed"
    outcome = "deny"
    detail = "Send the present code of your authenticator. Each code works once."


class TokenInvalidError(CaretrailError):
    """No token, or one this service cannot accept."""

    slug = "token-invalid"
    status = 401
    title = "Not signed in"
    outcome = "deny"
    detail = "Sign in and send the access token as a bearer token."


class SessionIdleError(CaretrailError):
    """The session slept; its user can wake it."""

    slug = "session-idle"
    status = 401
    title = "The session is idle"
    outcome = "deny"
    detail = "Unlock the session with your password, or sign in again."


class SessionLockedError(CaretrailError):
    """The session was locked; its user can unlock it."""

    slug = "session-locked"
    status = 401
    title = "The session is locked"
    outcome = "deny"
    detail = "Unlock the session with your password, or sign out."


class SessionEndedError(CaretrailError):
    """The session is over."""

    slug = "session-ended"
    status = 401
    title = "The session has ended"
    outcome = "deny"
    detail = "Sign in again."


class ShiftOverError(CaretrailError):
    """The shift, and with it the session, is over."""

    slug = "shift-over"
    status = 401
    title = "The shift is over"
    outcome = "deny"
    detail = "This session ended with your shift. Ask the manager on duty if your shift goes on."


class OffShiftError(CaretrailError):
    """An agency user signs in outside a shift."""

    slug = "off-shift"
    status = 403
    title = "Not on shift"
    outcome = "deny"
    detail = "You have no shift now. Ask the manager on duty to enter it."


class PasswordChangeRequiredError(CaretrailError):
    """The initial password must be replaced first."""

    slug = "password-change-required"
    status = 403
    title = "Choose your own password first"
    outcome = "deny"
    detail = "Change the password you were given (PUT /v1/users/me/password), then go on."


class SecondFactorRequiredError(CaretrailError):
    """A second factor must be enrolled first."""

    slug = "second-factor-required"
    status = 403
    title = "Set up your authenticator first"
    outcome = "deny"
    detail = "Enrol a one-time-code app (POST /v1/users/me/totp and .../confirm), then go on."


class StepUpRequiredError(CaretrailError):
    """A fresh second factor is needed."""

    slug = "step-up-required"
    status = 403
    title = "Confirm with a one-time code"
    outcome = "deny"
    detail = "Send a fresh code to POST /v1/sessions/current/step-up, then repeat the request."


class TooManyAttemptsError(CaretrailError):
    """Slowed down after repeated failures; never locked for good."""

    slug = "too-many-attempts"
    status = 429
    title = "Too many attempts"
    outcome = "deny"
    detail = "Wait for the time given in Retry-After, then try again."


class PreconditionRequiredError(CaretrailError):
    """If-Match is missing."""

    slug = "precondition-required"
    status = 428
    title = "If-Match is needed"
    detail = "Read the current version and send its ETag in If-Match, so that nobody's change is lost."


class VersionConflictError(CaretrailError):
    """Somebody changed it in between."""

    slug = "version-conflict"
    status = 412
    title = "Changed in the meantime"
    detail = "Somebody changed this after you read it. Read it again and repeat your change on that version."


class IdempotencyKeyReusedError(CaretrailError):
    """The key came with another body before."""

    slug = "idempotency-key-reused"
    status = 422
    title = "Idempotency-Key was used for another request"
    detail = "The key came with another request. Repeat with the same bytes, or use a new key for a new one."


class ConflictError(CaretrailError):
    """The state of things does not allow it."""

    slug = "conflict"
    status = 409
    title = "Not possible in the present state"
    detail = "What you ask for conflicts with what is recorded. Read the present state and decide again."


class PayloadTooLargeError(CaretrailError):
    """More bytes than the operation takes."""

    slug = "payload-too-large"
    status = 413
    title = "The request is too large"
    detail = "Send at most the size documented for this operation."


class UnsupportedMediaTypeError(CaretrailError):
    """Not JSON in UTF-8 as it is."""

    slug = "unsupported-media-type"
    status = 415
    title = "Unsupported media type"
    detail = "Send application/json in UTF-8, without Content-Encoding."


class _ForNowError(CaretrailError):
    """Something that may be over soon: the caller is told when to try again."""

    def __init__(self, detail: str = "", *, why: str = "", retry_after: int | None = 2) -> None:
        super().__init__(detail, why=why, retry_after=retry_after)


class AuditUnavailableError(_ForNowError):
    """The trail cannot be written, so nothing is shown and nothing is changed (P3)."""

    slug = "audit-unavailable"
    status = 503
    title = "The audit trail cannot be written"
    detail = "Nothing was shown or changed. Try again shortly; if it lasts, use the printed continuity pack."


class OutcomeUnknownError(_ForNowError):
    """A commit was under way when contact was lost: it may have happened or not (P4)."""

    slug = "outcome-unknown"
    status = 503
    title = "It is not known whether this was done"
    detail = "Repeat the request with the same Idempotency-Key to learn what happened."


class AlteredRow(NamedTuple):
    """A row that was changed behind the service's back: kind and id as entries name it, whom it is about."""

    kind: str
    id: str
    resident: str | None = None


class DisagreementError(CaretrailError):
    """What is stored does not agree with the trail: trying again does not help, somebody has to look."""

    slug = "integrity"
    status = 500
    title = "What is stored does not agree with the audit trail"
    detail = "Nothing was shown or changed. Do not try again: tell the person in charge of data security."


class SealBrokenError(DisagreementError):
    """A sealed value does not open in its place, or a row (`row`) is not what its digest says."""

    def __init__(
        self,
        detail: str = "",
        *,
        why: str = "seal-broken",
        retry_after: int | None = None,
        row: AlteredRow | None = None,
    ) -> None:
        super().__init__(detail, why=why, retry_after=retry_after)
        self.row = row


class StartRefusedError(Exception):
    """The service will not start like this; the message says what to do."""
