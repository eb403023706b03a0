# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fetching from a real server: what is current is not fetched again, what is not whole is not taken."""

from __future__ import annotations

import gzip
import ssl
import time
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import address, fetch
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.fetch import Fetcher, Settings
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.model import Feed
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CONTENT = b'{"a": 1}' * 50
STAMPED = {"ETag": '"one"', "Last-Modified": "Fri, 20 Nov 2026 10:00:00 GMT"}
OK = (200, STAMPED, CONTENT)


@pytest.fixture(name="get")
def get_fixture(server, tmp_path):
    """get() fetches /feed.json into a cache; `waits` are the pauses it made."""

    def get(path="/feed.json", name="some/feed.json", limit=10_000, pointer=None, **settings):
        fetcher = Fetcher(tmp_path / "cache", Settings(**{"timeout": 5, **settings}), get.waits.append, get.said.append)
        return fetcher.fetch("some", Feed(server.url + path, name, limit, pointer))

    get.waits, get.said = [], []
    get.cache = tmp_path / "cache"
    return get


def left(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_what_is_current_is_not_fetched_again(server, get):
    server.gives("/feed.json", OK, (304, {}, b""))
    first, second = get(), get()
    assert first.file.read_bytes() == CONTENT and first.is_new and not second.is_new
    assert (second.sha256, second.size, second.modified) == (first.sha256, len(CONTENT), "2026-11-20T10:00:00Z")
    assert server.seen[1].headers["If-None-Match"] == '"one"'
    assert server.seen[1].headers["If-Modified-Since"] == STAMPED["Last-Modified"]
    assert left(get.cache) == ["feed.json", "feed.json.about.json"]


def test_a_large_file_is_announced(server, get, monkeypatch):
    monkeypatch.setattr(fetch, "_LARGE", 100)
    server.gives("/feed.json", OK, (304, {}, b""))
    get()
    get()
    assert get.said == [f"some: fetching 400 B from {server.url}/feed.json"]


def test_a_changed_file_in_the_cache_is_fetched_whole(server, get):
    server.gives("/feed.json", OK)
    get().file.write_bytes(b"damaged")
    assert get().file.read_bytes() == CONTENT
    assert "If-None-Match" not in server.seen[1].headers


def test_another_address_is_asked_without_conditions(server, get):
    server.gives("/feed.json", OK)
    server.gives("/mirror/some/feed.json", OK)
    get()
    assert get(mirror=server.url + "/mirror/").size == len(CONTENT)
    assert "If-None-Match" not in server.seen[1].headers


def test_a_server_that_is_out_of_order_for_a_while(server, get):
    server.gives("/feed.json", (500, {}, b""), (503, {"Retry-After": "7"}, b""), (429, {"Retry-After": "900"}, b""), OK)
    assert get().size == len(CONTENT)
    assert get.waits == [1.0, 7.0, 60.0]


def drops(handler):
    handler.connection.close()


def chunked_and_cut(handler):
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"20\r\n" + b"x" * 10)
    handler.connection.close()


def silent(handler):
    time.sleep(1.5)


def dripping(handler):
    handler.send_response(200)
    handler.end_headers()
    for _number in range(40):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.05)


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    for _number in range(100):
        handler.wfile.write(b"x" * 1000)


