# SPDX-License-Identifier: GPL-2.0
"""One run of QEMU: its command line, its channels, how it ended."""
import ctypes
import fcntl
import json
import os
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import tty

PORTS = ("ctl", "out", "err", "dmesg")
STATUS_TIMEOUT = 124
STATUS_BROKEN = 125
QUIT_KEY = b"\x1d"    # Ctrl-], three times in a row


def window_size():
    """Rows and columns of our terminal."""
    raw = fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8)
    rows, columns = struct.unpack("HHHH", raw)[:2]
    return rows or 24, columns or 80


def die_with_parent():
    """In the child: be killed when the testbed is, however that happens."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def say(text):
    print("testbed: " + text, file=sys.stderr, flush=True)


class Qmp:
    """The little of QMP that is needed here."""

    def __init__(self, sock):
        self.sock = sock
        self.events = []
        self.lock = threading.Lock()
        self.buffer = b""

    def send(self, command):
        with self.lock:
            self.sock.sendall(json.dumps({"execute": command}).encode() + b"\n")

    def receive(self):
        """Take what has arrived; False at the end of the connection."""
        try:
            data = self.sock.recv(65536)
        except OSError:
            data = b""
        self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in lines:
            if not line.strip():
                continue
            message = json.loads(line)
            if "QMP" in message:
                self.send("qmp_capabilities")
            elif "event" in message:
                self.events.append(message)
        return bool(data)

    def shutdown_reason(self):
        for event in self.events:
            if event["event"] == "SHUTDOWN":
                return event["data"].get("reason", "?")
        return None


class NmiSource(threading.Thread):
    """Injects an NMI every interval seconds until stopped."""

    def __init__(self, qmp, interval):
        super().__init__(daemon=True)
        self.qmp, self.interval, self.count = qmp, interval, 0
        self.stopped = threading.Event()

    def run(self):
        while not self.stopped.wait(self.interval):
            try:
                self.qmp.send("inject-nmi")
            except OSError:
                return
            self.count += 1


class Machine:
    def __init__(self, args, vmlinuz, initrd, rundir):
        self.args, self.vmlinuz = args, vmlinuz
        self.initrd, self.rundir = initrd, rundir
        self.status = None       # the job's exit status
        self.nmi = None
        self.nmis = 0
        self.sockets = {}
        self.ctl_buffer = b""
        self.quit_keys = 0

    def path(self, name):
        return os.path.join(self.rundir, name)

    # --- command line ----------------------------------------------------

    def cpu(self):
        cpu = self.args.cpu
        if cpu == "max" and self.args.la57 == "off":
            cpu += ",la57=off"
        return cpu

    def kernel_parameters(self):
        words = ["console=ttyS0", "loglevel=5", "panic=-1", "oops=panic",
                 "pti=" + self.args.pti, "no_timer_check", "tsc=nowatchdog",
                 "random.trust_cpu=on", "module.sig_enforce=0"]
        return " ".join(words + [self.args.append])

    def command(self):
        a = self.args
        tcg = "tcg,tb-size=512"
        cmd = ["qemu-system-x86_64", "-nodefaults", "-no-user-config",
               "-display", "none", "-machine", "q35", "-accel", tcg,
               "-cpu", self.cpu(), "-smp", str(a.cpus), "-m", a.mem,
               "-no-reboot", "-kernel", self.vmlinuz, "-initrd", self.initrd,
               "-append", self.kernel_parameters(),
               "-serial", "file:" + self.path("serial"),
               "-device", "virtio-serial-pci"]
        for name in PORTS:
            cmd += ["-chardev", "socket,id=%s,path=%s" % (name, self.path(name)),
                    "-device", "virtserialport,chardev=%s,name=%s" % (name, name)]
        cmd += ["-chardev", "socket,id=qmp,path=" + self.path("qmp"),
                "-mon", "chardev=qmp,mode=control"]
        if a.interactive:
            cmd += ["-chardev", "socket,id=tty,path=" + self.path("tty"),
                    "-device", "virtconsole,chardev=tty"]
        for i, disk in enumerate(a.disk):
            name, *options = disk.split(",")
            snapshot = "on" if "snapshot" in options else "off"
            cmd += ["-drive", "if=none,id=disk%d,format=raw,snapshot=%s,"
                    "discard=unmap,file=%s" % (i, snapshot, name),
                    "-device", "virtio-blk-pci,drive=disk%d" % i]
        for i, share in enumerate(a.share):
            directory, _, *mode = share.split(":")
            readonly = "off" if "rw" in mode else "on"
            cmd += ["-virtfs", "local,path=%s,mount_tag=share%d,"
                    "security_model=none,readonly=%s" % (directory, i, readonly)]
        if a.icount:
            cmd += ["-icount", "shift=0,sleep=off"]
        if a.singlestep:
            cmd += ["-singlestep"]
        if a.qmp:
            cmd += ["-qmp", "unix:%s,server=on,wait=off" % a.qmp]
        if a.gdb:
            cmd += ["-S", "-gdb", "tcp:127.0.0.1:" + a.gdb]
        return cmd + a.qemu

    # --- channels --------------------------------------------------------

    def listen(self):
        """Listen on a socket for each channel, QEMU connects to all."""
        servers = {}
        for name in PORTS + ("qmp",) + (("tty",) if self.args.interactive else ()):
            server = socket.socket(socket.AF_UNIX)
            server.bind(self.path(name))
            server.listen(1)
            server.settimeout(0.1)
            servers[name] = server
        return servers

    def accept(self, servers, qemu):
        for name, server in servers.items():
            while name not in self.sockets:
                try:
                    self.sockets[name] = server.accept()[0]
                except socket.timeout:
                    if qemu.poll() is not None:
                        return False
            server.close()
        return True

    def from_ctl(self, data):
        self.ctl_buffer += data
        *lines, self.ctl_buffer = self.ctl_buffer.split(b"\n")
        for line in lines:
            words = line.decode(errors="replace").split()
            if words[:1] == ["up"] and self.args.nmi:
                self.set_nmi(self.args.nmi)
            elif words[:1] == ["exit"]:
                self.status = int(words[1])
            elif words[:1] == ["nmi"]:
                self.set_nmi(None if words[1] == "off" else float(words[1]))

    def set_nmi(self, interval):
        if self.nmi:
            self.nmi.stopped.set()
            self.nmi.join()
            self.nmis += self.nmi.count
            say("NMIs injected: %d" % self.nmi.count)
            self.nmi = None
        if interval:
            self.nmi = NmiSource(self.qmp, interval)
            self.nmi.start()

    def from_terminal(self):
        data = os.read(0, 4096)
        for byte in data:
            self.quit_keys = self.quit_keys + 1 if bytes([byte]) == QUIT_KEY else 0
        if self.quit_keys >= 3:
            raise KeyboardInterrupt
        self.sockets["tty"].sendall(data)

    def handle(self, name):
        """Something is there to be read; False at the end of the channel."""
        if name == "stdin":
            self.from_terminal()
            return True
        if name == "qmp":
            return self.qmp.receive()
        try:
            data = self.sockets[name].recv(65536)
        except OSError:
            data = b""
        if name == "ctl":
            self.from_ctl(data)
        elif name in ("out", "tty"):
            write_all(1, data)
        elif name == "err":
            write_all(2, data)
        elif name == "dmesg":
            with open(self.path("dmesg.txt"), "ab") as f:
                f.write(data)
        return bool(data)

    # --- the run ---------------------------------------------------------

    def run(self):
        cmd = self.command()
        if self.args.verbose:
            say(" ".join(cmd))
        start = time.monotonic()
        servers = self.listen()
        with open(self.path("qemu"), "wb") as log:
            # A group of its own: Ctrl-C is ours to handle.
            qemu = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=log,
                                    stderr=log, start_new_session=True,
                                    preexec_fn=die_with_parent)
        try:
            if not self.accept(servers, qemu):
                return self.broken("QEMU did not start", "qemu")
            ended = self.talk(qemu, start)
        except KeyboardInterrupt:
            say("stopped by the user")
            return 130
        finally:
            qemu.kill()
            qemu.wait()
        if self.args.verbose:
            say("%.1f s" % (time.monotonic() - start))
        return self.verdict(ended)

    def talk(self, qemu, start):
        """Move bytes until QEMU has ended: True, or False on timeout."""
        self.qmp = Qmp(self.sockets["qmp"])
        selector = selectors.DefaultSelector()
        for name, sock in self.sockets.items():
            selector.register(sock, selectors.EVENT_READ, name)
        saved = self.enter_raw(selector) if self.args.interactive else None
        waiting = len(self.sockets)
        try:
            while waiting:
                left = 1.0
                if self.args.timeout:
                    left = start + self.args.timeout - time.monotonic()
                    if left <= 0:
                        return False
                for key, _ in selector.select(min(left, 1.0)):
                    if not self.handle(key.data):
                        selector.unregister(key.fileobj)
                        waiting -= 1
            return True
        finally:
            if saved:
                termios.tcsetattr(0, termios.TCSADRAIN, saved)
            self.set_nmi(None)

    def enter_raw(self, selector):
        saved = termios.tcgetattr(0)
        tty.setraw(0)
        selector.register(0, selectors.EVENT_READ, "stdin")
        signal.signal(signal.SIGWINCH, self.window_changed)
        return saved

    def window_changed(self, *_):
        self.sockets["ctl"].sendall(b"winsize %d %d\n" % window_size())

    # --- the end ---------------------------------------------------------

    def verdict(self, ended):
        if not ended:
            self.broken("no end after %g s" % self.args.timeout, "serial")
            return STATUS_TIMEOUT
        reason = self.qmp.shutdown_reason()
        if self.status is not None and reason == "guest-shutdown":
            return self.status
        if reason == "guest-reset":
            return self.broken("the host panicked or was reset", "serial")
        return self.broken("QEMU ended (%s) before the job did" % reason, "qemu")

    def broken(self, text, log):
        say(text)
        try:
            with open(self.path(log), errors="replace") as f:
                lines = f.read().splitlines()
        except FileNotFoundError:
            lines = []
        for line in lines[-60:]:
            say("| " + line)
        return STATUS_BROKEN

    def keep_logs(self, directory):
        os.makedirs(directory, exist_ok=True)
        for name in ("serial", "dmesg.txt", "qemu"):
            if os.path.exists(self.path(name)):
                shutil.copy(self.path(name), os.path.join(directory, name))


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]
