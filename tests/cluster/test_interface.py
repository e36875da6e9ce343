import socket
from types import SimpleNamespace

import psutil
import pytest

from pipeline.cluster import interface


@pytest.fixture
def interfaces(monkeypatch):
    """A machine with eth1 and eth10, whose environment names no interface."""

    def address(family, text):
        return SimpleNamespace(family=family, address=text)

    addresses = {
        "lo": [address(socket.AF_INET, "127.0.0.1")],
        "eth10": [address(socket.AF_PACKET, "02:00:00:00:00:01"), address(socket.AF_INET, "10.0.0.7")],
        "eth1": [address(socket.AF_INET, "10.0.0.70"), address(socket.AF_INET6, "fe80::1%eth1")],
    }
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: addresses)
    for name in interface.VARIABLES:
        monkeypatch.setenv(name, "")  # restored after the test
        monkeypatch.delenv(name)
    return interface


@pytest.mark.parametrize(("address", "name"), [("10.0.0.7", "eth10"), ("fe80::1", "eth1"), ("10.0.0.8", None)])
def test_an_interface_is_found_by_its_whole_address(interfaces, address, name):
    assert interfaces.interface(address) == name


def used(monkeypatch):
    import os

    return [os.environ.get(name) for name in interface.VARIABLES]


def test_gloo_and_nccl_use_the_interface_and_no_other_of_like_name(interfaces, monkeypatch):
    interfaces.use("10.0.0.70")
    assert used(monkeypatch) == ["eth1", "=eth1"]


def test_what_the_user_chose_stays(interfaces, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "ib0")
    interfaces.use("10.0.0.7")
    assert used(monkeypatch) == ["ib0", "=eth10"]


def test_an_address_that_no_interface_has_changes_nothing(interfaces, monkeypatch):
    interfaces.use("203.0.113.5")
    assert used(monkeypatch) == [None, None]