BOMB = gzip.compress(b"0" * 10_000_000)
GZ = {"Content-Encoding": "gzip"}
FAILURES = {
    "always 500": ((500, {}, b""), {}, "feed_unreachable", "HTTP 500"),
    "drops the connection": (drops, {}, "feed_unreachable", "2 times"),
    "shorter than announced": ((200, {"Content-Length": 999}, CONTENT), {}, "feed_unreachable", "cut off after 400"),
    "a chunk is cut": (chunked_and_cut, {}, "feed_unreachable", "cut off"),
    "gzip is cut": ((200, GZ, gzip.compress(CONTENT)[:-9]), {}, "feed_unreachable", "cut off"),
    "gzip is garbage": ((200, GZ, b"garbage"), {}, "feed_unreachable", "gzip of the answer is damaged"),
    "no answer in time": (silent, {"timeout": 0.2}, "feed_unreachable", "no answer in time"),
    "never done": (dripping, {"patience": 0.2}, "feed_unreachable", "not done after"),
    "announced too large": ((200, {"Content-Length": 99_999}, b""), {}, "feed_too_large", "10000 bytes"),
    "too large": (endless, {}, "feed_too_large", "10000 bytes"),
    "too large unpacked": ((200, GZ, BOMB), {}, "feed_too_large", "10000 bytes"),
    "gone": ((404, {}, b""), {}, "feed_refused", "HTTP 404"),
    "forbidden": ((403, {}, b""), {}, "feed_refused", "HTTP 403"),
    "redirects in a circle": ((302, {"Location": "/feed.json"}, b""), {}, "feed_refused", "lead nowhere"),
    "redirects to a file": ((302, {"Location": "file:///etc/passwd"}, b""), {}, "feed_refused", "lead nowhere"),
    "a login page": ((200, {}, b"\n<!DOCTYPE HTML><html>"), {}, "feed_unexpected", "web page"),
    "empty": ((200, {}, b""), {}, "feed_unexpected", "empty"),
    "packed in another way": ((200, {"Content-Encoding": "br"}, b"x"), {}, "feed_unexpected", "packed as br"),
    "304 unasked": ((304, {}, b""), {}, "feed_unexpected", "304"),
}


@pytest.mark.parametrize(("answer", "settings", "code", "told"), FAILURES.values(), ids=FAILURES)
def test_what_does_not_come_whole_is_not_taken(server, get, answer, settings, code, told):
    server.gives("/feed.json", answer)
    with pytest.raises(UpkeepError) as caught:
        get(attempts=2, **settings)
    assert caught.value.code == code and told in caught.value.message and "some: " in caught.value.message
    assert left(get.cache) == []


def test_a_failure_leaves_the_file_that_was_there(server, get):
    server.gives("/feed.json", OK, (200, {"ETag": '"two"', "Content-Length": 999}, b"half"))
    first = get()
    with pytest.raises(UpkeepError):
        get(attempts=1)
    assert first.file.read_bytes() == CONTENT
    server.gives("/feed.json", (304, {}, b""))
    assert not get().is_new and server.seen[-1].headers["If-None-Match"] == '"one"'


@pytest.mark.parametrize("name", ["feed.csv.gz", "feed.tar.xz", "feed.tar.zst"])
def test_a_packed_file_begins_as_its_name_says_and_is_taken_as_it_is(server, get, name):
    server.gives("/feed.json", (200, {}, b"never"))
    with pytest.raises(UpkeepError, match="it is no"):
        get(name=name)
    assert server.seen[0].headers["Accept-Encoding"] == "identity"


def test_the_way_may_be_packed(server, get):
    server.gives("/feed.json", (200, {**GZ, **STAMPED}, gzip.compress(CONTENT)))
    assert get().file.read_bytes() == CONTENT
    assert server.seen[0].headers["Accept-Encoding"] == "gzip"


def test_a_server_that_calls_the_file_s_own_packing_the_way_s(server, get):
    packed = gzip.compress(CONTENT)
    server.gives("/feed.json", (200, GZ, packed))
    assert get(name="some/feed.csv.gz").file.read_bytes() == packed


def test_a_pointer_names_the_file(server, get):
    server.gives("/feeds/latest.txt", (200, {}, b"feed-2026-11-23.json\n"))
    server.gives("/feeds/feed-2026-11-23.json", OK)
    pointer = server.url + "/feeds/latest.txt"
    assert get(path="/feeds", pointer=pointer).size == len(CONTENT)
    server.gives("/feeds/latest.txt", (200, {}, b"../../etc/passwd"))
    with pytest.raises(UpkeepError, match="names no file"):
        get(path="/feeds", pointer=pointer)
    # A mirror has the file under the name that does not change.
    server.gives("/m/some/feed.json", OK)
    assert get(path="/feeds", pointer=pointer, mirror=server.url + "/m").size == len(CONTENT)


