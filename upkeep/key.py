# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`upkeep key new|show|check`: the private key that opens encrypted backups, and where its copy belongs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from argparse import Namespace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.proven.upkeep.plugins.module_utils import atomic  # noqa: E402
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError  # noqa: E402
from ansible_collections.proven.upkeep.plugins.plugin_utils import home as homes  # noqa: E402
from ansible_collections.proven.upkeep.plugins.plugin_utils import sealing  # noqa: E402

KEY = "state/keys/backup.agekey"
_REMINDER = """\
Now put a copy of the private key in escrow, today:
  Why    Nobody opens these backups without it, not even you. If this machine is lost with the only copy, so are they.
         No backup holds it: state/ is left out of every set.
  Where  In two places that are not lost together with this machine: the team's password manager, and a printout in a
         safe (it is one line, AGE-SECRET-KEY-1…). Whoever has it can read every backup that is encrypted to it.
  Test   Bring that copy to a file of mode 0600 (COPY), and see that it is the key, and that it opens a backup:
           python -m upkeep key check --file COPY
         That compares it with the key here. On a machine that has none, add --public with the public key above.
           make maintain ARGS='--tags restore_test,report -e restore_test_on=controller -e backup_identity=COPY'
         Until a drill did that, the report calls each encrypted backup never opened."""


def run(options: Namespace) -> int:
    """0 where it was done, 1 where not."""
    try:
        home = homes.resolve(options.home).path
        path = Path(options.file).expanduser().absolute() if options.file else home / KEY
        if options.action == "new":
            make(home, path)
            print(f"The private key:  {path} (mode 0600)")
        public = sealing.identity_fingerprint(path)
    except UpkeepError as error:
        print(error.message, file=sys.stderr)
        return 1
    if options.action == "check":
        return _check(home / KEY, path, public, options.public)
    print(f"The public key:   {public}\n\nFor the inventory, such as its group_vars/all.yml:\n")
    print(f'  backup_encrypt_to: ["{public}"]\n  backup_identity: {_told(home, path)}')
    if options.action == "new":
        print(f"\n{_REMINDER}")
    return 0


def make(home: Path, path: Path) -> None:
    """A new age identity at `path`, 0600, in folders of 0700; whole or not at all, and never in another one's place.

    Raises UpkeepError `key_exists`, `encryption_unavailable`, `key_unwritable`.
    """
    if os.path.lexists(path):
        raise UpkeepError(
            "key_exists",
            f"{path} is there, and is never overwritten: what is encrypted to it opens with nothing else. "
            "`python -m upkeep key show` prints its public key; for another key give --file.",
        )
    try:
        made = subprocess.run(["age-keygen"], stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise UpkeepError(
            "encryption_unavailable",
            "There is no age-keygen on this machine: install age (Debian: apt-get install age), or encrypt to keys of "
            "gpg, which backup_encrypt_to takes as fingerprints or key files.",
        )
    try:
        if path.is_relative_to(home):
            homes.ensure_home(home)
        atomic.make_folder(str(path.parent))
        handle, temporary = tempfile.mkstemp(prefix=".upkeep-tmp-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(made)
                stream.flush()
                os.fsync(stream.fileno())
            os.link(temporary, path)  # unlike a rename it replaces nothing
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        atomic.sync_folder(str(path.parent))
    except OSError as error:
        raise UpkeepError("key_unwritable", f"{path} cannot be written ({error.strerror}); no key was made.")


def _check(own: Path, path: Path, public: str, expected: str | None) -> int:
    """Is it the key with the `expected` public key; without that, the one that lies at `own`?"""
    if expected:
        wanted, told = " ".join(expected.split()[:2]), "the one that was given"
    elif not own.exists():
        print(
            f"{path} is a key, but there is nothing to compare it with: {own} is not there. Give --public with the "
            f"public key that backup_encrypt_to has; that of this one is {public}",
            file=sys.stderr,
        )
        return 1
    elif own.samefile(path):
        print(f"{path} is the key of this machine, and no copy of it; its public key is {public}")
        return 0
    else:
        try:
            wanted, told = sealing.identity_fingerprint(own), f"that of {own}"
        except UpkeepError as error:
            print(error.message, file=sys.stderr)
            return 1
    if wanted != public:
        print(f"{path} is another key: its public key is {public}, and {told} is {wanted}", file=sys.stderr)
        return 1
    print(f"{path} is the key, readable by its owner alone: its public key is {public}, {told}")
    return 0


def _told(home: Path, path: Path) -> str:
    return str(path.relative_to(home) if path.is_relative_to(home) else path)
