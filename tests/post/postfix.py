"""A real Postfix on loopback, with a queue and a configuration of its own under a folder.

It takes mail for every address of one domain and puts it into one Maildir, as a shop's own relay
would hand it to a customer's mailbox. What an address begins with asks for a behaviour: `later-`,
`nobody-`, `closing-`, `slow-`. Its master must be started as root, so where we are not, or where
Postfix is not installed, there is none.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path
from pwd import getpwnam

import pytest
import trio

from tests.post.ports import free_port, listening, open_folder

DOMAIN = "customers.example"
MASTER = Path("/usr/lib/postfix/sbin/master")
POSTFIX = shutil.which("postfix") or shutil.which("/usr/sbin/postfix")

needs_postfix = pytest.mark.skipif(
    POSTFIX is None or not MASTER.exists() or os.getuid() != 0,
    reason="no Postfix to start (install postfix, and be root)",
)

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.{domain}
mydestination =
local_recipient_maps =
mynetworks = 127.0.0.0/8
relayhost =
alias_maps =
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = static:box/
virtual_mailbox_base = {folder}/mail
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
smtpd_recipient_restrictions = check_recipient_access regexp:{folder}/etc/asked, permit_mynetworks, reject
smtpd_helo_restrictions =
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 100000
smtpd_hard_error_limit = 100000
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
in_flow_delay = 0
default_process_limit = 20
smtpd_tls_security_level = none
"""

ASKED = """\
/^later-/    450 4.2.0 greylisted, come back
/^nobody-/   550 5.1.1 no such user here
/^closing-/  421 4.3.2 going down for a moment
/^slow-/     sleep 1, permit_mynetworks
"""

# Name, type, private, unprivileged, chroot, wake up, most processes, command.
SERVICES = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """A relay that runs: where it listens, and what it has delivered."""

    def __init__(self, folder, port):
        self.folder, self.port = folder, port
        self.mailbox = folder / "mail" / "box" / "new"

    def delivered(self):
        """The files in the Maildir, as bytes."""
        return (
            [file.read_bytes() for file in self.mailbox.iterdir()] if self.mailbox.exists() else []
        )

    @property
    def queued(self):
        """How many mails it has taken and not delivered yet."""
        names = ("incoming", "active", "deferred", "maildrop", "corrupt", "hold")
        queue = self.folder / "queue"
        return sum(file.is_file() for name in names for file in (queue / name).rglob("*"))

    async def emptied(self):
        """Wait until everything that was taken is in the Maildir."""
        with trio.fail_after(60):
            while True:
                if not self.queued:
                    return
                await trio.sleep(0.02)


def configure(folder, port):
    nobody = getpwnam("nobody")
    for name in ("etc", "queue", "data", "mail"):
        (folder / name).mkdir()
    etc = folder / "etc"
    values = {"folder": folder, "domain": DOMAIN, "uid": nobody.pw_uid, "gid": nobody.pw_gid}
    (etc / "main.cf").write_text(MAIN.format(**values))
    (etc / "master.cf").write_text(SERVICES.format(port=port))
    (etc / "asked").write_text(ASKED)
    shutil.chown(folder / "data", "postfix")
    shutil.chown(folder / "mail", nobody.pw_uid, nobody.pw_gid)
    return etc


@asynccontextmanager
async def open_postfix():
    """A Postfix that is there inside."""
    port = free_port()
    with open_folder("postfix") as folder:
        etc = configure(folder, port)
        # Makes the folders of the queue, with the owners that they need.
        await trio.run_process([POSTFIX, "-c", str(etc), "check"], capture_stderr=True)
        process = await trio.lowlevel.open_process(
            [str(MASTER), "-c", str(etc), "-d"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            await listening(port)
            yield Postfix(folder, port)
        finally:
            with trio.CancelScope(shield=True):
                # The group is the master's own: its services end with it.
                os.killpg(process.pid, signal.SIGTERM)
                await process.wait()
