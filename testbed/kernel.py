# SPDX-License-Identifier: GPL-2.0
"""Debian's stock kernels for the testbed: fetched and unpacked, not installed.

The kernel is the one whose headers are installed here, because the driver is
built against those.
"""
import fcntl
import glob
import hashlib
import os
import re
import subprocess
import sys

import initramfs

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(os.path.dirname(HERE), "build")


def fail(text):
    raise SystemExit("testbed: " + text)


def release_of(series):
    """Release of the newest installed headers of a series, like 6.1."""
    pattern = "/usr/src/linux-headers-%s.*-amd64" % series
    releases = [p[len("/usr/src/linux-headers-"):] for p in glob.glob(pattern)]
    if not releases:
        fail("no kernel headers for %s here; tools/deps.sh installs them"
             % series)
    key = lambda r: [int(n) for n in re.findall(r"\d+", r)]
    return max(releases, key=key)


def fetch_package(name, cache):
    """Path of the .deb of a package, downloaded unless it is there."""
    found = glob.glob(os.path.join(cache, name + "_*.deb"))
    if found:
        return found[0]
    print("testbed: fetching %s" % name, file=sys.stderr)
    os.makedirs(cache, exist_ok=True)
    # apt drops its rights to _apt and warns if that user cannot write here.
    result = subprocess.run(
        ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", name],
        cwd=cache, stdout=sys.stderr)
    found = glob.glob(os.path.join(cache, name + "_*.deb"))
    if result.returncode or not found:
        fail("cannot download %s (try apt-get update and newer headers)" % name)
    return found[0]


def unpack(series):
    """Unpack the kernel package; returns (tree, release)."""
    release = release_of(series)
    tree = os.path.join(BUILD, "testbed", release, "tree")
    done = os.path.join(tree, "unpacked")
    if not os.path.exists(done):
        deb = fetch_package("linux-image-" + release,
                            os.path.join(BUILD, "cache"))
        print("testbed: unpacking %s" % os.path.basename(deb), file=sys.stderr)
        os.makedirs(tree, exist_ok=True)
        subprocess.run(["dpkg-deb", "-x", deb, tree], check=True)
        subprocess.run(["depmod", "-b", tree, release], check=True)
        open(done, "w").close()
    return tree, release


def base_archive(tree, release):
    """Path of the cached fixed part of the initramfs."""
    path = os.path.join(BUILD, "testbed", release, "base.cpio")
    inputs = hashlib.sha256(release.encode())
    for name in ("initramfs.py", "init"):
        with open(os.path.join(HERE, name), "rb") as f:
            inputs.update(f.read())
    key = inputs.hexdigest()
    try:
        with open(path + ".key") as f:
            if f.read() == key and os.path.exists(path):
                return path
    except FileNotFoundError:
        pass
    archive = initramfs.Archive()
    # init opens its console before devtmpfs is there.
    archive.add_char("/dev/console", 5, 1)
    archive.add_file(os.path.join(HERE, "init"), "/init")
    initramfs.add_busybox(archive)
    initramfs.add_modules(archive, tree, release)
    with open(path + ".new", "wb") as f:
        f.write(archive.bytes())
    os.rename(path + ".new", path)
    with open(path + ".key", "w") as f:
        f.write(key)
    return path


def prepare(series):
    """Returns (vmlinuz, base initramfs, release) for a kernel series."""
    os.makedirs(os.path.join(BUILD, "testbed"), exist_ok=True)
    with open(os.path.join(BUILD, "testbed", "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tree, release = unpack(series)
        base = base_archive(tree, release)
    return os.path.join(tree, "boot", "vmlinuz-" + release), base, release
