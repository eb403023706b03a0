# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action that hands keys of the controller over to the host's module."""

from __future__ import annotations

import shutil
import subprocess

import pytest

PLAY = """
- hosts: good
  gather_facts: false
  tasks:
    - proven.upkeep.backup_archive:
        name: set
        paths: ["{{ playbook_dir }}/inventory.yml"]
        dest: "{{ playbook_dir }}/out/a.tar.gz"
    - proven.upkeep.backup_seal:
        archive: "{{ playbook_dir }}/out/a.tar.gz"
        recipients: ["{{ key }}"]
      register: sealed
    - debug: {msg: "TO={{ sealed.recipients | first }} CHANGED={{ sealed.changed }}"}
"""


@pytest.fixture
def key(tmp_path):
    if not shutil.which("age"):
        pytest.skip("no age here")
    subprocess.run(["age-keygen", "-o", str(tmp_path / "key")], check=True, capture_output=True)
    done = subprocess.run(["age-keygen", "-y", str(tmp_path / "key")], check=True, capture_output=True, text=True)
    return tmp_path / "key", done.stdout.strip()


def test_a_key_file_of_upkeep_home_is_read_on_the_controller(play, key, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home/backup.pub").write_text(key[1] + "\n")
    done = play(PLAY, "-e", "key=backup.pub", UPKEEP_STATE_DIR=str(tmp_path / "state"))
    assert done.rc == 0, done.screen
    assert f"TO={key[1]} CHANGED=True" in done.screen


PULLS = """
    - proven.upkeep.backup_pull: &pull
        archive: "{{ playbook_dir }}/out/a.tar.gz"
        backup: set
        recipients: ["{{ key }}"]
    - proven.upkeep.backup_seal:
        archive: "{{ playbook_dir }}/out/a.tar.gz"
        recipients: ["{{ key }}"]
    - proven.upkeep.backup_pull: *pull
      register: again
    - debug: {msg: "AGAIN={{ again.changed }} {{ again.data.unchanged }}"}
"""


def test_what_a_killed_run_left_sealed_is_removed_once_the_vault_has_it(play, key, tmp_path):
    done = play(PLAY + PULLS, "-e", f"key={key[1]}", UPKEEP_STATE_DIR=str(tmp_path / "state"))
    assert done.rc == 0 and "AGAIN=False True" in done.screen, done.screen
    assert list((tmp_path / "out").glob("a.tar.gz")) and not list((tmp_path / "out").glob("*.sealed"))


def test_a_private_key_reaches_neither_host_nor_screen(play, key, tmp_path):
    secret = next(line for line in key[0].read_text().splitlines() if line.startswith("AGE-SECRET"))
    (tmp_path / "vars.yml").write_text(f"key: {secret}\n")
    done = play(PLAY, "-vvvv", "-e", "@vars.yml", UPKEEP_STATE_DIR=str(tmp_path / "state"))
    assert done.rc and "private_key_given" in done.screen
    assert secret not in done.screen
