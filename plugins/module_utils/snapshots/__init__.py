# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Snapshots of file systems: a backup reads what was there at one moment.

A driver is a module with: name, fits(mount), top(path, mount), take(mount, top, name, place, size),
remove(mount, top, name, place) and leftovers(mount, top, prefix). `top` is the live folder that the snapshot shows as
its own uppermost; `take` returns where that is to be read; `name` is free of all that a tool could trip over; `place`
is the path of a folder that the driver may make to mount there.
"""
