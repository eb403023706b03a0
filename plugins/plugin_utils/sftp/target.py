# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an SFTP session goes, and the command line of OpenSSH that goes there."""

from __future__ import annotations

from dataclasses import dataclass, field

# With `secret_input`: what asks for it says this, and what then runs says that it does, on a line of its own.
PROMPT = "[upkeep asks for the become password]"
READY = "upkeep-sftp-ready"

_STRICT = "stricthostkeychecking"
# Before the user's own, as the first one counts: an SFTP session needs no terminal, nobody answers questions, and a
# master connection that another opened may have let pass a host key.
_OURS = (
    "StrictHostKeyChecking=yes",
    "ControlMaster=no",
    "ControlPath=none",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
)
# After them: unless they say else.
_DEFAULTS = ("ConnectTimeout=15", "ServerAliveInterval=15", "ServerAliveCountMax=4")


@dataclass(frozen=True)
class Target:
    """A host as OpenSSH's configuration on this machine knows it.

    `arguments` are ssh's own (`-F file`, `-o X=y`). `password` is what the host asks for to log in. `command` starts an
    SFTP server there instead of the host's subsystem; with `secret_input` it asks with PROMPT on stderr, gets that, and
    prints READY and a newline before the protocol begins (`sudo.command` writes such a one).
    """

    host: str
    port: int | None = None
    user: str | None = None
    arguments: tuple[str, ...] = ()
    password: str | None = field(default=None, repr=False)
    command: str | None = None
    secret_input: str | None = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """For a person: `user@host:port`, as far as it was given."""
        return (f"{self.user}@" if self.user else "") + self.host + (f":{self.port}" if self.port else "")


def command_line(target: Target, program: str = "ssh") -> list[str]:
    """What to run. Host keys are checked strictly unless the target's own arguments say else; `-C` is left out.

    The archives are compressed already, and ssh's compression takes a core for nothing.
    """
    far = ["--", target.host, target.command] if target.command else ["-s", "--", target.host, "sftp"]
    return [*_begun(target, program), *far]


def configuration_line(target: Target, program: str = "ssh") -> list[str]:
    """What to run to be told what `command_line` means by the configuration (`ssh -G`); it connects nowhere."""
    return [*_begun(target, program), "-G", "--", target.host]


def _begun(target: Target, program: str) -> list[str]:
    own = [argument for argument in target.arguments if argument != "-C"]
    is_theirs = any(_STRICT in argument.lower() for argument in own)
    ours = [option for option in _OURS if not (is_theirs and option.lower().startswith(_STRICT))]
    if target.password is None:
        ours.append("BatchMode=yes")
    else:
        ours += ["BatchMode=no", "NumberOfPasswordPrompts=1"]
    line = [program, "-x", "-a", *_options(ours), *own]
    if target.port is not None:
        line += ["-p", str(target.port)]
    if target.user:
        line += ["-l", target.user]
    return [*line, *_options(_DEFAULTS)]


def _options(options: list[str] | tuple[str, ...]) -> list[str]:
    return [part for option in options for part in ("-o", option)]
