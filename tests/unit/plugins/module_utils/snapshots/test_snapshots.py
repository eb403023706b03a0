# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Snapshots of LVM and ZFS over WRITTEN OUTPUT: their programs here are scripts that print what the manuals say.

It was written after the documented formats of lvm2 2.03's `--reportformat json` and OpenZFS 2.1's `zfs list -H`, not
recorded from a machine. So these tests show which commands are given in which order, and how such answers are read;
neither that the true programs answer like that nor that a kernel obeys. btrfs is tried for real, in tests/integration.
"""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.archive import walk
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.snapshots import btrfs, lvm, mounts, registry, take, zfs
from ansible_collections.proven.upkeep.plugins.module_utils.snapshots.mounts import Mount

MOUNTINFO = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/mapper/vg-root rw
25 22 0:24 / /proc rw,nosuid shared:5 - proc proc rw
40 22 254:3 / /srv/my\040data rw,relatime shared:9 - xfs /dev/mapper/vg-data rw
41 40 0:50 / /srv/my\040data/tank rw shared:10 - zfs tank/data rw
42 22 0:51 /@home /home rw,relatime - btrfs /dev/sda2 rw,subvolid=257,subvol=/@home
43 22 0:52 / /home rw - tmpfs tmpfs rw
"""
THICK = {"vg_name": "vg", "lv_name": "data", "lv_attr": "owi-aos---", "lv_size": "10.00g", "data_percent": ""}
THIN = {"vg_name": "vg", "lv_name": "data", "lv_attr": "Vwi-aotz--", "lv_size": "10.00g", "data_percent": "3.10"}
LVM = Mount("/srv/data", "/", "xfs", "/dev/mapper/vg-data")
ZFS = Mount("/tank", "/", "zfs", "tank/data")


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """tools(program, answer, rc=0): it prints that from then on. `tools.said()`: the commands so far."""
    log = tmp_path / "said"
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(state, "state_dir", lambda: str(tmp_path / "state"))

    def tool(program, answer="", rc=0):
        (tmp_path / "bin" / f"{program}.out").write_text(answer)
        script = tmp_path / "bin" / program
        aloud = f"cat {script}.out" if rc == 0 else f"cat {script}.out >&2"
        script.write_text(f'#!/bin/sh\necho "{program} $*" >> {log}\n{aloud}\nexit {rc}\n')
        script.chmod(0o755)

    tool.said = lambda: log.read_text().splitlines() if log.exists() else []
    return tool


def lvs(*volumes):
    return json.dumps({"report": [{"lv": list(volumes)}]})


def test_mounts():
    there = mounts.parse(MOUNTINFO)
    assert mounts.holding("/etc/passwd", there).point == "/"
    assert mounts.holding("/srv/my data/x", there) == Mount("/srv/my data", "/", "xfs", "/dev/mapper/vg-data")
    assert mounts.holding("/home/x", there).kind == "tmpfs"  # mounted later over the same point
    assert mounts.holding("/srv/my database", there).point == "/"
    assert [mount.point for mount in mounts.below("/srv", there)] == ["/srv/my data", "/srv/my data/tank"]
    assert not mounts.below("/srv/my data/tank", there)


@pytest.mark.parametrize(
    ("volume", "size", "expected"),
    [
        (THICK, None, "lvcreate --yes --snapshot --name N --extents 10%ORIGIN vg/data"),
        (THICK, "2G", "lvcreate --yes --snapshot --name N --size 2G vg/data"),
        (THICK, "2147483648", "lvcreate --yes --snapshot --name N --size 2147483648b vg/data"),
        (THIN, "2G", "lvcreate --yes --snapshot --setactivationskip n --name N vg/data"),
    ],
)
def test_lvm_takes_and_mounts(tools, tmp_path, volume, size, expected):
    for program in ("lvcreate", "mount"):
        tools(program)
    tools("lvs", lvs(volume))
    place = str(tmp_path / "place")
    assert lvm.take(LVM, lvm.top("/srv/data/x", LVM), "N", place, size) == place
    assert tools.said()[1:] == [expected, f"mount -t xfs -o ro,nouuid /dev/vg/N {place}"]
    assert lvm.take(LVM._replace(root="/part", kind="ext4"), "/srv/data", "N", place) == place + "/part"
    assert tools.said()[-1] == f"mount -t ext4 -o ro /dev/vg/N {place}"


def test_lvm_removes_and_finds_leftovers(tools, tmp_path):
    snapshot = {**THICK, "lv_name": "upkeep-s-1", "lv_attr": "swi-aos---", "origin": "data", "data_percent": "1.20"}
    tools("lvs", lvs(THICK, snapshot))
    tools("lvremove")
    # Both questions, of the device and of its group, get the same answer here: the device's volume is the first.
    lvm._volumes, real = lambda which: real(which)[:1] if which.startswith("/dev") else real(which), lvm._volumes
    try:
        assert lvm.leftovers(LVM, "/srv/data", "upkeep-s-") == ["upkeep-s-1"]
        lvm.remove(LVM, "/srv/data", "upkeep-s-1", str(tmp_path / "place"))
        assert tools.said()[-1] == "lvremove --yes vg/upkeep-s-1"
        tools("lvs", lvs(THICK, {**snapshot, "lv_attr": "swi-Ios---", "data_percent": "100.00"}))
        with pytest.raises(UpkeepError) as failed:
            lvm.remove(LVM, "/srv/data", "upkeep-s-1", str(tmp_path / "place"))
        assert failed.value.code == "snapshot_overflowed" and "snapshot_size" in failed.value.message
        assert tools.said()[-1] == "lvremove --yes vg/upkeep-s-1"
    finally:
        lvm._volumes = real


