"""Hosts on one machine, joined by a network, that share nothing but the kernel and what a test lets them see.

A host is a process in network, mount, process, host name and IPC namespaces of its own. None of these has a name: they
end with that process, which ends when its standard input is closed, and so with the test that holds the other end,
however that ends. The kernel then kills the host's processes and removes its mounts and its interface.
"""

import shlex
import subprocess
import sys
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

import psutil
import pytest

from tests.support import ROOT

_UNSHARE = ("unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
# As Debian installs it: the host's name is not the address that others know it by.
_NAMES = "127.0.0.1 localhost\\n127.0.1.1 {name}\\n"

# One process, not one for each attempt: a server that starts needs the processor itself.
_ANSWERS = """
import sys, time, urllib.request
end = time.monotonic() + float(sys.argv[2])
while True:
    try:
        urllib.request.urlopen(sys.argv[1], timeout=5)
        break
    except OSError as err:
        if time.monotonic() > end:
            sys.exit(str(err))
    time.sleep(0.1)
"""


@cache
def why_not():
    """Return why hosts cannot be made on this machine, or an empty string."""
    try:
        done = subprocess.run([*_UNSHARE, "ip", "link", "add", "type", "bridge"], capture_output=True, text=True)
    except FileNotFoundError as err:
        return f"{err.filename} is not installed: a test cannot make hosts (util-linux, iproute2)"
    return "" if done.returncode == 0 else f"a test cannot make hosts here: {done.stderr.strip()}"


needed = pytest.mark.skipif(bool(why_not()), reason=why_not())
"""Skips a test, with the reason, where hosts cannot be made."""


class Host:
    """A host; see `network`."""

    def __init__(self, name, address, sees):
        """Start it, without interfaces.

        Args:
            name: its host name, which resolves to 127.0.1.1.
            address: its IPv4 address, once it is joined to a network.
            sees: folders that it sees as they are; of the rest, it sees neither the repository (but the virtual
                environment, read-only) nor /tmp, and has /dev/shm of its own.
        """
        self.name, self.address, self._started = name, address, []
        script = f"set -e; trap '' CHLD; {_mounts(name, sees)}; echo ready; exec cat"  # zombies are reaped
        self._process = subprocess.Popen(
            [*_UNSHARE, "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self._process.stdout.readline() != "ready\n":
            self.stop()
            raise AssertionError(f"host {name} does not start; the reason is on stderr")
        self.pid = psutil.Process(self._process.pid).children()[0].pid

    def command(self, *command, folder="/", **environment):
        """Return the command that runs `command` on this host, in a folder."""
        settings = [f"{key}={value}" for key, value in environment.items()]
        enter = ("nsenter", f"--target={self.pid}", "--mount", "--uts", "--ipc", "--net", "--pid")
        return [*enter, "env", f"--chdir={folder}", f"HOSTNAME={self.name}", *settings, *map(str, command)]

    def run(self, *command, timeout=250, **options):
        """Run a command to its end; return its status and output."""
        command = self.command(*command, **options)
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)

    def start(self, *command, log, **options):
        """Start a command that may last as long as the host, with its output in the file `log`."""
        with Path(log).open("ab") as file:
            self._started.append(subprocess.Popen(self.command(*command, **options), stdout=file, stderr=file))

    def answers(self, address, seconds):
        """Wait until an HTTP server answers this host, for at most so many seconds; return whether it does."""
        return self.run(sys.executable, "-c", _ANSWERS, address, seconds, timeout=2 * seconds).returncode == 0

    def processes(self):
        """Return the processes of this host that are alive."""
        own = _namespace(self.pid)
        return [process for process in psutil.process_iter() if _namespace(process.pid) == own]

    def unplug(self):
        """Cut the host off: its packets are lost, and so are those that others send to it."""
        subprocess.run(self.command("ip", "link", "set", "eth0", "down"), check=True)

    def plug_in(self):
        """Join it to the network again."""
        subprocess.run(self.command("ip", "link", "set", "eth0", "up"), check=True)

    def crash(self):
        """End the host as if its power failed: nobody is told."""
        self.unplug()
        self.stop()

    def stop(self):
        """Kill all its processes, and wait for their end; a host that has crashed is left alone."""
        with self._process:  # waits in the end
            self._process.stdin.close()  # ends the first process of its namespace: the kernel kills the others
            for process in self._started:
                process.wait(10)


def _mounts(name, sees):
    """Return the shell commands by which a host gets its own view of the file system."""
    seen = dict.fromkeys(sees, "rw") | ({Path(sys.prefix): "ro"} if ROOT not in sees else {})
    hidden = [Path("/tmp"), *([ROOT] if ROOT not in sees and not ROOT.is_relative_to("/tmp") else [])]
    lines = ["mount -t tmpfs tmpfs /mnt"]  # what is seen is kept there while the folders above it are hidden
    for number, path in enumerate(seen):
        lines += [f"mkdir /mnt/{number}", f"mount --bind {shlex.quote(str(path))} /mnt/{number}"]
    lines += [f"mount -t tmpfs tmpfs {shlex.quote(str(path))}" for path in hidden]
    for number, (path, mode) in enumerate(seen.items()):
        target = shlex.quote(str(path))
        lines += [
            f"mkdir -p {target}",
            f"mount --bind /mnt/{number} {target}",
            f"mount -o remount,bind,{mode} {target}",
        ]
    lines += [
        "mount -t tmpfs tmpfs /dev/shm",
        f"printf '{_NAMES.format(name=name)}' > /tmp/hosts",
        "mount --bind /tmp/hosts /etc/hosts",
        "mount --bind /dev/null /etc/resolv.conf",  # a name server that cannot be reached would cost seconds
        "umount --recursive /mnt",
        f"hostname {name}",
        "ip link set lo up",
    ]
    return "; ".join(lines)


def _namespace(pid):
    """Return the PID namespace of a process; None if it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/ns/pid").readlink()


class Network:
    """A bridge, and the hosts that are plugged into it."""

    def __init__(self):
        self._switch = Host("switch", None, ())
        self.hosts = []
        self._on_switch("ip", "link", "add", "switch", "type", "bridge", "forward_delay", "0")
        self._on_switch("ip", "link", "set", "switch", "up")

    def add(self, name, *, sees=()):
        """Start a host and join it to the network; return it."""
        host = Host(name, f"10.77.0.{len(self.hosts) + 1}", sees)
        self.hosts.append(host)
        port = f"port{len(self.hosts)}"
        # Made in the namespace of the switch: the machine itself never has these interfaces.
        pair = ("type", "veth", "peer", "name", "eth0", "netns", str(host.pid))
        enter = ("nsenter", f"--target={self._switch.pid}", "--net")  # PIDs are those of the machine
        subprocess.run([*enter, "ip", "link", "add", port, *pair], check=True)
        self._on_switch("ip", "link", "set", port, "master", "switch", "up")
        for line in (f"ip addr add {host.address}/24 dev eth0", "ip link set eth0 up"):
            assert host.run(*line.split()).returncode == 0, line
        return host

    def _on_switch(self, *command):
        done = self._switch.run(*command)
        assert done.returncode == 0, done.stderr

    def stop(self):
        """Stop every host and the switch."""
        with ExitStack() as stack:  # all, although one may fail
            for host in (self._switch, *self.hosts):
                stack.callback(host.stop)


@contextmanager
def network():
    """Yield a `Network`; its hosts are stopped afterwards."""
    made = Network()
    try:
        yield made
    finally:
        made.stop()
