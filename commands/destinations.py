"""Destinations: where a webhook may lead. Whoever adds one must not reach through us what only we can reach.

An address is judged when a webhook is added, and again, after its name is looked up, whenever something is sent: what
is connected to is the address that was judged, so no answer of a name server can change in between.
"""

import asyncio
import re
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

LOOK_UP_WITHIN = 2.0  # seconds, when a webhook is added
LONGEST_URL = 2_000

# As a whole: backslashes, spaces and control characters are read differently by different readers.
_URL = re.compile(r"https?://[!-\[\]-~]+", re.ASCII | re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}

# What is called global, by some versions of Python at least, and yet leads to ourselves or to our host's cloud.
_NOT_PUBLIC = [
    ip_network(network)
    for network in (
        "168.63.129.16/32",  # Azure's services for the machine
        "192.0.0.0/24",  # protocols, and Oracle's services for the machine (RFC 6890)
        "192.88.99.0/24",  # relays to 6to4 (RFC 7526)
        "2001::/23",  # protocols, and Teredo: an IPv4 address within (RFC 4380)
        "2002::/16",  # 6to4: an IPv4 address within (RFC 3056)
        "3fff::/20",  # documentation (RFC 9637)
    )
]
_GLOBAL_UNICAST = ip_network("2000::/3")
"""All other IPv6 is not for the public: IPv4 within (::/96, ::ffff:0:0/96, 64:ff9b::/96), local or multicast."""


class BadUrl(ValueError):
    """The address is none that something can be sent to."""


class AddressNotAllowed(ValueError):
    """The address leads to no public place."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is anybody's, not of this machine, its networks or those who run it."""
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _NOT_PUBLIC)


def host_of(url: str) -> str:
    """The host that `url` names. Raises `BadUrl`."""
    return _parts(url).hostname or ""


LooksUp = Callable[[str, int], list[str]]
"""Every address to which a host's name leads, for a port. Raises `OSError`."""


def looked_up(host: str, port: int) -> list[str]:
    """The system's answer, which also reads `127.1`, `0x7f000001` and `2130706433`, as whatever connects would."""
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:  # a label that is too long
        raise OSError("no such name") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in answers))


class Destinations:
    """Looks up where addresses lead; `private` allows every one, for development."""

    def __init__(self, *, private: bool = False, look_up: LooksUp = looked_up) -> None:
        self._private = private
        self._look_up = look_up
        # Of its own: a name server that hangs must delay nobody who is waiting for something else.
        self._threads = ThreadPoolExecutor(64, thread_name_prefix="names")

    async def admit(self, url: str) -> None:
        """Raise `BadUrl`, or `AddressNotAllowed` if `url` leads, as far as can be known now, to no public place."""
        _parts(url)
        # A name that is not known now may be known later: it is judged again then.
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(LOOK_UP_WITHIN):
                await self.addresses(url)

    async def addresses(self, url: str) -> list[str]:
        """Every address of the host that `url` names, all allowed. Raises `BadUrl`, `AddressNotAllowed`, `OSError`."""
        parts = _parts(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self._look_up, host, port)
        if not self._private and not all(is_public(ip_address(one)) for one in found):
            raise AddressNotAllowed("a webhook leads to public addresses only")
        return found

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _parts(url: str) -> SplitResult:
    if len(url) > LONGEST_URL or not _URL.fullmatch(url):
        raise BadUrl(f"a webhook's address is http:// or https://, plain ASCII, of at most {LONGEST_URL} characters")
    try:
        parts = urlsplit(url)
        usable = parts.hostname and parts.port != 0
    except ValueError:
        raise BadUrl("the address cannot be read") from None
    if not usable:
        raise BadUrl("the address names no host")
    if "@" in parts.netloc:
        raise BadUrl("an address does not hold a user or a password")
    if parts.fragment:
        raise BadUrl("an address has no fragment")
    return parts
