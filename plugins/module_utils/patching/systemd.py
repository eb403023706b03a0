# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asking and telling systemd, by its one command."""

from __future__ import annotations

import os
import re
from typing import Dict, List, Sequence

from ..packages._run import Finished, run

# sd_booted(3): there only where systemd is the system's manager.
BOOTED = "/run/systemd/system"
ABSENT = "this host is not run by systemd"
# What systemd names for one connection or one crash, `<number>-<address>-<address>`: it comes and goes with it.
_PER_CONNECTION = re.compile(r"@\d+-[0-9a-f.:]+(-[0-9a-f.:]+)+\.service$")


def present() -> bool:
    """Whether systemd manages this host."""
    return os.path.isdir(BOOTED)


def show(names: Sequence[str], properties: Sequence[str]) -> List[Dict[str, str]]:
    """The properties of units, in one call: a dictionary each, in the order of `names`; those of a glob as they come.

    A unit that does not exist has an answer too (LoadState=not-found); what a glob finds is active or failed. Raises
    UpkeepError `command_failed`.
    """
    asked = ["systemctl", "show", "--no-pager", f"--property={','.join(properties)}", "--", *names]
    return parse_show(run(asked, timeout=60).stdout)


def parse_show(text: str) -> List[Dict[str, str]]:
    """`Name=value` lines in blocks, a blank line between two units."""
    blocks = []
    for block in re.split(r"\n{2,}", text.strip("\n")):
        pairs = (line.partition("=") for line in block.splitlines())
        found = {name: value for name, equals, value in pairs if equals}
        if found:
            blocks.append(found)
    return blocks


def call(*arguments: str, timeout: int = 60) -> Finished:
    """`systemctl` with any exit code as its answer. Raises UpkeepError `command_failed` if it hangs or is missing."""
    return run(["systemctl", *arguments], timeout=timeout, allow=tuple(range(-64, 256)))


def is_per_connection(unit: str) -> bool:
    """Whether a unit serves a single connection, as `sshd@3-192.0.2.1:22-192.0.2.9:40112.service`."""
    return bool(_PER_CONNECTION.search(unit))
