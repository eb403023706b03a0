# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A web server whose answers a test decides, and feeds of facts, small and in their sources' true form."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Server(ThreadingHTTPServer):
    """`answers[path]` is a list of answers, the last of which stays; `seen` are the requests."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.seen = {}, []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def gives(self, path, *answers):
        self.answers[path] = list(answers)

    def handle_error(self, request, client_address):
        """A client that went away is part of the test."""


class Handler(BaseHTTPRequestHandler):
    """An answer is (status, headers, content), or a function that writes one with the handler."""

    def do_GET(self):
        self.server.seen.append(self)
        answers = self.server.answers.get(self.path.partition("?")[0], [(404, {}, b"")])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(answer):
            answer(self)
            return
        status, headers, content = answer
        self.send_response(status)
        for name, value in {"Content-Length": len(content), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        """Silent."""


@pytest.fixture
def server(monkeypatch):
    """A running server, which no proxy of the environment stands before."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


def state(status, **more):
    return {"status": status, "repositories": {"bookworm": "3.0.17-1"}, "urgency": "not yet assigned", **more}


TRACKER = {
    "openssl": {
        "CVE-2026-22795": {
            "description": "a flaw",
            "releases": {
                "bookworm": state("resolved", fixed_version="3.0.18-1~deb12u2"),
                "trixie": state("resolved", fixed_version="3.5.4-1~deb13u2", urgency="high**"),
                "sid": state("resolved", fixed_version="3.5.5-1"),
            },
        },
        "CVE-2025-27587": {"releases": {"bookworm": state("open", nodsa="Minor issue", nodsa_reason="")}},
        "CVE-2024-1": {"releases": {"bookworm": state("open", nodsa="Minor issue", nodsa_reason="postponed")}},
        "CVE-2024-2": {"releases": {"bookworm": state("resolved", fixed_version="0")}},
        "CVE-2007-6755": {"releases": {"bookworm": state("open", urgency="unimportant")}},
        "CVE-2024-3": {"releases": {"bookworm": state("undetermined")}},
        "CVE-2024-4": {"releases": {"bookworm": state("open", urgency="medium")}},
    },
    "chromium": {"CVE-2022-0358": {"releases": []}},
    "mupdf": {"TEMP-0000000-0CA7E3": {"releases": {"bookworm": state("open", urgency="end-of-life")}}},
}
DSA = """[27 Jan 2026] DSA-6113-1 openssl - security update
\t{CVE-2025-15467 CVE-2026-22795}
\t[bookworm] - openssl 3.0.18-1~deb12u2
\t[trixie] - openssl 3.5.4-1~deb13u2
[07 Jun 2015] DSA-3281-1 Debian Security Team PGP/GPG key change notice
[18 Apr 2018] DSA-4205-1 jessie end-of-life
\tNOTE: end of security support for jessie
[05 Aug 2002] DSA-140 libpng - buffer overflow
        {CVE-2002-0660}
        [woody] - libpng 1.0.12-3.woody.2
"""
DLA = """[01 Mar 2026] DLA-4000-2 openssl - regression update
\t[bookworm] - openssl <not-affected> (never uploaded)
"""
KEV = {
    "catalogVersion": "2026.11.20",
    "dateReleased": "2026-11-20T17:04:19.9796Z",
    "count": 2,
    "vulnerabilities": [
        {
            "cveID": "CVE-2026-22795", "vulnerabilityName": "A flaw", "dateAdded": "2026-02-01",
            "dueDate": "2026-02-22", "knownRansomwareCampaignUse": "Known",
        },
        {"cveID": "CVE-2020-5902", "dateAdded": "2021-11-03", "knownRansomwareCampaignUse": "Unknown"},
    ],
}  # fmt: skip
EPSS = """#model_version:v2025.03.14,score_date:2026-11-22T12:55:00Z
cve,epss,percentile
CVE-2026-22795,0.97567,0.99995
CVE-2020-5902,0.00113,0.43131
"""
SECDB = {
    "distroversion": "v3.22",
    "reponame": "main",
    "packages": [
        {
            "pkg": {
                "name": "xen",
                "secfixes": {"4.7.0-r0": ["CVE-2016-7093 XSA-186", "XSA-248"], "0": ["CVE-2020-0001"]},
            }
        },
        {"pkg": {"name": "tcpdump", "secfixes": {"4.9.3-r0": ["CVE-2018-14462 (ICMP)"], "1.0-r0": None}}},
        {"pkg": {"name": "empty", "secfixes": {}}},
    ],
}


