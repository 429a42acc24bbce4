"""Addresses that a worker may connect to: all except this machine, its link and its cloud's metadata.

A baseURL is written by any author of a ModelRoute, and a DNS server can return any address for a name. So each address
is checked before the connection, and exactly that address is connected to: the name is not resolved a second time,
which prevents DNS rebinding. Private networks are allowed, as providers run there.
"""

import ipaddress
from typing import TypeAlias

from msgspec import Struct

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
"""RFC 8215: a network chooses its own prefix in it, of a length unknown here."""
SIIT = ipaddress.IPv6Network("::ffff:0:0:0/96")
"""RFC 2765: `::ffff:0:a.b.c.d`."""
ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})
"""RFC 5214: the third quarter of an interface's address, in front of its IPv4 address."""
NAT64_LENGTHS = (48, 56, 64, 96)
"""Lengths of the prefixes that fit into it (RFC 6052 §2.2)."""
FORBIDDEN: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network; 0.0.0.0 connects to this machine
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the metadata of most clouds
        "100.100.100.200/32",  # metadata: Alibaba
        "168.63.129.16/32",  # platform: Azure
        "192.0.0.0/24",  # protocol assignments, among them Oracle's metadata
        "224.0.0.0/4",
        "240.0.0.0/4",  # reserved, and broadcast
        "::/128",
        "::1/128",
        "fe80::/10",
        "fec0::/10",
        "fd00:ec2::254/128",  # metadata: AWS
        "fd20:ce::254/128",  # metadata: Google
        "ff00::/8",
    )
)


class AddressRules(Struct, frozen=True):
    """`allowed` takes precedence over `FORBIDDEN`."""

    allowed: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "AddressRules":
        """Networks separated by commas (`127.0.0.0/8, ::1`). Raises `ValueError`, which names the invalid one."""
        return cls(tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()))

    def allow(self, text: str) -> bool:
        """True if `text`, an address as a resolver returns it, may be connected to."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        if any(address in network for network in self.allowed):
            return True
        return all(self._harmless(one) for one in (address, *_carried(address)))

    def _harmless(self, address: Address) -> bool:
        if any(address in network for network in self.allowed):
            return True
        return not any(address in network for network in FORBIDDEN)


def _carried(address: Address) -> list[Address]:
    """IPv4 addresses that an IPv6 address can lead to: mapped, compatible, translated, 6to4, Teredo, NAT64, ISATAP."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found: list[Address | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    number = int(address)
    if address in NAT64_LOCAL:
        # Read with a wrong length most are 0.x.x.x, which no translator connects to.
        found += [one for length in NAT64_LENGTHS if int(one := _embedded(number, length)) >> 24]
    if address in NAT64 or address in SIIT or number >> 32 == 0 or (number >> 32) & 0xFFFF_FFFF in ISATAP:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return [one for one in found if one is not None]


def _embedded(address: int, prefix_length: int) -> ipaddress.IPv4Address:
    """RFC 6052 §2.2: the IPv4 address follows the prefix, but for bits 64 to 71, which are left out."""
    bits = f"{address:0128b}"
    after = bits[prefix_length:] if prefix_length > 64 else bits[prefix_length:64] + bits[72:]
    return ipaddress.IPv4Address(int(after[:32], 2))
