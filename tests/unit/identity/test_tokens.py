"""Access tokens: what is read, and what is not one of ours."""

import base64
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import TokenInvalidError
from app.core.identifiers import new_id
from app.identity.tokens import AUDIENCE, LONGEST_TOKEN, Claims, TokenReader, TokenSigner

SEED = bytes(range(32))
KEY = Ed25519PrivateKey.from_private_bytes(SEED)
ISSUER = "willow-lodge"
SIGNER = TokenSigner(SEED, ISSUER)
BEGAN = datetime(2026, 3, 1, 10, 0, 0, 123456, tzinfo=UTC)
ENDS = BEGAN + timedelta(hours=12)
SID, ORG, USER = new_id(), new_id(), new_id()
TOKEN = SIGNER.issue(SID, ORG, USER, BEGAN, ENDS)
PAYLOAD = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": USER,
    "sid": SID,
    "org": ORG,
    "iat": int(BEGAN.timestamp()),
    "exp": int(ENDS.timestamp()),
}
TICK = timedelta(microseconds=1)


def reader(**changes) -> TokenReader:
    return TokenReader(**{"key": SIGNER.public_key, "issuer": ISSUER, **changes})


def signed(payload, *, key=KEY, algorithm="EdDSA", headers=None) -> str:
    return jwt.encode(payload, key, algorithm=algorithm, headers=headers)


def part(value) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed_raw(header, payload) -> str:
    """Sign any header and payload with the right key, as no library would."""
    text = f"{part(header)}.{part(payload)}"
    return f"{text}.{part(KEY.sign(text.encode()))}"


def test_token_is_read_as_issued():
    """A token says session, organisation and both instants, to the microsecond."""
    assert reader().read(TOKEN) == Claims(SID, ORG, USER, BEGAN, ENDS)


def test_token_holds_no_personal_data():
    """A token holds ids and instants and nothing else; `exp` is the end of the session."""
    payload = json.loads(base64.urlsafe_b64decode(TOKEN.split(".")[1] + "=="))

    assert payload == PAYLOAD | {"iat": BEGAN.timestamp(), "exp": ENDS.timestamp()}
    assert jwt.get_unverified_header(TOKEN) == {"alg": "EdDSA", "typ": "JWT"}
    whole = SIGNER.issue(SID, ORG, USER, BEGAN.replace(microsecond=0), ENDS.replace(microsecond=0))
    assert json.loads(base64.urlsafe_b64decode(whole.split(".")[1] + "=="))["exp"] == PAYLOAD["exp"]
    assert len(TOKEN) < LONGEST_TOKEN


@settings(deadline=None)
@given(st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)), st.timedeltas(timedelta(0), timedelta(1)))
def test_every_instant_survives(began, lasts):
    """Whatever microsecond a session begins and ends at, the token says the same."""
    began = began.replace(tzinfo=UTC)

    claims = reader().read(SIGNER.issue(SID, ORG, USER, began, began + lasts))

    assert (claims.started_at, claims.ends_at) == (began, began + lasts)


def test_a_token_that_is_over_is_still_read():
    """Whether a session lives is asked of its row; a token says only whose it is."""
    over = SIGNER.issue(SID, ORG, USER, BEGAN - timedelta(days=400), BEGAN - timedelta(days=399))

    assert reader().read(over).session_id == SID


def test_known_token_is_not_verified_again():
    """A verified token is remembered: the very same claims come back."""
    one = reader()

    assert one.read(TOKEN) is one.read(TOKEN)


@pytest.mark.parametrize("capacity", [1, 2, 3, 10])
def test_memory_is_bounded_and_forgets_what_is_not_used(capacity):
    """However many tokens come, no more than the capacity are remembered, and all are still read."""
    one = reader(capacity=capacity)
    tokens = [SIGNER.issue(new_id(), ORG, USER, BEGAN, ENDS) for _ in range(25)]

    for token in tokens + tokens[::-1]:
        assert one.read(token).org == ORG
        assert len(one._young) + len(one._old) <= max(2, capacity)


def test_memory_keeps_what_is_in_use():
    """A token that is used all the time is verified once, whatever else passes by."""
    one = reader(capacity=8)
    first = one.read(TOKEN)

    for _ in range(50):
        one.read(SIGNER.issue(new_id(), ORG, USER, BEGAN, ENDS))
        assert one.read(TOKEN) is first


