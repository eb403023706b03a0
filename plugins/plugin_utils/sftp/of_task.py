# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The SFTP session that goes where an Ansible task goes: the same host, user and key, become included."""

from __future__ import annotations

import os
import shlex
from typing import Any

from ..plain import plain
from . import sudo
from .target import Target

_ARGUMENTS = ("ssh_args", "ssh_common_args", "ssh_extra_args")
_OPTIONS = ("host", "port", "remote_user", "private_key_file", "timeout", "password", *_ARGUMENTS)


def target(connection: Any) -> Target | None:
    """By the options of the task's connection plugin; None where it is not `ssh`, or becomes by other means than sudo.

    Of ansible's own settings one does not count: host_key_checking. Host keys are checked, unless ssh's arguments say
    else; a runner that turned that off for its tasks did not mean archives.
    """
    if connection.transport != "ssh":
        return None
    option = {name: plain(connection.get_option(name)) for name in _OPTIONS}
    arguments = tuple(part for name in _ARGUMENTS for part in shlex.split(str(option[name] or "")))
    if option["private_key_file"]:
        arguments += ("-o", f'IdentityFile="{os.path.expanduser(option["private_key_file"])}"')
    if option["timeout"]:
        arguments += ("-o", f"ConnectTimeout={option['timeout']}")
    become = _become(connection, option["remote_user"])
    if become is None:
        return None
    return Target(
        host=str(option["host"]),
        port=int(option["port"]) if option["port"] else None,
        user=str(option["remote_user"]) if option["remote_user"] else None,
        arguments=arguments,
        password=str(option["password"]) if option["password"] else None,
        **become,
    )


def _become(connection: Any, remote_user: Any) -> dict[str, Any] | None:
    plugin = connection.become
    if plugin is None:
        return {}
    user = plain(plugin.get_option("become_user"))
    if user and user == remote_user:  # as Ansible has it: nothing to become
        return {}
    if plugin.name.rpartition(".")[2] != "sudo":
        return None
    password = plain(plugin.get_option("become_pass"))
    command = sudo.command(user, plain(plugin.get_option("become_exe")) or "sudo", password is not None)
    return {"command": command, "secret_input": None if password is None else str(password)}
