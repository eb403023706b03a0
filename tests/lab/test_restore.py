# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real host's data destroyed and brought back as an operator would, and held against a listing by other tools."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lab.fleet import ROOT
from tests.support import BIN

INVENTORY = str(ROOT / "inventories/lab")

# One of everything, beside what the lab's shop has: many small files, a hard link, a symbolic link.
MORE = r"""
DEBIAN_FRONTEND=noninteractive apt-get -qq install attr acl libcap2-bin >/dev/null
cd /srv/shop
mkdir -m 2770 shared; chown 1234:3000000 shared; setfacl -d -m u:33:rwx shared; setfacl -m u:33:r-x orders
printf 'own' >shared/own; chown 1234:33 shared/own; setfattr -n user.note -v 'kept, too' shared/own
cp /bin/true tool; setcap cap_net_bind_service+ep tool; cp /bin/true setuid; chmod 6755 setuid
mkfifo -m 600 queue; ln -s /etc/hostname absolute
touch "$(printf 'not-utf8-\377')"; truncate -s 50M sparse; printf end >>sparse
touch -d '1969-12-31 23:59:58.123456789 UTC' before-the-epoch
"""
LISTING = r"""
exec >/tmp/listing
cd /srv/shop
find . -printf '%p %y %m %U:%G %T@ %l\n' | LC_ALL=C sort
find . ! -type d -printf '%p %n\n' | LC_ALL=C sort
find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
find . -print0 | LC_ALL=C sort -z | xargs -0 getfattr -h -d -m - -e hex
find . ! -type l -print0 | LC_ALL=C sort -z | xargs -0 getfacl -n
test "$(stat -c %b sparse)" -lt 1000
"""
SHOW = "cat -v /tmp/listing"
CHANGE = r"""
cd /srv/shop
echo "{0}" >>orders/2026-01.csv; rm uploads/picture-00{0}.jpg; mkdir "new {0}"; echo {0} >"new {0}/file"
"""


def restore(clone, *arguments):
    """`make restore`, without setting up a virtual environment in the clone."""
    command = [sys.executable, "-m", "upkeep", "restore", "--inventory", INVENTORY, "--host", "web1", *arguments]
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(clone.path / "ansible.cfg"),
    }
    ran = subprocess.run(
        [*command, "--", "-e", "restore_overwrite=always"],
        cwd=clone.path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.once
def test_destroyed_and_brought_back_also_as_it_was_before(lab, clone):
    def back_up():
        ran = clone.run("playbooks/backup.yml", inventory=INVENTORY, target="web1", backup_only=["shop"])
        assert ran.rc == 0, ran.stdout
        return clone.json("backups/hosts/web1/shop/last_success.json")["created"], listing()

    def listing():
        lab.shell("web1", LISTING)
        return lab.shell("web1", SHOW)

    lab.break_("web1", MORE)
    states = [back_up()]
    for number in (1, 2):
        lab.shell("web1", CHANGE.format(number))
        states.append(back_up())
    assert len({seen for _created, seen in states}) == 3

    code, told = restore(clone)
    assert code == 0 and all(created in told for created, _seen in states), told
    for at, (created, before) in ((None, states[2]), (states[0][0], states[0]), (states[1][0], states[1])):
        lab.shell("web1", "rm -rf /srv/shop")
        when = ["--at", at] if at else []
        code, told = restore(clone, "--set", "shop", *when)
        assert code == 0 and "would be: " in told and f"as of {created}" in told, told
        assert lab.shell("web1", "ls /srv").split() == [], "a dry run wrote something"
        code, told = restore(clone, "--set", "shop", *when, "--yes")
        assert code == 0, told
        assert listing() == before
    clone.validate_documents()
