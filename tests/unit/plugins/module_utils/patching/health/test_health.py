# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Health checks: what policy may say, and real sockets, servers and commands."""

from __future__ import annotations

import contextlib
import http.server
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.patching import health, systemd
from ansible_collections.proven.upkeep.plugins.module_utils.patching.health import ports, urls

from tests import systemds


def one(**spec):
    (check,) = health.look(spec)["checks"]
    return check


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/hang":
            self.server.stop.wait(20)
            return
        status, _comma, to = path.strip("/").partition(",")
        self.send_response(int(status))
        if to:
            self.send_header("Location", to if "://" in to else "/" + to)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(b"all is well")

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving(context=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.daemon_threads = True
    server.stop = threading.Event()
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.stop.set()
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def web():
    with serving() as address:
        yield address


@pytest.mark.parametrize(
    "spec, said",
    [
        ([], "has to be a dictionary"),
        ({"unit": ["x"]}, "unit is no kind of check"),
        ({"units": "nginx"}, "units has to be a list"),
        ({"units": ["ok", "two words"]}, "entry 2 of units has to be the name of a unit, not 'two words'"),
        ({"units": ["-Hroot@elsewhere"]}, "entry 1 of units"),
        ({"units": ["nginx*"]}, "entry 1 of units"),
        ({"units": [None]}, "entry 1 of units"),
        ({"ports": [0]}, "entry 1 of ports has to be a port from 1 to 65535"),
        ({"ports": ["65536"]}, "entry 1 of ports"),
        ({"ports": [True]}, "entry 1 of ports"),
        ({"ports": ["::1:443"]}, "entry 1 of ports"),
        ({"ports": [{"port": 1}]}, "entry 1 of ports"),
        ({"urls": ["http://x/"]}, "entry 1 of urls has to be a dictionary"),
        ({"urls": [{}]}, "entry 1 of urls needs a url"),
        ({"urls": [{"url": "file:///etc/shadow"}]}, "needs a url that begins with http"),
        ({"urls": [{"url": "http://"}]}, "needs a url"),
        ({"urls": [{"url": "http://a b/"}]}, "needs a url"),
        ({"urls": [{"url": "http://x/\r\nHost: y"}]}, "needs a url"),
        ({"urls": [{"url": "http://x:y/"}]}, "whose host and port cannot be told"),
        ({"urls": [{"url": "http://me:secret@x/"}]}, "a user name in it"),
        ({"urls": [{"url": "http://x/", "status": ["ok"]}]}, "no list of HTTP status codes"),
        ({"urls": [{"url": "http://x/", "status": []}]}, "no list of HTTP status codes"),
        ({"urls": [{"url": "http://x/", "state": 200}]}, "has state, which is none of"),
        ({"urls": [{"url": "http://x/", "timeout": 0}]}, "has a timeout"),
        ({"urls": [{"url": "http://x/", "validate_certs": "no"}]}, "has a validate_certs"),
        ({"commands": [{"argv": "true"}]}, "entry 1 of commands needs argv"),
        ({"commands": [{"argv": []}]}, "entry 1 of commands needs argv"),
        ({"commands": [{"argv": ["a\0b"]}]}, "has an argv"),
        ({"commands": [{"argv": ["true"], "timeout": "1"}]}, "has a timeout"),
    ],
)
def test_bad_policy_is_named(spec, said):
    with pytest.raises(UpkeepError) as raised:
        health.look(spec)
    assert raised.value.code == "invalid_health"
    assert said in raised.value.message and "secret" not in raised.value.message


@pytest.mark.parametrize("spec", [None, {}, {"units": None, "urls": None}, {"ports": []}])
def test_nothing_to_check(spec):
    assert health.look(spec) == {"checks": []}


def test_names_hide_what_may_be_secret():
    assert urls.parse({"url": "HTTP://x.example:8/a?token=abc#d", "status": None}).name == "http://x.example:8/a"


UNITS = {
    "nginx.service": {"LoadState": "loaded", "ActiveState": "active", "SubState": "running"},
    "db.service": {"LoadState": "loaded", "ActiveState": "failed", "SubState": "failed", "Result": "exit-code"},
    "slow.service": {"LoadState": "loaded", "ActiveState": "activating", "SubState": "start"},
}


class TestUnits:
    def test_states(self, tmp_path, monkeypatch):
        fake = systemds.running(tmp_path, monkeypatch)
        fake.load(UNITS)
        checks = health.look({"units": ["slow.service", "nginx", "none", "db.service", "nginx"]})["checks"]
        assert [(check["name"], check["ok"], check["why"]) for check in checks] == [
            ("slow.service", False, "activating (start)"),
            ("nginx", True, "active (running)"),
            ("none", False, "there is no such unit"),
            ("db.service", False, "failed, exit-code"),
            ("nginx", True, "active (running)"),
        ]
        assert fake.questions == 1

    def test_what_cannot_be_seen_is_never_green(self, tmp_path, monkeypatch):
        monkeypatch.setattr(systemd, "BOOTED", str(tmp_path / "none"))
        check = one(units=["nginx"])
        assert check["ok"] is None and check["why"] == "not_seen: this host is not run by systemd"
        assert health.problems([check]) == [{"code": "not_seen", "message": f"unit nginx: {check['why']}"}]

    def test_nor_if_systemd_does_not_answer(self, tmp_path, monkeypatch):
        fake = systemds.running(tmp_path, monkeypatch)
        fake.program("systemctl", "#!/bin/sh\necho 'Failed to connect to bus' >&2\nexit 1\n")
        check = one(units=["nginx"])
        assert check["ok"] is None and "Failed to connect to bus" in check["why"]


class TestPorts:
    def test_a_port_that_accepts(self):
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            number = server.getsockname()[1]
            assert one(ports=[number])["why"] == f"nothing listens on port {number}"
            server.listen()
            for entry in (number, str(number), f"127.0.0.1:{number}", f"localhost:{number}"):
                check = one(ports=[entry])
                assert (check["kind"], check["name"], check["ok"]) == ("port", str(entry), True), check
        check = one(ports=[f"127.0.0.1:{number}"])
        assert check["ok"] is False and "Connection refused" in check["why"]

    def test_any_address_that_listens_will_do(self):
        with socket.socket() as server:
            server.bind(("127.0.0.9", 0))
            server.listen()
            assert one(ports=[server.getsockname()[1]])["ok"] is True

    @pytest.mark.parametrize("entry", ["[::1]:1", "no-such-name.invalid:1", "x" * 70 + ":1"])
    def test_what_cannot_be_reached_is_red(self, entry):
        assert one(ports=[entry])["ok"] is False

    def test_ports_of_this_host_that_policy_names(self):
        assert health.named_ports({"ports": [40001, "443", "db.example.org:5432"]}) == [443, 40001]
        assert ports.parse("[::1]:443").host == "::1"


class TestUrls:
    @pytest.mark.parametrize(
        "path, options, ok, why",
        [
            ("/200", {}, True, "answers 200"),
            ("/200?x=1 2".replace(" ", "+"), {}, True, "answers 200"),
            ("/200", {"contains": "is well"}, True, "answers 200"),
            ("/200", {"contains": "is ill"}, False, "does not contain"),
            ("/503", {}, False, "answers 503, not 200"),
            ("/503", {"status": [200, 503]}, True, "answers 503"),
            ("/404", {"status": [401, 403]}, False, "answers 404, not 401 or 403"),
            ("/302,200", {}, True, "answers 200"),
            ("/308,200", {}, True, "answers 200"),
            ("/301,200", {"status": [301]}, True, "answers 301"),
            ("/302,file:///etc/passwd", {}, False, "answers 302"),
            ("/302,302,x", {}, False, ""),
        ],
    )
    def test_answers(self, web, path, options, ok, why):
        check = one(urls=[{"url": web + path, **options}])
        assert check["ok"] is ok and why in check["why"], check

    def test_a_proxy_of_the_environment_is_not_asked(self, web, monkeypatch):
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        assert one(urls=[{"url": web + "/200"}])["ok"] is True

    def test_a_server_that_says_nothing(self, web):
        check = one(urls=[{"url": web + "/hang", "timeout": 1}])
        assert check["ok"] is False and check["why"].startswith("no answer")

    @pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://no-such-name.invalid/", "http://[::1]:1/"])
    def test_no_server(self, url):
        check = one(urls=[{"url": url, "timeout": 5}])
        assert check["ok"] is False and check["why"].startswith("no answer")

    def test_something_that_does_not_speak_http(self):
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()

            def greet():
                connection = server.accept()[0]
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"220 mail.example.org ESMTP\r\n")

            threading.Thread(target=greet, daemon=True).start()
            check = one(urls=[{"url": f"http://127.0.0.1:{server.getsockname()[1]}/"}])
        assert check["ok"] is False and "ESMTP" in check["why"]

    @pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not on this machine")
    def test_certificates(self, tmp_path):
        key, certificate = str(tmp_path / "key"), str(tmp_path / "certificate")
        made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        made += ["-subj", "/CN=localhost", "-days", "2", "-keyout", key, "-out", certificate]
        subprocess.run(made, check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        with serving(context) as address:
            check = one(urls=[{"url": address + "/200"}])
            assert check["ok"] is False and check["why"].startswith("its certificate is not valid: ")
            assert one(urls=[{"url": address + "/200", "validate_certs": False}])["ok"] is True


class TestCommands:
    @pytest.mark.parametrize(
        "argv, ok, why",
        [
            (["true"], True, "exit code 0"),
            (["sh", "-c", "echo secret; echo secret >&2; exit 3"], False, "exit code 3"),
            (["sh", "-c", "kill -9 $$"], False, "ended by signal 9"),
            (["/no/such/program"], False, "/no/such/program could not be started: No such file or directory"),
            ([sys.executable, "-c", "import sys; sys.exit(sys.stdin.read() != '')"], True, "exit code 0"),
        ],
    )
    def test_exit_codes_and_no_output(self, argv, ok, why, capfd):
        check = one(commands=[{"argv": argv}])
        assert (check["ok"], check["why"]) == (ok, why)
        assert check["name"] == argv[0].rpartition("/")[2]
        assert capfd.readouterr() == ("", "")

    def test_one_that_hangs_is_stopped_with_its_children(self, tmp_path):
        note = tmp_path / "pid"
        script = f"sleep 300 & echo $! > {note}; wait"
        check = one(commands=[{"name": "probe", "argv": ["sh", "-c", script], "timeout": 1}])
        assert (check["name"], check["why"]) == ("probe", "did not end within 1 seconds and was stopped")
        deadline = time.monotonic() + 60
        while _lives(note.read_text().strip()):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def _lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as stream:  # noqa: PTH123
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class TestPatience:
    def test_what_is_red_is_looked_at_again(self, tmp_path):
        log, flag = tmp_path / "log", tmp_path / "flag"
        script = f"echo x >> {log}; test -e {flag} || {{ touch {flag}; exit 1; }}"
        found = health.look({"commands": [{"argv": ["true"]}, {"argv": ["sh", "-c", script]}]}, patience=60)
        assert [check["ok"] for check in found["checks"]] == [True, True]
        assert log.read_text() == "x\n" * 2

    def test_what_is_green_is_looked_at_once(self, tmp_path):
        log = tmp_path / "log"
        green = {"argv": ["sh", "-c", f"echo x >> {log}"]}
        found = health.look({"commands": [green, {"argv": ["false"]}]}, patience=0.1)
        assert [check["ok"] for check in found["checks"]] == [True, False]
        assert log.read_text() == "x\n"
        assert health.problems(found["checks"]) == [{"code": "health_red", "message": "command false: exit code 1"}]
