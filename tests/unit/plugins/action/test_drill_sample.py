# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lookup that chooses a part, in a real play."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleLookupError
from ansible_collections.proven.upkeep.plugins.lookup import drill_sample

PLAY = """
- hosts: good
  gather_facts: false
  vars:
    asked:
      - [null, []]
      - ["", []]
      - [{}, []]
      - [{of: 7}, [{part: 1, of: 7, chosen_by: evidence}]]
      - [{of: "7", part: null}, [{part: 1, of: 7, chosen_by: evidence}]]
      - [{of: 7, part: 3}, [{part: 3, of: 7, chosen_by: hand}]]
    place: "{{ inventory_hostname }}"
  tasks:
    - ansible.builtin.assert:
        that: query('proven.upkeep.drill_sample', 'etc', sample=item.0, host=place) == item.1
      loop: "{{ asked }}"
"""


def test_the_sample_of_a_drill(play):
    done = play(PLAY)
    assert done.rc == 0, done.screen


@pytest.mark.parametrize(
    "wrong", [{"of": 0}, {"part": 1}, {"of": "x"}, {"of": 2, "part": 3}, {"of": 2, "part": 0}, "7"]
)
def test_a_sample_that_is_none(monkeypatch, wrong):
    lookup = drill_sample.LookupModule()
    monkeypatch.setattr(lookup, "set_options", lambda **_given: None)
    monkeypatch.setattr(lookup, "get_option", {"sample": wrong, "host": "good"}.get)
    with pytest.raises(AnsibleLookupError, match=r"restore_test_sample: (of|part) must"):
        lookup.run(["etc"], {})
