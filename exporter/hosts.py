"""Which hosts are this machine."""

import re
from ipaddress import IPv6Address, ip_address

_HOST = re.compile(r"(\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+))(:[0-9]{1,5})?")


def is_loopback(host: str) -> bool:
    """Whether a host is ``localhost`` or a loopback address, IPv4 within IPv6 included."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def hostname(header: str) -> str:
    """The host of a ``Host`` header, in small letters; empty where it is not ``HOST`` or ``HOST:PORT`` and no more."""
    found = _HOST.fullmatch(header)
    return (found["six"] or found["host"]).lower() if found else ""
