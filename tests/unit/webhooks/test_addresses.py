"""Where messages may go. Every hostile spelling here was one that led somewhere inside, in some product."""

import asyncio
from ipaddress import ip_address

import httpx2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.webhooks.addresses import (
    AddressRefusedError,
    NameUnknownError,
    Target,
    judge_url,
    read_url,
    refuse_special,
    resolve,
)

PUBLIC4, PUBLIC6 = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"

HOSTILE_URLS = (
    # not TLS, not HTTP, not a URL
    *("http://example.org/", "ftp://example.org/", "file:///etc/passwd", "gopher://example.org:443/_x"),
    *("", "https://", "https:///path", "//example.org/", "example.org", "https:example.org", "javascript:0"),
    # this machine, in every spelling an address has
    *("https://127.0.0.1/", "https://127.1/", "https://127.0.1/", "https://2130706433/", "https://0/"),
    *("https://0x7f000001/", "https://0x7f.1/", "https://0177.0.0.1/", "https://017700000001/"),
    *("https://127.0.0.1.:443/", "https://127.000.000.001/", "https://0.0.0.0/", "https://0x/"),
    *("https://[::1]/", "https://[::]/", "https://[0:0:0:0:0:0:0:1]/", "https://[::ffff:127.0.0.1]/"),
    *("https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/", "https://[::1%25lo]/", "https://[::1%lo]/"),
    *("https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://a.localhost/"),
    # private and link-local networks, metadata of clouds
    *("https://10.0.0.1/", "https://172.16.0.1/", "https://172.31.255.255/", "https://192.168.1.1/"),
    *("https://169.254.169.254/latest/meta-data/", "https://169.254.170.2/", "https://100.100.100.200/"),
    *("https://168.63.129.16/", "https://2852039166/", "https://0xa9fea9fe/", "https://[fd00:ec2::254]/"),
    *("https://[::ffff:169.254.169.254]/", "https://[fe80::1]/", "https://[fc00::1]/", "https://[fec0::1]/"),
    *("https://100.64.0.1/", "https://192.0.0.192/", "https://198.18.0.1/", "https://metadata/"),
    *("https://metadata.google.internal/", "https://router.local/", "https://nas.home/", "https://db/"),
    # addresses that stand for others: NAT64, 6to4, Teredo, translated
    *("https://[64:ff9b::7f00:1]/", "https://[64:ff9b:1::a00:1]/", "https://[2002:7f00:1::]/"),
    *("https://[2002:a9fe:a9fe::1]/", "https://[2001:0:53aa:64c:0:fbff:80ff:fffe]/"),
    *("https://[::ffff:0:127.0.0.1]/", "https://[5f00::1]/", "https://[100::1]/"),
    # multicast, broadcast, reserved, documentation
    *("https://224.0.0.1/", "https://239.255.255.250/", "https://255.255.255.255/", "https://240.0.0.1/"),
    *("https://[ff02::1]/", "https://192.0.2.1/", "https://[2001:db8::1]/", "https://[3fff::1]/"),
    # user names, and hosts that look like others
    *("https://example.org@127.0.0.1/", "https://user:pass@example.org/", "https://@example.org/"),
    *("https://example.org:443@10.0.0.1/", "https://example.org%40127.0.0.1/", "https://127.0.0.1%00.x.org/"),
    *("https://example.org\\@127.0.0.1/", "https://example.org#@127.0.0.1/", "https://example.org/#part"),
    *("https://exa mple.org/", "https://example.org/\r\nHost: x", "https://example.org\t/", "https://a..b/"),
    *("https://１２７.0.0.1/", "https://ⓔxample.org/", "https://еxample.org/", "https://example。org/"),
    *("https://xn--/", "https://xn--a-.org/", "https://-a.org/", "https://a_b.org/", "https://example.org./"),
    # ports
    *(
        "https://example.org:0/",
        "https://example.org:22/",
        "https://example.org:25/",
        "https://example.org:80/",
    ),
    *("https://example.org:65536/", "https://example.org:-1/", "https://example.org:443x/"),
    *("https://example.org:/", "https://example.org:6379:443/", "https://example.org:４４３/"),
    *("https://[2606:4700::1111]25/", "https://[2606:4700::1111]x:443/", "https://x[2606:4700::1111]/"),
    *(
        "https://[v1.a.b]/",
        "https://[93.184.215.14]/",
        "https://example.org:0443/",
        "https://example.org:+443/",
    ),
    "https://example.org/" + "a" * 2000,
)


