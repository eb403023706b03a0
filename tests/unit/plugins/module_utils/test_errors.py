# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.archive.model import shown
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError


@pytest.mark.parametrize(
    "name, read",
    [
        (b"plain \xc3\xa4 \xff", "plain ä \\xff"),
        (b"x\nRestore OK\n", "x\\x0aRestore OK\\x0a"),
        (b"\x1b[2Kgone\r", "\\x1b[2Kgone\\x0d"),
        ("a\u2028b\u202ec\x85".encode(), "a\\u2028b\\u202ec\\x85"),
    ],
)
def test_no_name_forges_a_line(name, read):
    assert shown(name) == read
    error = UpkeepError("bad", "It is " + name.decode("utf-8", "backslashreplace") + ".")
    assert error.message == str(error) == f"It is {read}."