def test_lvm_fits_what_lies_on_a_volume(tools):
    tools("lvs", lvs(THICK))
    assert lvm.fits(LVM) and not lvm.fits(LVM._replace(source="/dev/sda1"))
    tools("lvs", '  Failed to find logical volume "crypt/x"\n', rc=5)
    assert not lvm.fits(LVM)
    tools("lvs", "no JSON")
    with pytest.raises(UpkeepError):
        lvm._volumes("vg")


def test_zfs(tools):
    tools("zfs", "tank/data@daily\ntank/data@upkeep-s-1\ntank/data@upkeep-t-1\n")
    assert zfs.top("/tank/x", ZFS) == "/tank"
    assert zfs.take(ZFS, "/tank", "upkeep-s-1", "/unused") == "/tank/.zfs/snapshot/upkeep-s-1"
    assert tools.said()[-1] == "zfs snapshot tank/data@upkeep-s-1"
    assert zfs.leftovers(ZFS, "/tank", "upkeep-s-") == ["upkeep-s-1"]
    zfs.remove(ZFS, "/tank", "upkeep-s-1", "/unused")
    assert tools.said()[-1] == "zfs destroy tank/data@upkeep-s-1"
    count = len(tools.said())
    zfs.remove(ZFS, "/tank", "upkeep-s-9", "/unused")
    assert tools.said()[count:] == ["zfs list -H -t snapshot -o name -d 1 tank/data"]
    with pytest.raises(UpkeepError) as failed:
        zfs.top("/x", ZFS._replace(root="/part"))
    assert failed.value.code == "snapshot_unavailable"


def test_a_tool_that_fails_or_is_missing(tools, monkeypatch, tmp_path):
    tools("zfs", "cannot create snapshot: out of space\n", rc=1)
    with pytest.raises(UpkeepError) as failed:
        zfs.take(ZFS, "/tank", "n", "/unused")
    assert failed.value.code == "snapshot_failed" and "out of space" in failed.value.message
    with pytest.raises(UpkeepError) as failed:
        zfs.run("upkeep-no-such-program")
    assert failed.value.code == "snapshot_unavailable" and "install it" in failed.value.message


@pytest.mark.parametrize(
    ("kind", "wanted", "driver"),
    [
        ("btrfs", "auto", btrfs),
        ("zfs", "auto", zfs),
        ("ext4", "auto", None),
        ("btrfs", "lvm", None),
        ("zfs", "zfs", zfs),
    ],
)
def test_which_driver(kind, wanted, driver):
    assert registry.driver_for(Mount("/x", "/", kind, "/dev/sda1"), wanted) is driver


def test_what_no_driver_fits_is_refused(tools, tmp_path, monkeypatch):
    monkeypatch.setattr(mounts, "read", lambda: [Mount("/", "/", "ext4", "/dev/sda1")])
    roots = walk.find_roots([str(tmp_path)], None)
    with pytest.raises(UpkeepError) as failed, take.taken(roots, take.Wanted("auto", "s", "k")):
        pass
    assert failed.value.code == "snapshot_unavailable" and "ext4" in failed.value.message


def test_a_snapshot_that_ran_out_of_room_explains_what_could_not_be_read(tools, tmp_path, monkeypatch):
    top = tmp_path / "top"
    (top / ".zfs/snapshot").mkdir(parents=True)
    monkeypatch.setattr(mounts, "read", lambda: [Mount(str(top), "/", "zfs", "tank")])
    monkeypatch.setattr(zfs, "take", lambda *_given: str(top))
    monkeypatch.setattr(zfs, "leftovers", lambda *_given: [])

    def overflowed(*_given):
        raise UpkeepError("snapshot_overflowed", "more room")

    monkeypatch.setattr(zfs, "remove", overflowed)
    roots = walk.find_roots([str(top)], None)
    with pytest.raises(UpkeepError) as failed, take.taken(roots, take.Wanted("auto", "s", "k")):
        raise UpkeepError("unreadable", "Input/output error")
    assert failed.value.code == "snapshot_overflowed"
    with take.taken(roots, take.Wanted("auto", "s", "k")) as found:  # all could be read, so all is well
        assert found.roots == roots
    assert not found.warnings


def test_btrfs_lists_what_lies_below():
    told = "ID 256 gen 7 top level 5 path sub\nID 257 gen 7 top level 256 path sub/in side\n"
    assert btrfs.subvolumes(told) == ["sub", "sub/in side"]
