# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Listening sockets: texts of /proc/net, and real ones of this process."""

from __future__ import annotations

import os
import socket

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.patching import sockets

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   105        0 22117 1
   1: 00000000:0913 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 20963 1
   2: 0A00580A:0016 0100580A:A0F2 01 00000000:00000000 02:000A3C42 00000000     0        0 23001 4
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 20961 1
   1: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 20967 1
"""
UDP = """\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  301: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 18001 2 0000000000000000 0
  310: 0A00580A:C350 08080808:0035 01 00000000:00000000 00:00000000 00000000     0        0 18007 2 0000000000000000 0
"""


@pytest.mark.parametrize(
    "text, state, found",
    [
        (TCP, "0A", [("127.0.0.1", 5432, "22117"), ("0.0.0.0", 2323, "20963")]),
        (TCP6, "0A", [("::", 22, "20961"), ("127.0.0.1", 8080, "20967")]),
        (UDP, "07", [("0.0.0.0", 68, "18001")]),
        ("", "0A", []),
        ("a host without IPv6", "0A", []),
    ],
)
def test_what_listens(text, state, found):
    assert list(sockets.parse(text, state)) == found


@pytest.mark.parametrize(
    "digits, address",
    [
        ("0100007F", "127.0.0.1"),
        ("B80D0120000000000000000001000000", "2001:db8::1"),
        ("00000000000000000000000001000000", "::1"),
    ],
)
def test_addresses(digits, address):
    assert sockets.address_of(digits) == address


def test_this_process_is_seen_listening():
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(("127.0.0.1", 0))
        mine = {("tcp", tcp.getsockname()[1]), ("udp", udp.getsockname()[1])}
        found = {(each.proto, each.port): each for each in sockets.listening()}
        assert sockets.addresses(tcp.getsockname()[1]) == ["127.0.0.1"]
        for key in mine:
            assert found[key].address == "127.0.0.1"
            assert found[key].process and "python" in found[key].process
    assert not mine & {(each.proto, each.port) for each in sockets.listening()}


def test_who_holds_a_socket_that_systemd_handed_on(tmp_path):
    # ssh.socket: process 1 opened it, and sshd serves it.
    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text(TCP)
    for pid, cgroup in (("1", "0::/init.scope"), (str(os.getpid()), "0::/system.slice/shop.service")):
        (tmp_path / pid / "fd").mkdir(parents=True)
        os.symlink("socket:[20963]", str(tmp_path / pid / "fd/3"))
        (tmp_path / pid / "cgroup").write_text(cgroup + "\n")
    (shop,) = [each for each in sockets.listening(str(tmp_path)) if each.port == 2323]
    assert shop.unit == "shop.service"
    (unseen,) = [each for each in sockets.listening(str(tmp_path)) if each.port == 5432]
    assert (unseen.process, unseen.unit) == (None, None)


def test_ports_that_the_kernel_hands_out(tmp_path):
    assert sockets.ephemeral(str(tmp_path)) == [32768, 60999]
    (tmp_path / "sys/net/ipv4").mkdir(parents=True)
    (tmp_path / "sys/net/ipv4/ip_local_port_range").write_text("1024\t65535\n")
    assert sockets.ephemeral(str(tmp_path)) == [1024, 65535]