def test_refused_token_is_not_remembered():
    """What is refused once is refused again."""
    one = reader()
    forged = TOKEN[:-2] + ("A" if TOKEN[-2] != "A" else "B") + TOKEN[-1]

    for _ in range(3):
        with pytest.raises(TokenInvalidError):
            one.read(forged)
    assert not one._young


HEADER = {"alg": "EdDSA", "typ": "JWT"}
PUBLIC_RAW = SIGNER.public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)
OTHER = Ed25519PrivateKey.from_private_bytes(b"\1" * 32)
WRONG = {
    "alg none": jwt.encode(PAYLOAD, None, algorithm="none"),
    "alg none, signature kept": ".".join([part({"alg": "none", "typ": "JWT"}), *TOKEN.split(".")[1:]]),
    "HS256 with the public key": signed(PAYLOAD, key=PUBLIC_RAW, algorithm="HS256"),
    "HS512 padded to 64 bytes": signed(PAYLOAD, key=PUBLIC_RAW * 2, algorithm="HS512"),
    "HS256 named, signed by us": signed_raw({"alg": "HS256", "typ": "JWT"}, PAYLOAD),
    "alg in other case": signed_raw({"alg": "EDDSA", "typ": "JWT"}, PAYLOAD),
    "alg missing": signed_raw({"typ": "JWT"}, PAYLOAD),
    "alg a list": signed_raw({"alg": ["EdDSA"], "typ": "JWT"}, PAYLOAD),
    "alg null": signed_raw({"alg": None, "typ": "JWT"}, PAYLOAD),
    "another key": signed(PAYLOAD, key=OTHER),
    "crit": signed_raw(HEADER | {"crit": ["exp"], "exp": 1}, PAYLOAD),
    "crit b64": signed_raw(HEADER | {"crit": ["b64"], "b64": False}, PAYLOAD),
    "kid": signed_raw(HEADER | {"kid": "../../dev/null"}, PAYLOAD),
    "kid a number": signed_raw(HEADER | {"kid": 1}, PAYLOAD),
    "jku": signed_raw(HEADER | {"jku": "http://127.0.0.1:9/keys"}, PAYLOAD),
    "x5u": signed_raw(HEADER | {"x5u": "http://127.0.0.1:9/cert"}, PAYLOAD),
    "jwk": signed_raw(HEADER | {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AA"}}, PAYLOAD),
    "other typ": signed_raw({"alg": "EdDSA", "typ": "at+jwt"}, PAYLOAD),
    "header a list": signed_raw([], PAYLOAD),
    "header no JSON": signed_raw(b"{", PAYLOAD),
    "header no UTF-8": signed_raw(b"\xff\xfe", PAYLOAD),
    "header nested deeply": part(b"[" * 1200) + "." + TOKEN.split(".", 1)[1],
    "payload a list": signed_raw(HEADER, []),
    "payload no JSON": signed_raw(HEADER, b"{"),
    "payload a number of 900 digits": signed_raw(HEADER, b'{"exp":' + b"9" * 900 + b"}"),
    "other issuer": signed(PAYLOAD | {"iss": "rose-house"}),
    "issuer a list": signed_raw(HEADER, PAYLOAD | {"iss": [ISSUER]}),
    "other audience": signed(PAYLOAD | {"aud": "vendor"}),
    "audience a list": signed(PAYLOAD | {"aud": [AUDIENCE]}),
    "audience a list of more": signed(PAYLOAD | {"aud": [AUDIENCE, "vendor"]}),
    **{f"{name} missing": signed({k: v for k, v in PAYLOAD.items() if k != name}) for name in PAYLOAD},
    **{f"{name} null": signed_raw(HEADER, PAYLOAD | {name: None}) for name in PAYLOAD},
    "sid a number": signed_raw(HEADER, PAYLOAD | {"sid": 1}),
    "sub a number": signed_raw(HEADER, PAYLOAD | {"sub": 1}),
    "sub no id": signed_raw(HEADER, PAYLOAD | {"sub": "' or 1=1"}),
    "sid no id": signed_raw(HEADER, PAYLOAD | {"sid": "' or 1=1"}),
    "org no id": signed_raw(HEADER, PAYLOAD | {"org": "system"}),
    "exp a word": signed_raw(HEADER, PAYLOAD | {"exp": "9999999999"}),
    "exp true": signed_raw(HEADER, PAYLOAD | {"exp": True}),
    "exp beyond all years": signed_raw(HEADER, PAYLOAD | {"exp": 10**14}),
    "exp beyond all floats": signed_raw(HEADER, PAYLOAD | {"exp": 10**400}),
    "exp infinite": signed_raw(HEADER, PAYLOAD | {"exp": float("inf")}),
    "exp not a number": signed_raw(HEADER, PAYLOAD | {"exp": float("nan")}),
    "iat a list": signed_raw(HEADER, PAYLOAD | {"iat": [1]}),
    "two parts": TOKEN.rsplit(".", 1)[0],
    "no signature": TOKEN.rsplit(".", 1)[0] + ".",
    "four parts": TOKEN + ".AAAA",
    "five parts": "e30.e30.e30.e30.e30",
    "payload of another token": ".".join(
        [TOKEN.split(".")[0], part(PAYLOAD | {"sid": new_id()}), TOKEN.split(".")[2]]
    ),
    "padded": TOKEN + "==",
    "surrounded by spaces": f" {TOKEN} ",
    "line end": TOKEN + "\n",
    "line end inside": TOKEN[:40] + "\n" + TOKEN[40:],
    "sign of the other alphabet": TOKEN[:-3] + "+" + TOKEN[-2:],
    "zero byte": TOKEN + "\0",
    "full width": "ｅ" + TOKEN[1:],
    "surrogate": TOKEN + "\ud800",
    "too long": "A" * (LONGEST_TOKEN + 1),
    "genuine but too long": signed(PAYLOAD | {"more": "x" * LONGEST_TOKEN}),
    "empty": "",
    "dots": "..",
    "words": "Bearer token",
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_token_is_refused(name):
    """Whatever this service did not issue exactly so is no token, and raises nothing else."""
    with pytest.raises(TokenInvalidError) as refused:
        reader().read(WRONG[name])

    assert refused.value.status == 401
    assert refused.value.__cause__ is None


def test_hand_made_token_is_as_good_as_an_issued_one():
    """The signing of the wrong tokens above is right: only what their name says is wrong."""
    expected = Claims(SID, ORG, USER, BEGAN.replace(microsecond=0), ENDS.replace(microsecond=0))

    assert reader().read(signed_raw(HEADER, PAYLOAD)) == expected
    assert reader().read(signed(PAYLOAD)) == expected
    assert len(WRONG) == 74


def test_other_spelling_of_the_signature_is_refused():
    """The spare bits of the last letter must be zero: a signature has one spelling."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(TOKEN[-1])

    for spare in range(1, 16):
        with pytest.raises(TokenInvalidError):
            reader().read(TOKEN[:-1] + alphabet[last + spare])


@pytest.mark.parametrize("length", range(0, len(TOKEN), 7))
def test_truncated_token_is_refused(length):
    """Every beginning of a token is no token."""
    with pytest.raises(TokenInvalidError):
        reader().read(TOKEN[:length])


@settings(deadline=None)
@given(st.data())
def test_changed_token_is_refused(data):
    """A token with any letter exchanged, known or not, is no token."""
    place = data.draw(st.integers(0, len(TOKEN) - 1))
    letter = data.draw(
        st.characters(min_codepoint=0, max_codepoint=0x2FF).filter(lambda c: c != TOKEN[place])
    )
    one = reader()
    one.read(TOKEN)

    with pytest.raises(TokenInvalidError):
        one.read(TOKEN[:place] + letter + TOKEN[place + 1 :])


@settings(deadline=None)
@given(
    st.text(max_size=300)
    | st.from_regex(r"[A-Za-z0-9_-]{1,40}\.[A-Za-z0-9_-]{1,40}\.[A-Za-z0-9_-]{85}[AQgw]", fullmatch=True)
)
def test_any_text_raises_only_our_error(text):
    """Whatever is sent as a token, the answer is that it is none."""
    with pytest.raises(TokenInvalidError):
        reader().read(text)


def test_two_deployments_do_not_know_each_others_tokens():
    """The same key under another name, and another key under the same name, are both strangers."""
    with pytest.raises(TokenInvalidError):
        reader(issuer="rose-house").read(TOKEN)
    with pytest.raises(TokenInvalidError):
        reader(key=OTHER.public_key()).read(TOKEN)


def test_claims_cannot_be_changed():
    """Remembered claims are shared, so nobody can change them."""
    claims = reader().read(TOKEN)

    with pytest.raises(AttributeError):
        claims.org = USER
