# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Archives as somebody makes them who means harm: sound in every way but the one that is asked for, with both manifests
to match. And an independent look at a tree, to see that nothing of it was touched."""

from __future__ import annotations

import hashlib
import json
import os
import stat

from ansible_collections.proven.upkeep.plugins.module_utils.archive import _lines, gz, manifest, model
from ansible_collections.proven.upkeep.plugins.module_utils.archive._tarheader import header, span
from ansible_collections.proven.upkeep.plugins.module_utils.archive.blocks import BlockWriter
from ansible_collections.proven.upkeep.plugins.module_utils.archive.writer import embedded_header


def entry(path, type="file", **more):
    """An entry of the user who runs this."""
    facts = {"mode": 0o644, "uid": os.getuid(), "gid": os.getgid(), "user": "", "group": "", "mtime_ns": 0, **more}
    return model.Entry(path, type, **facts)


def file(path, content=b"evil", **more):
    """(entry, content) of a file."""
    return entry(path, size=len(content), sha256=hashlib.sha256(content).hexdigest(), **more), content


def folder(path, **more):
    """(entry, content) of a folder."""
    return entry(path, "dir", **{"mode": 0o755, **more}), b""


def link(path, target, **more):
    """(entry, content) of a symbolic link."""
    return entry(path, "symlink", link=target, mode=0o777, **more), b""


def hard(path, leader, **more):
    """(entry, content) of a hard link."""
    return entry(path, "hardlink", leader=leader, **more), b""


def changed(line, **values):
    """A manifest's line with other values."""
    return _lines.dump({**json.loads(line), **values})


def forge(
    path, entries, line=_lines.entry_line, block_line=_lines.block_line, codec=gz, facts=None, root="/", **header_facts
):
    """Write the archive `path` of [(entry, content), …] and the manifest beside it; returns `path`.

    `line` and `block_line` make the manifest's lines; `facts` changes the closing line's, `header_facts` the header's.
    """
    path = str(path)
    with open(path, "w+b", buffering=0) as stream:  # noqa: PTH123
        sink = BlockWriter(stream, codec, codec.default_level, 1)
        head = {"schema": manifest.SCHEMA, "format": 1, "start": len(codec.header()), "backup": "evil", "roots": ["."],
                "xattrs": True, **header_facts}  # fmt: skip
        lines = [_lines.dump(head)]
        for one, content in entries:
            one.offset = sink.position
            top = header(one)
            sink.write(top + content + bytes(span(one, len(top)) - len(top) - len(content)))
            lines.append(line(one))
        sink.cut()
        blocks = len(sink.blocks)
        lines += [block_line(sink.blocks[n]) for n in range(blocks)]
        closing = {
            "entries": len(entries), "files": 0, "input_bytes": 0, "tar_bytes": sink.position,
            "tar_sha256": sink.sha256(), "lines_sha256": hashlib.sha256(b"".join(lines)).hexdigest(), **(facts or {}),
        }  # fmt: skip
        body = b"".join([*lines, manifest.closing_line("embedded", closing)])
        sink.write(embedded_header(len(body)) + body + bytes(model.padding(len(body))) + model.END_OF_TAR)
        sink.finish()
        lines += [_lines.block_line(sink.blocks[n], True) for n in range(blocks, len(sink.blocks))]
        stream.seek(0)
        whole = stream.read()
        more = {
            "stream_bytes": sink.position, "stream_sha256": sink.sha256(), "archive_bytes": len(whole),
            "archive_sha256": hashlib.sha256(whole).hexdigest(), "created": "2026-01-01T00:00:00Z",
            "parameters": {"root": root}, "document": {},
        }  # fmt: skip
        sink.close()
    with open(path + manifest.SUFFIX, "w+b", buffering=0) as stream:  # noqa: PTH123
        sink = BlockWriter(stream, gz, 6, 1)
        sink.write(b"".join([*lines, manifest.closing_line("beside", closing, **more)]))
        sink.finish()
        sink.close()
    return path


def listing(top, without=()):
    """What lies below `top`, but for the names `without` right in it: by name, everything that `lstat` and reading tell
    (no times of access or inode; no time of `top` itself)."""
    top, found = os.fsencode(str(top)), {}
    for place, folders, files in os.walk(top):
        if place == top:
            folders[:] = [name for name in folders if os.fsdecode(name) not in without]
            files = [name for name in files if os.fsdecode(name) not in without]
        for name in [*folders, *files]:
            path = os.path.join(place, name)
            info = os.lstat(path)
            what = b""
            if stat.S_ISLNK(info.st_mode):
                what = os.readlink(path)
            elif stat.S_ISREG(info.st_mode):
                with open(path, "rb") as stream:  # noqa: PTH123
                    what = stream.read()
            attributes = {key: os.getxattr(path, key, follow_symlinks=False) for key in _attributes(path)}
            facts = (info.st_mode, info.st_uid, info.st_gid, info.st_nlink, info.st_rdev, info.st_mtime_ns)
            found[os.path.relpath(path, top)] = (facts, what, attributes)
    return found


def _attributes(path):
    try:
        return os.listxattr(path, follow_symlinks=False)
    except OSError:
        return []