def test_the_table_is_whole():
    """So many hostile URLs are tried below, each once."""
    assert len(set(HOSTILE_URLS)) == len(HOSTILE_URLS) == 115


@pytest.mark.parametrize("url", HOSTILE_URLS)
@pytest.mark.parametrize("name_leads_to", [PUBLIC4])
def test_hostile_urls_are_refused_without_asking_anybody(url, name_leads_to):
    """What is wrong with the URL itself is refused before any name is looked up."""
    with pytest.raises(AddressRefusedError) as refused:
        read_url(url)
    assert url == "" or url not in refused.value.detail


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/hooks?token=a%20b",
        "https://hooks.example.org:8443/",
        "https://xn--bcher-kva.example/",
        "HTTPS://Example.ORG/Path",
        f"https://{PUBLIC4}/",
        f"https://[{PUBLIC6}]:8443/",
    ],
)
def test_ordinary_urls_are_taken(url):
    """Names and addresses of the public internet, with or without a port of their own."""
    assert parts_of(url) == read_url(url)


def parts_of(url):
    """Return what the client library, which is another reader, makes of a URL."""
    asked = httpx2.URL(url)
    port = asked.port or {"https": 443, "http": 80}[asked.scheme]
    literal = ip_address(asked.host) if asked.host.strip("0123456789.") == "" or ":" in asked.host else None
    return Target(asked.scheme, asked.raw_host.decode(), port, asked.raw_path.decode(), literal)


PIECES = st.sampled_from(
    [
        *("https://", "http://", "//", "/", "?", "@", ":", "[", "]", ".", "..", "%", "25", "443", ":443"),
        *("8443", "0", "x", "v1", "example", "example.org", PUBLIC4, PUBLIC6, f"[{PUBLIC6}]", "1", "-"),
        *("[", "]", "::", "0x", "EXAMPLE.org", "a=b", ";", "+", "_", "~", "!", "&", "*", "(", "'"),
    ]
)


@settings(max_examples=1000, deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join))
@example(f"[{PUBLIC6}]25/")
@example(f"[{PUBLIC6}]x:443/")
@example("[v1.a.b]/")
def test_what_is_judged_is_what_the_client_would_connect_to(rest):
    """Two readers of URLs agree on host and port of each that is taken: neither is led past the other."""
    url = "https://" + rest
    try:
        target = read_url(url)
    except AddressRefusedError:
        return
    known = parts_of(url)
    assert (known.scheme, known.host, known.port, known.literal) == (
        target.scheme,
        target.host,
        target.port,
        target.literal,
    )


def found(*addresses):
    """A look-up that finds these."""

    async def look_up(_host, _port):
        return addresses

    return look_up


def resolved(url, lookup, **options):
    return asyncio.run(resolve(read_url(url, **options), lookup, **options))


@pytest.mark.parametrize(
    "inside",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "169.254.169.254",
            "0.0.0.0",
            "::1",
            "fe80::1",
            "fd00::1",
            "64:ff9b::a00:1",
        ),
        *("::ffff:10.0.0.1", "2002:a00:1::", "224.0.0.251", "100.64.0.7", "168.63.129.16", "fe80::1%eth0"),
    ],
)
def test_one_address_inside_spoils_a_name(inside):
    """A name that has an inside address among public ones is not sent to at all, wherever it stands."""
    for addresses in ([inside], [PUBLIC4, inside], [inside, PUBLIC6], [PUBLIC4, PUBLIC6, inside]):
        with pytest.raises(AddressRefusedError) as refused:
            resolved("https://example.org/", found(*addresses))
        assert "public internet" in refused.value.detail


