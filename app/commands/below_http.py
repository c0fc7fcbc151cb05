"""What is said where bytes are no request that the application could answer: problems, and the end.

Of these nothing is recorded, for nobody is known; a body that breaks off is recorded by whoever reads it.
"""

import orjson

from app.core.errors import InvalidRequestError
from app.http import problems

HEAD_BYTES = 64 * 1024
TOO_LATE = "The request did not come to its end in time: send it again, whole."
_BAD_REQUEST = b"400 Bad Request"
_NO_REQUEST = "What came is no HTTP/1.1 request: look at its method, its address and its headers."
_NO_BODY = "The body is not framed as the headers say: look at Content-Length, or at the size of each chunk."
_NO_HOST = "Name one host in the header Host."
_NO_CODING = "This service understands no Transfer-Encoding but chunked: send the body as it is."
_TOO_LARGE = f"The headers are larger than {HEAD_BYTES // 1024} KiB together: send fewer or shorter ones."
_ANSWER = (
    b"HTTP/1.1 %b\r\ncontent-type: application/problem+json\r\ncontent-length: %d\r\nx-request-id: %b\r\n"
    b"x-content-type-options: nosniff\r\ncache-control: no-store\r\nconnection: close\r\n\r\n%b"
)


class HeadError(ValueError):
    """The head of a request is not taken; said is what the client is told."""

    status = _BAD_REQUEST
    said = _NO_REQUEST


class BodyError(HeadError):
    """What follows a head is not the body it announced."""

    said = _NO_BODY


class HeadTooLargeError(HeadError):
    """The head of a request is larger than any this service understands."""

    status = b"431 Request Header Fields Too Large"
    said = _TOO_LARGE


class HostError(HeadError):
    """A request names no host, or several."""

    said = _NO_HOST


class CodingError(HeadError):
    """A body comes in a coding this service cannot undo (RFC 9112, section 6.1)."""

    status = b"501 Not Implemented"
    said = _NO_CODING


def refusal(status: bytes, detail: str, named: str) -> bytes:
    """Return a whole answer: the problem of invalid input, with the status of what stays below HTTP.

    Args:
        status: The status and its phrase.
        detail: What is said.
        named: The id of the request.
    """
    problem = problems.document(InvalidRequestError(detail=detail), named, "/")
    body = orjson.dumps(problem | {"status": int(status[:3])})
    return _ANSWER % (status, len(body), named.encode(), body)