def affected(ecosystem, fixed=None, distro="jammy", **more):
    events = [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]
    purl = f"pkg:deb/ubuntu/netty@1?arch=source&distro={distro}"
    return {
        "package": {"ecosystem": ecosystem, "name": "netty", "purl": purl},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
        "versions": [],
        **more,
    }


CVSS = "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N"
UBUNTU = {
    "osv/cve/2022/UBUNTU-CVE-2022-24823.json": {
        "id": "UBUNTU-CVE-2022-24823", "published": "2022-05-06T12:15:00Z", "modified": "2026-06-01T00:00:00.5Z",
        "upstream": ["CVE-2022-24823"],
        "severity": [{"type": "CVSS_V3", "score": CVSS}, {"type": "Ubuntu", "score": "low"}],
        "affected": [
            affected("Ubuntu:22.04:LTS", "1:4.1.48-4"),
            affected("Ubuntu:Pro:22.04:LTS", "1:4.1.48-4+esm1", "esm-apps/jammy"),
            affected("Ubuntu:Pro:18.04:LTS", "1:4.1.7-4ubuntu0.1+esm3", "esm-apps/bionic"),
            affected("Ubuntu:Pro:14.04:LTS", "1:3.2.6+esm1", "trusty/esm"),
            affected("Ubuntu:Pro:FIPS-updates:20.04:LTS", "1:4.1.45-1+Fips1", "fips-updates/focal"),
            affected("Ubuntu:25.10"),
        ],
    },
    "osv/cve/2024/UBUNTU-CVE-2024-51988.json": {
        "id": "UBUNTU-CVE-2024-51988", "published": "2024-11-06T20:15:00Z", "modified": "2025-06-01T00:00:00Z",
        "affected": [affected("Ubuntu:24.10", ecosystem_specific={"ubuntu_priority": "negligible"})],
    },
    "osv/cve/2020/UBUNTU-CVE-2020-36325.json": {
        "id": "UBUNTU-CVE-2020-36325", "published": "2021-04-26T18:15:00Z", "modified": "2021-04-26T18:15:00Z",
        "withdrawn": "2025-07-18T16:43:40Z", "affected": [affected("Ubuntu:22.04:LTS")],
    },
    "osv/usn/USN-7284-1.json": {
        "id": "USN-7284-1", "published": "2025-02-20T17:40:04Z", "modified": "2025-02-20T17:40:04Z",
        "upstream": ["UBUNTU-CVE-2022-24823"], "related": ["CVE-2022-24823"],
        "affected": [affected("Ubuntu:22.04:LTS", "1:4.1.48-4")],
    },
    "osv/lsn/LSN-0108-1.json": {
        "id": "LSN-0108-1", "published": "2024-12-19T11:12:01Z", "modified": "2024-12-19T11:12:01Z",
        "affected": [affected("Ubuntu:22.04:LTS", "1")],
    },
}  # fmt: skip


def archive(records):
    """The records as a packed tar, as Canonical packs them."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:xz") as packed:
        for name, record in records.items():
            content = json.dumps(record).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    return target.getvalue()


FILES = {
    "debian/tracker.json": json.dumps(TRACKER).encode(),
    "debian/DSA.list": DSA.encode(),
    "debian/DLA.list": DLA.encode(),
    "ubuntu/osv-all.tar.xz": archive(UBUNTU),
    "alpine/v3.22/main.json": json.dumps(SECDB).encode(),
    "alpine/v3.22/community.json": json.dumps({**SECDB, "reponame": "community", "packages": []}).encode(),
    "kev/known_exploited_vulnerabilities.json": json.dumps(KEV).encode(),
    "epss/epss_scores-current.csv.gz": gzip.compress(EPSS.encode()),
}
