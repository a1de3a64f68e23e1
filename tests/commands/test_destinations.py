"""Where webhooks may lead: public addresses alone, however they are written and whatever a name leads to."""

from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from commands.destinations import AddressNotAllowed, BadUrl, Destinations, is_public


@pytest.fixture
def destinations() -> Iterator[Destinations]:
    destinations = Destinations()
    yield destinations
    destinations.close()


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # this machine, to many a system
        "0.1.2.3",
        "127.0.0.1",
        "127.255.255.254",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",  # carriers' networks
        "100.100.100.200",  # Alibaba's metadata
        "169.254.169.254",  # most clouds' metadata
        "169.254.170.2",
        "168.63.129.16",  # Azure's
        "192.0.0.192",  # Oracle's
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",  # Teredo
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",  # Amazon's metadata
        "fe80::1",
        "fe80::1%1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_an_address_that_is_not_anybodys_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"])
def test_other_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        "localhost",  # a name
        "LOCALHOST",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "0",
        "169.254.169.254",
        "2852039166",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[2002:7f00:1::]",
        "[64:ff9b::7f00:1]",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_what_leads_to_no_public_place_is_refused(destinations: Destinations, scheme: str, host: str) -> None:
    with pytest.raises(AddressNotAllowed):
        await destinations.admit(f"{scheme}://{host}/hook")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook",
        "//example.org/hook",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "http://",
        "http:///hook",
        "http://:80/",
        "http://user@example.org/",
        "http://user:password@example.org/",
        "http://@example.org/",
        "http://example.org#@127.0.0.1/",
        "http://example.org\\@127.0.0.1/",
        "http://example.org:0/",
        "http://example.org:65536/",
        "http://example.org:port/",
        "http://[::1/",
        "http://[nonsense]/",
        "http://exa mple.org/",
        "http://example.org/\r\nX: y",
        "http://example.org/\x00",
        "http://exämple.org/",
        "http://①②⑦.0.0.1/",
        f"http://example.org/{'a' * 2_000}",
    ],
)
async def test_what_is_no_address_is_refused(destinations: Destinations, url: str) -> None:
    with pytest.raises(BadUrl):
        await destinations.admit(url)


@pytest.mark.parametrize(
    "url", ["https://8.8.8.8/hook?token=1", "http://8.8.8.8:8080", "https://[2606:4700::1111]/", "http://134744072/"]
)
async def test_public_addresses_are_let_in_and_led_to(destinations: Destinations, url: str) -> None:
    await destinations.admit(url)

    assert await destinations.addresses(url) in (["8.8.8.8"], ["2606:4700::1111"])


async def test_a_name_that_nobody_knows_yet_is_let_in_and_leads_nowhere(destinations: Destinations) -> None:
    url = f"https://{'a' * 64}.invalid/hook"  # no name server has to be asked

    await destinations.admit(url)

    with pytest.raises(OSError, match="no such name"):
        await destinations.addresses(url)


@pytest.mark.parametrize("found", [["8.8.8.8", "127.0.0.1"], ["169.254.169.254", "2606:4700::1111"]])
async def test_a_name_with_one_address_that_is_not_public_is_refused(found: list[str]) -> None:
    destinations = Destinations(look_up=lambda _host, _port: found)

    with pytest.raises(AddressNotAllowed):
        await destinations.admit("https://both.example/hook")
    with pytest.raises(AddressNotAllowed):
        await destinations.addresses("https://both.example/hook")
    destinations.close()


async def test_a_setting_lets_every_address_in() -> None:
    destinations = Destinations(private=True)

    await destinations.admit("http://127.0.0.1:9/")

    assert await destinations.addresses("http://127.0.0.1:9/") == ["127.0.0.1"]
    destinations.close()
