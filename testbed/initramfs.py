# SPDX-License-Identifier: GPL-2.0
"""The initramfs of the testbed's host: newc archives written directly.

An archive is uncompressed (the copy is cheaper than unpacking under TCG), and
archives can be concatenated: the fixed part (busybox, modules) is cached, the
part of one run (programs, job) is appended.
"""
import os
import re
import stat
import subprocess


class Archive:
    """Collects files; bytes() is a newc cpio archive of them."""

    def __init__(self):
        self.entries = {}

    def add_dir(self, path):
        path = path.strip("/")
        if not path or path in self.entries:
            return
        self.add_dir(os.path.dirname(path))
        self.entries[path] = (stat.S_IFDIR | 0o755, b"", (0, 0))

    def add_data(self, path, data, mode=0o644):
        path = path.strip("/")
        self.add_dir(os.path.dirname(path))
        self.entries[path] = (stat.S_IFREG | mode, data, (0, 0))

    def add_link(self, path, target):
        path = path.strip("/")
        self.add_dir(os.path.dirname(path))
        self.entries[path] = (stat.S_IFLNK | 0o777, target.encode(), (0, 0))

    def add_char(self, path, major, minor):
        path = path.strip("/")
        self.add_dir(os.path.dirname(path))
        self.entries[path] = (stat.S_IFCHR | 0o600, b"", (major, minor))

    def add_file(self, source, path, libraries=True):
        """Add a file, and the shared libraries it needs if it is a program."""
        with open(source, "rb") as f:
            data = f.read()
        mode = 0o755 if os.access(source, os.X_OK) else 0o644
        self.add_data(path, data, mode)
        if libraries and mode == 0o755 and data.startswith(b"\x7fELF"):
            for lib in needed_libraries(source):
                if lib.strip("/") not in self.entries:
                    self.add_file(lib, lib, libraries=False)

    def bytes(self):
        out = []
        for ino, (path, (mode, data, dev)) in enumerate(self.entries.items(), 1):
            out.append(self.record(ino, path, mode, data, dev))
        out.append(self.record(0, "TRAILER!!!", 0, b"", (0, 0)))
        blob = b"".join(out)
        return blob + b"\0" * (-len(blob) % 512)

    @staticmethod
    def record(ino, path, mode, data, dev):
        name = path.encode() + b"\0"
        fields = (ino, mode, 0, 0, 1, 0, len(data), 0, 0, dev[0], dev[1],
                  len(name), 0)
        head = b"070701" + b"".join(b"%08X" % f for f in fields) + name
        head += b"\0" * (-len(head) % 4)
        return head + data + b"\0" * (-len(data) % 4)


def needed_libraries(program):
    """Paths of the shared libraries and the loader of a program."""
    result = subprocess.run(["ldd", program], capture_output=True, text=True)
    if result.returncode:
        return []    # static
    if "not found" in result.stdout:
        raise SystemExit("testbed: %s: a library is missing:\n%s"
                         % (program, result.stdout))
    return re.findall(r"(/\S+) \(0x", result.stdout)


def add_busybox(archive, busybox="/bin/busybox"):
    archive.add_file(busybox, "/bin/busybox")
    names = subprocess.run([busybox, "--list"], capture_output=True, text=True)
    for name in names.stdout.split():
        if name != "busybox":
            archive.add_link("/bin/" + name, "busybox")
    archive.add_link("/sbin", "bin")
    archive.add_link("/usr/bin", "../bin")
    archive.add_link("/usr/sbin", "../bin")


def module_order(moddir, wanted):
    """Paths relative to moddir of the wanted modules, dependencies first."""
    deps, by_name = {}, {}
    with open(os.path.join(moddir, "modules.dep")) as f:
        for line in f:
            path, _, rest = line.partition(":")
            deps[path] = rest.split()
            name = os.path.basename(path).split(".ko")[0].replace("-", "_")
            by_name[name] = path
    order = []

    def visit(path):
        for dep in reversed(deps[path]):
            visit(dep)
        if path not in order:
            order.append(path)

    for name in wanted:
        if name in by_name:    # else built in
            visit(by_name[name])
    return order


def read_module(path):
    if path.endswith(".xz"):
        return subprocess.run(["xz", "-dc", path], stdout=subprocess.PIPE,
                              check=True).stdout
    with open(path, "rb") as f:
        return f.read()


# Loaded at boot in this order (those that are not built in) ...
MODULES_AT_BOOT = ["virtio_pci", "virtio_console", "virtio_blk"]
# ... and there for modprobe and mount to find.
MODULES_ON_DEMAND = ["ext4", "crc32c_intel", "crc32c_generic", "loop", "9p",
                     "9pnet_virtio", "virtio_rng", "virtio_net", "tun", "bridge",
                     "vhost_net", "veth", "brd", "fuse",
                     "dm_flakey", "dm_delay"]


def add_modules(archive, tree, release):
    """tree: an unpacked kernel package on which depmod was run."""
    moddir = os.path.join(tree, "lib/modules", release)
    target = "/lib/modules/" + release
    boot = module_order(moddir, MODULES_AT_BOOT)
    every = module_order(moddir, MODULES_AT_BOOT + MODULES_ON_DEMAND)
    plain = {}
    for path in every:
        plain[path] = re.sub(r"\.xz$", "", path)
        archive.add_data(target + "/" + plain[path],
                         read_module(os.path.join(moddir, path)))
    archive.add_data("/etc/modules", "".join(
        target + "/" + plain[path] + "\n" for path in boot).encode())
    names = [os.path.basename(p).split(".ko")[0] for p in every]
    add_module_tables(archive, moddir, target, plain, names)


def add_module_tables(archive, moddir, target, plain, names):
    dep, alias = [], []
    names = set(n.replace("-", "_") for n in names)
    with open(os.path.join(moddir, "modules.dep")) as f:
        for line in f:
            path, _, rest = line.partition(":")
            if path in plain:
                dep.append("%s: %s\n" % (plain[path], " ".join(
                    plain[p] for p in rest.split())))
    with open(os.path.join(moddir, "modules.alias")) as f:
        for line in f:
            if line.split()[-1].replace("-", "_") in names:
                alias.append(line)
    archive.add_data(target + "/modules.dep", "".join(dep).encode())
    archive.add_data(target + "/modules.alias", "".join(alias).encode())
