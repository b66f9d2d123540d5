"""Which addresses a webhook may reach: resolved once, every answer checked, so that a name cannot lead into our own network."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schemas import errors

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Link-local holds most clouds' metadata service; the others are Alibaba's, Azure's and AWS's (IPv6).
_NEVER = tuple(map(ipaddress.ip_network, ("169.254.0.0/16", "fe80::/10", "100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::254/128")))


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, as the system gives them."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True)
class Rules:
    """`loopback` allows this machine's own addresses, `only_loopback` nothing else, `private` the named ranges."""

    loopback: bool = False
    only_loopback: bool = False
    private: Sequence[str] = ()


def checked(host: str, port: int, rules: Rules, lookup: Resolve = resolve) -> list[str]:
    """The host's addresses, all of them allowed. Raises `Misconfigured` if any is not, `EndpointDown` if the name is not known."""
    try:
        found = list(dict.fromkeys(lookup(host, port)))
    except (OSError, UnicodeError) as error:
        raise errors.EndpointDown(f"{host} is not known: {error}") from error
    if not found:
        raise errors.EndpointDown(f"{host} has no address")
    for text in found:
        reason = _refusal(_real(ipaddress.ip_address(text.partition("%")[0])), rules)
        if reason:
            raise errors.Misconfigured(f"{host} leads to {text}: {reason[0]}", hint=reason[1])
    return found


def _real(ip: IP) -> IP:
    """The IPv4 address inside an IPv6 one that carries it."""
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        return inner or ip
    return ip


def _refusal(ip: IP, rules: Rules) -> tuple[str, str] | None:
    if any(ip in network for network in _NEVER):
        return "such addresses are never called", "Name another host"
    if ip.is_loopback:
        return None if rules.loopback else ("it is this machine", "Set allow_loopback: true for demos and tests")
    if rules.only_loopback:
        return "plain http stays on this machine", "Use https"
    if ip.is_multicast or ip.is_unspecified or (ip.is_reserved and isinstance(ip, ipaddress.IPv4Address)):
        return "nobody can listen there", "Name another host"
    if not ip.is_global and not any(ip in ipaddress.ip_network(network) for network in rules.private):
        return "it is in a private range", "Add the range to allow_private: if the subscriber lives there"
    return None
