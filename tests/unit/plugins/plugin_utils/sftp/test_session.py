# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sessions with a real sshd: who is let in, which host key counts, and what is said where that does not work."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.sftp import askpass, library, session, sudo
from ansible_collections.proven.upkeep.plugins.plugin_utils.sftp.session import connected
from ansible_collections.proven.upkeep.plugins.plugin_utils.sftp.target import Target, command_line

from tests.sshd import SSHD, Sshd, free_port, make_key

pytestmark = [pytest.mark.once, pytest.mark.skipif(SSHD is None, reason="no sshd (apt install openssh-server)")]

PASSWORD = "s3cret of sudo"
# Stands in for sudo, which this machine need not have: its options, its prompt on stderr, its words.
SUDO = f"""#!/bin/sh
while [ $# -gt 0 ]; do case $1 in -S) ask=1; shift;; -n) never=1; shift;; -p) prompt=$2; shift 2;;
  -u) user=$2; shift 2;; --) shift; break;; *) shift;; esac; done
[ -e "$0.free" ] || {{
  [ "$never" ] && {{ echo "sudo: a password is required" >&2; exit 1; }}
  printf %s "$prompt" >&2; IFS= read -r given
  [ "$given" = "{PASSWORD}" ] || {{ echo "sudo: 1 incorrect password attempt" >&2; exit 1; }}
}}
echo "$user" >"$0.user"; ps axww -o args= >"$0.seen"
exec "$@"
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    server = Sshd(tmp_path_factory.mktemp("sshd")).start()
    yield server
    server.stop()


@pytest.fixture
def sshd(shared):
    shared.trust()
    shared.configure()
    return shared


def target(sshd: Sshd, host: str = "there", **more) -> Target:
    return Target(host, arguments=("-F", str(sshd.config), *more.pop("arguments", ())), **more)


def refused(wanted: Target, program: str = "ssh") -> UpkeepError:
    with pytest.raises(UpkeepError) as raised, connected(wanted, program):
        pass
    return raised.value


def test_files_go_through(sshd, tmp_path):
    (tmp_path / "one").write_bytes(b"x" * 100_000)
    with connected(target(sshd)) as client:
        assert client.stat(str(tmp_path / "one")).st_size == 100_000
        with client.open(str(tmp_path / "one"), "rb") as stream:
            assert stream.read() == b"x" * 100_000
        with pytest.raises(FileNotFoundError):
            client.stat(str(tmp_path / "two"))


def test_changed_host_key(sshd, tmp_path):
    sshd.trust(make_key(tmp_path / "other"))
    error = refused(target(sshd))
    assert error.code == "host_key_changed" and "known_hosts" in error.message


def test_unknown_host_key_whatever_the_configuration_says(sshd):
    sshd.known_hosts.write_text("")
    sshd.configure("StrictHostKeyChecking no")
    assert refused(target(sshd)).code == "host_key_unknown"
    assert sshd.known_hosts.read_text() == ""


def test_unknown_host_key_where_the_arguments_say_so(sshd):
    sshd.known_hosts.write_text("")
    with connected(target(sshd, arguments=("-o", "StrictHostKeyChecking=accept-new"))) as client:
        assert client.stat("/").st_mode
    assert str(sshd.port) in sshd.known_hosts.read_text()


def test_keys(sshd, tmp_path):
    assert refused(target(sshd, user="nobody")).code == "auth_failed"
    sshd.configure()
    text = sshd.config.read_text().replace(str(sshd.key), str(make_key(tmp_path / "stranger")))
    sshd.config.write_text(text)
    assert refused(target(sshd)).code == "auth_failed"


def test_agent(sshd, tmp_path, monkeypatch):
    socket = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        sshd.config.write_text(sshd.config.read_text().replace(str(sshd.key), "none").replace("IdentitiesOnly yes", ""))
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        while not socket.exists():
            assert agent.poll() is None
        assert refused(target(sshd)).code == "auth_failed"
        subprocess.run(["ssh-add", "-q", sshd.key], check=True)
        with connected(target(sshd)) as client:
            assert client.stat("/").st_mode
    finally:
        agent.terminate()
        agent.wait()


def test_jump_host(sshd, tmp_path):
    inner = Sshd(tmp_path / "inner", alias="inner").start()
    try:
        config = tmp_path / "both"
        both = sshd.config.read_text() + inner.config.read_text() + "  ProxyJump there\n"
        config.write_text(both)
        config.chmod(0o600)
        before = sshd.log().count("Accepted publickey")
        with connected(Target("inner", arguments=("-F", str(config)))) as client:
            assert client.stat("/").st_mode
        assert sshd.log().count("Accepted publickey") == before + 1
        assert inner.log().count("Accepted publickey") == 1
    finally:
        inner.stop()


@pytest.mark.parametrize(
    ("wanted", "code"),
    [(Target("127.0.0.1", port=free_port()), "host_unreachable"), (Target("nowhere.invalid"), "host_unreachable"),
     (Target("127.0.0.1", arguments=("-o", "NoSuchThing=1")), "sftp_refused")],
)  # fmt: skip
def test_not_there(wanted, code):
    assert refused(wanted).code == code


def test_no_ssh(sshd):
    error = refused(target(sshd), "/nonexistent/ssh")
    assert error.code == "sftp_refused" and "OpenSSH" in error.message


def test_cut(sshd):
    with pytest.raises(UpkeepError) as raised, connected(target(sshd)) as client:
        assert sshd.cut() >= 1
        client.stat("/")
    assert raised.value.code == "connection_lost"


def test_a_server_that_stops_answering(sshd, tmp_path, monkeypatch):
    server = tmp_path / "server"
    find = 'for s in /usr/lib*/*/sftp-server /usr/lib*/sftp-server; do [ -x "$s" ] && exec "$s"; done'
    server.write_text(f'#!/bin/sh\necho $$ >"$0.pid"\n{find}\n')
    server.chmod(0o755)
    (tmp_path / "one").write_bytes(b"x" * 100_000)
    wanted = target(sshd, command=str(server))
    with pytest.raises(UpkeepError, match="nothing came or went for 1 s") as raised, connected(wanted) as client:
        pid = int(Path(f"{server}.pid").read_text())
        client.stat(str(tmp_path / "one"))
        monkeypatch.setattr(session, "_SILENCE_S", 1.0)
        os.kill(pid, signal.SIGSTOP)
        try:
            client.stat(str(tmp_path / "one"))
        finally:
            os.kill(pid, signal.SIGKILL)
    assert raised.value.code == "connection_lost"


@pytest.fixture
def become(tmp_path):
    program = tmp_path / "sudo"
    program.write_text(SUDO)
    program.chmod(0o755)
    return program


def as_user(sshd: Sshd, become: Path, password: str | None) -> Target:
    asked = password is not None
    return target(sshd, command=sudo.command("backup", str(become), asked), secret_input=password)


def test_sudo_without_a_password(sshd, become):
    assert refused(as_user(sshd, become, None)).code == "sftp_refused"
    Path(f"{become}.free").touch()
    with connected(as_user(sshd, become, None)) as client:
        assert client.stat("/").st_mode
    assert Path(f"{become}.user").read_text() == "backup\n"


@pytest.mark.parametrize("is_asked", [True, False])
def test_sudo_with_a_password(sshd, become, is_asked):
    if not is_asked:  # it remembers, or NOPASSWD: the password must not become part of the protocol
        Path(f"{become}.free").touch()
    with connected(as_user(sshd, become, PASSWORD)) as client:
        assert client.stat("/").st_mode
    seen = Path(f"{become}.seen").read_text()
    assert "sftp-server" in seen and PASSWORD not in seen


def test_sudo_with_a_wrong_password(sshd, become):
    error = refused(as_user(sshd, become, "wrong one"))
    assert error.code == "sftp_refused" and "incorrect password" in error.message and "wrong one" not in error.message


def test_login_password_is_asked_for(tmp_path):
    """A stand-in for ssh that asks as ssh does: a real one needs a user with a password."""
    program = tmp_path / "ssh"
    program.write_text(
        "#!/bin/sh\nprintf '%s|' \"$@\" >$0.argv; env >$0.env; stat -c %a $(dirname $SSH_ASKPASS)/password >$0.mode\n"
        '"$SSH_ASKPASS" "Enter passphrase for key x: " >$0.no; "$SSH_ASKPASS" "a@b\'s password: " >$0.yes\n'
        "echo 'a@b: Permission denied (password).' >&2; exit 255\n"
    )
    program.chmod(0o755)
    wanted = Target("b", user="a", password="pa ss$word")
    assert refused(wanted, str(program)).code == "auth_failed"
    told = {suffix: Path(f"{program}.{suffix}").read_text() for suffix in ("argv", "env", "mode", "no", "yes")}
    assert told["yes"] == "pa ss$word\n" and told["no"] == "" and told["mode"] == "600\n"
    assert "pa ss$word" not in told["argv"] + told["env"] and "pa ss" not in repr(wanted)
    left = [line.split("=", 1)[1] for line in told["env"].splitlines() if line.startswith("SSH_ASKPASS=")]
    assert left and not Path(left[0]).parent.exists()


@pytest.mark.parametrize(
    ("jump", "prompt", "is_answered"),
    [("", "ops@10.0.0.1's password: ", True), ("", "Password: ", True), ("", "Enter passphrase for key: ", False),
     ("ProxyJump hop@jump", "ops@10.0.0.1's password: ", True),
     ("ProxyJump hop@jump", "(ops@10.0.0.1) Password: ", True),
     ("ProxyJump hop@jump", "hop@jump's password: ", False), ("ProxyJump hop@jump", "(hop@jump) Password: ", False),
     ("ProxyJump hop@jump", "Password: ", False), ("ProxyCommand nc x 22", "hop@jump's password: ", False),
     ("ProxyCommand nc x 22", "xops@10.0.0.1's password: ", False), ("ProxyJump none", "Password: ", True)],
)  # fmt: skip
def test_a_jump_host_does_not_get_the_password(tmp_path, jump, prompt, is_answered):
    config = tmp_path / "config"
    config.write_text(f"Host web1\n HostName 10.0.0.1\n User ops\n {jump}\n")
    wanted = Target("web1", arguments=("-F", str(config)), password=PASSWORD)
    with askpass.environment(wanted) as environment:
        asked = subprocess.run([environment["SSH_ASKPASS"], prompt], capture_output=True, text=True, check=False)
    assert asked.stdout == (PASSWORD + "\n" if is_answered else "")


def test_command_line():
    line = command_line(Target("h", 22, "u", ("-C", "-o", "ControlPersist=60s")))
    assert "-C" not in line and line[-4:] == ["-s", "--", "h", "sftp"] and "BatchMode=yes" in line
    assert line.index("StrictHostKeyChecking=yes") < line.index("ControlPersist=60s")
    theirs = command_line(Target("h", arguments=("-oStrictHostKeyChecking=no",)))
    assert "StrictHostKeyChecking=yes" not in theirs


def test_without_paramiko(monkeypatch):
    monkeypatch.setattr(library, "paramiko", None)
    error = refused(Target("there"))
    assert error.code == "paramiko_missing" and "pip install paramiko" in error.message
