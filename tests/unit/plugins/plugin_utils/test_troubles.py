# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ansible-core and the programs under it said of hosts that were broken on purpose."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils import troubles

FAILED = {
    "3.6 under 2.19": (
        '  File "<stdin>", line 3\nSyntaxError: future feature annotations is not defined', "python_too_old",
    ),
    "ansible's own check": (
        "ansible-core requires a minimum of Python version 3.9. Current version: 3.8.18 (default)", "python_too_old",
    ),
    "dash": ("/bin/sh: 1: /usr/bin/python3: not found", "no_python"),
    "bash": ("/bin/sh: /usr/bin/python3: No such file or directory", "no_python"),
    "ansible's words": ("The module interpreter '/usr/bin/python3' was not found.", "no_python"),
    "sudo wants a password": ("Task failed: Missing sudo password", "become_refused"),
    "wrong password": ("Incorrect sudo password", "become_refused"),
    "not a sudoer": ("ops is not in the sudoers file.  This incident will be reported.", "become_refused"),
    "waiting": ("Timeout (12s) waiting for privilege escalation prompt: ", "become_refused"),
    "keep: 3": ("Task failed: argument of type '_AnsibleTaggedInt' is not iterable", "bad_option"),
    "anything else": ("ModuleNotFoundError: No module named 'nothing'", None),
    "a file that is missing": ("[Errno 2] No such file or directory: '/etc/x'", None),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(FAILED))
def test_failed(case):
    text, code = FAILED[case]
    found = troubles.failed(None, text)
    assert (found and found[0]) == code
    assert found is None or "{what" not in found[1]


CHANGED = """Task failed: Failed to connect to the host via ssh: @@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@
Host key verification failed."""
UNREACHABLE = {
    CHANGED: "Host key verification failed: the host has another key",
    'Data could not be sent to remote host "w". Make sure this host can be reached over ssh: ssh: connect to host w '
    "port 22: No route to host": "ssh: connect to host w port 22: No route to host",
    "Failed to connect to the host via ssh: ssh: connect to host 127.0.0.1 port 1: Connection refused":
    "ssh: connect to host 127.0.0.1 port 1: Connection refused",
    "timed out": "timed out",
}  # fmt: skip


@pytest.mark.parametrize("message", sorted(UNREACHABLE))
def test_unreachable(message):
    assert troubles.unreachable(message).startswith(UNREACHABLE[message])
