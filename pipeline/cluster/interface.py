"""The network interface by which a worker is reached."""

import os
import socket

import psutil

VARIABLES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")


def interface(address: str) -> str | None:
    """Return the name of this machine's interface with an IPv4 or IPv6 address; None: none has it."""
    for name, entries in psutil.net_if_addrs().items():
        families = {socket.AF_INET, socket.AF_INET6}
        if any(entry.family in families and entry.address.partition("%")[0] == address for entry in entries):
            return name
    return None


def use(address: str) -> None:
    """Make gloo and nccl use the interface with an address, unless the environment names others.

    By default, gloo takes the address that the host's own name resolves to. On Debian that is 127.0.1.1, where no other
    host reaches it. An address that belongs to no interface (a container's, seen from outside) changes nothing.
    """
    name = interface(address)
    if name is not None:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
        os.environ.setdefault("NCCL_SOCKET_IFNAME", f"={name}")  # without =, it is a prefix: eth1 would match eth10
