# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import datetime

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain


class Text(str):
    pass


class Number(int):
    pass


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Text("a"), "a"),
        (Number(3), 3),
        (True, True),
        (None, None),
        (1.5, 1.5),
        ({Text("k"): [Text("v"), (1, {2})]}, {"k": ["v", [1, [2]]]}),
        (b"\xff", "\udcff"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (object, str(object)),
    ],
)
def test_plain(value, expected):
    found = plain(value)
    assert found == expected and found.__class__ is expected.__class__


def test_ansible_s_tags_are_gone():
    datatag = pytest.importorskip("ansible.template")
    tagged = datatag.trust_as_template("{{ x }}")
    assert tagged.__class__ is not str and plain({"a": tagged})["a"].__class__ is str
