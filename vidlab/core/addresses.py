"""Which addresses are asked: http(s), and nobody that a file or a server leads to on the sly.

An address may come from a table, a card, or the answer of a server. Whoever reads it for
somebody must not be led to what only this machine reaches: the service that hands out a cloud
machine's keys is one GET away (link-local 169.254.169.254, RFC 3927). What a person typed may be
in their own house, such as a mirror or a camera; where a public server leads may not.
"""

from __future__ import annotations

import base64
import ipaddress
import socket
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.parse import unquote, urlsplit

_WEB = ("http", "https")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Services that hand out a cloud machine's keys at addresses that are not link-local: Amazon's
# over IPv6, and Alibaba's.
_KEY_SERVICES = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200")))

# IPv4 within IPv6, as written by translators (RFC 6052, 2.1).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

_USER_AGENT = "vidlab"


def refusal(
    url: str, *, schemes: tuple[str, ...] = _WEB, came_from: str | None = None
) -> str | None:
    """Say why an address is not asked, as the end of a sentence; None where it may be.

    The name is looked up, and every answer looked at. One that cannot be looked up is not refused:
    behind a proxy only the proxy can, and else connecting says what is wrong.

    Args:
        url: The address.
        schemes: Protocols that are spoken.
        came_from: The address that led there; None where somebody typed it.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        return f"it is no address ({error})"
    if parts.scheme.lower() not in schemes:
        return f"only {', '.join(f'{each}://' for each in schemes)} is read"
    if not host:
        return "it names no server"
    places = _places(host, port)
    for place in places:
        if place.is_link_local or place in _KEY_SERVICES:
            return f"{host} is a link-local address ({place}), where machines keep their keys"
        if place.is_multicast or place.is_unspecified:
            return f"{host} ({place}) is no server's address"
    if came_from is not None and any(not place.is_global for place in places):
        origin = urlsplit(came_from)
        if (origin.hostname, origin.port) != (host, port) and any(
            place.is_global for place in _places(origin.hostname or "", origin.port)
        ):
            return f"{origin.hostname} leads to {host}, which is in this machine's own network"
    return None


def _places(host: str, port: int | None) -> list[_Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [_unwrapped(ipaddress.ip_address(str(each[4][0]).partition("%")[0])) for each in found]


def _unwrapped(place: _Address) -> _Address:
    """Return the IPv4 address within an IPv6 one, where there is one."""
    if isinstance(place, ipaddress.IPv4Address):
        return place
    if place in _NAT64:
        return ipaddress.IPv4Address(int(place) & 0xFFFF_FFFF)
    return place.ipv4_mapped or place.sixtofour or place


class RefusedAddressError(urllib.error.URLError):
    """A server leads to an address that is not asked."""

    def __str__(self) -> str:
        return str(self.reason)


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections to addresses that may be asked; keeps a password from other servers."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str,
        headers: HTTPMessage, newurl: str,
    ) -> urllib.request.Request | None:  # fmt: skip
        """Return the next request, or raise."""
        if why := refusal(newurl, came_from=req.full_url):
            raise RefusedAddressError(f"it leads to another address, which is not asked: {why}")
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        password = req.unredirected_hdrs.get("Authorization")
        if request is not None and password and urlsplit(newurl).netloc == req.host:
            request.add_unredirected_header("Authorization", password)
        return request


def opener() -> urllib.request.OpenerDirector:
    """Return what opens http(s) addresses, through the environment's proxies, and nothing else.

    Whoever opens asks :func:`refusal` first; redirections are checked here.
    """
    found = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _CheckedRedirects(),
    ):
        found.add_handler(handler)
    return found


def followed(url: str, *, timeout_seconds: float) -> str | None:
    """Return where an http(s) address redirects to, or None where it does not, or none answers.

    Args:
        url: The address; a name and password in it are for its own server alone.
        timeout_seconds: How long a server may take.

    Raises:
        RefusedAddressError: It leads to a place that is not asked.
    """
    parts = urlsplit(url)
    if parts.scheme.lower() not in _WEB:
        return None
    words, _, netloc = parts.netloc.rpartition("@")
    bare = parts._replace(netloc=netloc).geturl()
    request = urllib.request.Request(bare, headers={"User-Agent": _USER_AGENT})
    if words:
        secret = base64.b64encode(unquote(words).encode()).decode("ascii")
        request.add_unredirected_header("Authorization", f"Basic {secret}")
    try:
        with opener().open(request, timeout=timeout_seconds) as response:
            there = str(response.url)
    except RefusedAddressError:
        raise
    except (OSError, ValueError, HTTPException):
        return None
    if there == bare:
        return None
    end = urlsplit(there)
    return end._replace(netloc=parts.netloc).geturl() if end.netloc == netloc else there
