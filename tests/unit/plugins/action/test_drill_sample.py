# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lookup that chooses a part, in a real play."""

from __future__ import annotations

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
    said: "restore_test_sample: (of|part) must"
    wrong: [{of: 0}, {part: 1}, {of: x}, {of: 2, part: 3}, {of: 2, part: 0}, "7"]
    place: "{{ inventory_hostname }}"
  tasks:
    - ansible.builtin.assert:
        that: query('proven.upkeep.drill_sample', 'etc', sample=item.0, host=place) == item.1
      loop: "{{ asked }}"
    - ansible.builtin.debug:
        msg: "{{ query('proven.upkeep.drill_sample', 'etc', sample=item, host=place) }}"
      loop: "{{ wrong }}"
      register: refused
      failed_when: false
      ignore_errors: true
    - ansible.builtin.debug:
        msg: "refused {{ refused.results | map(attribute='msg') | select('search', said) | length }}"
"""


def test_the_sample_of_a_drill(play):
    done = play(PLAY)
    assert done.rc == 0, done.screen
    assert "refused 6" in done.screen, done.screen