def test_credentials_go_to_their_host_alone_and_are_never_shown(server, get):
    host = server.url.removeprefix("http://")
    server.gives("/m/some/feed.json", OK)
    get(mirror=f"http://me:s%40cret@{host}/m?token=hidden")
    assert server.seen[0].headers["Authorization"] == "Basic bWU6c0BjcmV0"
    assert server.seen[0].path == "/m/some/feed.json?token=hidden"
    assert "cret" not in (get.cache / "some/feed.json.about.json").read_text()
    server.gives("/m/some/feed.json", (302, {"Location": "/elsewhere"}, b""))
    server.gives("/elsewhere", (200, {}, CONTENT + b" "))
    get(mirror=f"http://me:s%40cret@{host}/m")
    assert "Authorization" not in server.seen[-1].headers
    server.gives("/m/some/feed.json", (403, {}, b""))
    with pytest.raises(UpkeepError) as caught:
        get(mirror=f"http://me:s%40cret@{host}/m?token=hidden")
    told = f"{caught.value.message} {caught.value.details}"
    assert "cret" not in told and "hidden" not in told and host in told


def test_from_a_folder(get, tmp_path):
    folder = tmp_path / "stick"
    (folder / "some").mkdir(parents=True)
    (folder / "some/feed.json").write_bytes(CONTENT)
    for mirror in (str(folder), folder.as_uri()):
        assert get(mirror=mirror).file == folder / "some/feed.json"
    with pytest.raises(UpkeepError, match="10 bytes") as caught:
        get(mirror=str(folder), limit=10)
    assert caught.value.code == "feed_too_large"
    with pytest.raises(UpkeepError, match=r"other\.json cannot be read \(No such file") as caught:
        get(mirror=str(folder), name="other.json")
    assert caught.value.code == "feed_missing" and not get.cache.exists()


@pytest.mark.parametrize("mirror", ["ftp://host/x", "http://", "gopher://x"])
def test_a_mirror_that_is_none(get, mirror):
    with pytest.raises(UpkeepError) as caught:
        get(mirror=mirror)
    assert caught.value.code == "bad_mirror"


@pytest.fixture
def own_certificate(tmp_path):
    """A server's context with a certificate that nobody has signed, and the certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "own.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + made.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file


def test_https(server, get, own_certificate, monkeypatch):
    context, file = own_certificate
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.gives("/m/some/feed.json", OK)
    mirror = server.url.replace("http://", "https://") + "/m"
    with pytest.raises(UpkeepError, match="certificate is not trusted") as caught:
        get(mirror=mirror)
    assert caught.value.code == "feed_unexpected" and get.waits == []
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert get(mirror=mirror).size == len(CONTENT)
    server.gives("/m/some/feed.json", (302, {"Location": server.url + "/feed.json"}, b""))
    with pytest.raises(UpkeepError, match="lead nowhere"):
        get(mirror=mirror)


def test_a_proxy_that_refuses(server, get, monkeypatch):
    monkeypatch.setenv("https_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(UpkeepError, match="Tunnel connection failed: 501"):
        get(mirror="https://feeds.example.org/", attempts=1)


def test_nobody_listens(get):
    with pytest.raises(UpkeepError, match="Connection refused"):
        get(mirror="http://127.0.0.1:9/x", attempts=1)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@h:8/x/y?token=1#f", "https://h:8/x/y"),
        ("https://h/x", "https://h/x"),
        ("http://[::1/x", "an address that cannot be read"),
    ],
)
def test_what_is_shown_of_an_address(url, shown):
    assert address.shown(url) == shown