def test_a_name_may_have_several_public_addresses():
    """All of them are handed on, in their order."""
    assert [PUBLIC4, PUBLIC6] == resolved("https://example.org/", found(PUBLIC4, PUBLIC6))


def test_a_name_without_an_address_is_told_as_every_other():
    """Nobody maps a network with us: unknown names and names inside are refused in the same words."""

    async def unknown(_host, _port):
        raise OSError

    words = set()
    for lookup in (unknown, found(), found("10.0.0.1"), found("127.0.0.1"), found("no address")):
        with pytest.raises(AddressRefusedError) as refused:
            resolved("https://example.org/", lookup)
        words.add(refused.value.detail)
        if lookup is unknown:
            assert isinstance(refused.value, NameUnknownError)
    assert 1 == len(words)


def test_every_address_but_those_given_out_is_refused():
    """Of the first addresses of all 256 blocks of IPv4 and all 16-bit prefixes of IPv6 few are public."""
    public4 = [n for n in range(256) if taken(f"{n}.1.1.1")]
    public6 = [n for n in range(0x10000) if taken(f"{n:x}:1234:5678::1")]

    assert [n for n in range(1, 224) if n not in (10, 127)] == public4
    assert [n for n in range(0x2000, 0x4000) if n not in (0x2002,)] == public6


def taken(address):
    try:
        refuse_special(ip_address(address))
    except AddressRefusedError:
        return False
    return True


@pytest.mark.parametrize("url", ["http://localhost:8080/", "https://127.0.0.1:8443/", "http://[::1]:8080/"])
def test_this_machine_is_sent_to_only_where_a_setting_says_so(url):
    """Without the setting it is refused in words that name it; with it plain HTTP is enough."""
    with pytest.raises(AddressRefusedError, match="address-refused") as refused:
        read_url(url)
    assert "CARETRAIL_WEBHOOKS_ALLOW_LOOPBACK" in refused.value.detail

    assert parts_of(url) == read_url(url, loopback=True)


@pytest.mark.parametrize(
    "url",
    ["http://example.org:8080/", "https://10.0.0.1:8443/", "http://10.0.0.1:8080/", "https://a.localhost/"],
)
def test_the_setting_opens_nothing_but_this_machine(url):
    """Plain HTTP elsewhere and private addresses stay refused."""
    with pytest.raises(AddressRefusedError):
        read_url(url, loopback=True)


def test_plain_http_goes_no_further_than_this_machine():
    """A `localhost` that leads elsewhere is not sent to without TLS."""
    with pytest.raises(AddressRefusedError):
        resolved("http://localhost:8080/", found(PUBLIC4), loopback=True)
    assert ["127.0.0.1"] == resolved("http://localhost:8080/", found("127.0.0.1"), loopback=True)


def test_a_judgement_names_the_field_and_repeats_nothing():
    """Who enters an endpoint is told what is wrong with `/url`, without the URL; a good one is None."""
    refused = asyncio.run(judge_url("https://canary.internal/"))

    assert refused is not None
    assert (422, "/url") == (refused.status, refused.errors[0][0])
    assert "canary" not in str(refused.errors) + refused.detail
    assert None is asyncio.run(judge_url("https://example.org/", lookup=found(PUBLIC4)))


def test_a_look_up_that_hangs_is_given_up(monkeypatch):
    """A resolver that never answers does not hold a request for ever."""
    monkeypatch.setattr("app.webhooks.addresses.LOOK_UP_S", 0.05)

    async def hangs(_host, _port):
        await asyncio.sleep(30)
        return [PUBLIC4]

    assert asyncio.run(judge_url("https://example.org/", lookup=hangs)) is not None
