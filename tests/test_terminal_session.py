"""A session at the terminal, as an operator holds it in an incident: a real terminal, a real service.

"A customer complains that she got no review mail."
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from fcntl import ioctl

import msgspec
import pytest

from tests.test_command_line import PATIENCE, ROOT, Serving, command, made_keys, tells, track

ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[()][A-Z0-9]|[=>78])")
# The space behind it is a movement of the cursor, or one.
PROMPT = "ecrm>"
ENTER, TAB, CTRL_C, CTRL_D = "\r", "\t", "\x03", "\x04"


class Terminal:
    """A terminal of 160 columns, in which a command runs; `screen` is all it has shown, plain."""

    def __init__(self, *words, **environment):
        self.master, inner = pty.openpty()
        ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 160, 0, 0))
        # Nobody answers here where the cursor is.
        quiet = {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        self.process = subprocess.Popen(
            command(*words), stdin=inner, stdout=inner, stderr=inner, cwd=ROOT,
            env={**os.environ, **quiet, **environment}, start_new_session=True,
            preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads here
        )  # fmt: skip
        os.close(inner)
        self.raw = ""
        self.seen = 0

    @property
    def screen(self):
        return ESCAPES.sub("", self.raw).replace("\r", "")

    def types(self, keys):
        self.seen = len(self.screen)
        os.write(self.master, keys.encode())

    def shows(self, text):
        """Wait until this is shown, after what was last typed; all that was shown since."""
        return self.matches(re.escape(text))

    def asks(self, line):
        """Type a line; what is shown until the next prompt."""
        self.types(line + ENTER)
        return self.answered()

    def answered(self):
        """What is shown between what was typed and the next prompt, which stands at the end."""
        return self.matches(rf"\n{PROMPT}\s*\Z")

    def matches(self, pattern):
        until = time.monotonic() + PATIENCE
        while not re.search(pattern, new := self.screen[self.seen :]):
            ready, _, _ = select.select([self.master], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                pytest.fail(f"{pattern!r} was not shown, but:\n{new}")
            try:
                self.raw += os.read(self.master, 65_536).decode("utf-8", "replace")
            except OSError:
                pytest.fail(f"it ended before {pattern!r} was shown:\n{new}")
        return new

    def leave(self, keys):
        self.types(keys)
        with contextlib.suppress(OSError):
            while os.read(self.master, 65_536):
                pass
        return self.process.wait(timeout=PATIENCE)

    def end(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """One for all: most of the time of these tests is the start of processes."""
    started = Serving(tmp_path_factory.mktemp("service"), "--warp")
    yield started
    started.end()


@pytest.fixture
def at_terminal(service, tmp_path):
    opened = []

    def start(**environment):
        words = ("console", "--config", service.config)
        state = {"XDG_STATE_HOME": str(tmp_path / "state")}
        opened.append(Terminal(*words, **state, **environment))
        return opened[-1]

    yield start
    for one in opened:
        one.end()


LINES = [{"product_id": "cup", "name": "Cup", "price": 10}]
ORDER = {"order_id": "o1", "total": 10, "currency": "EUR", "products": LINES}


def test_an_operator_finds_out_why_a_customer_got_no_review_mail(service, at_terminal, tmp_path):
    keys = made_keys(service)
    tells(
        service.port, keys["secret"],
        {"type": "identify", "traits": {"email": "lou@example.com", "locale": "en"}},
        track("Order Completed", **ORDER), track("Order Paid", **ORDER),
        track("Order Fulfilled", order_id="o1", fulfillment_id="p1"),
        user="c-lou-7",
    )  # fmt: skip
    session = at_terminal(ECRM_OPERATOR_KEY="")
    session.shows("operator key: ")
    session.types(keys["operator"] + ENTER)
    assert keys["operator"] not in session.shows(PROMPT)

    # Five days on, she has the parcel back with the shop; five weeks on, she complains.
    session.asks("clock advance 5d")
    assert "Do it? [y/N]" in session_confirms(session, REFUND, "n")
    assert "nothing was done" in session.screen[session.seen :]
    assert "taken" in session_confirms(session, REFUND, "y")
    session.asks("clock advance 40d")

    # Who is it? Her address is completed to her id.
    assert "c-lou-7" in session.asks("customers lou@")
    session.types("inspect lou@" + TAB)
    session.shows("c-lou-7")
    session.types(ENTER)
    assert "lou@example.com" in session.answered()

    # Nothing waits; the journal says what was decided of the review mail.
    assert "timers" in session.asks("timers c-lou-7")
    journal = session.asks("journal c-lou-7")
    assert "review" in journal
    assert "Order Refunded" in journal

    session.types("why-not c-lou-7 rev" + TAB)
    session.shows("iew")
    session.types(ENTER)
    reason = session.answered()
    assert "k18" in reason
    assert "refunded" in reason.casefold()

    # A slip of the finger costs nothing.
    assert "did you mean journal?" in session.asks("jurnal c-lou-7")
    assert "nobody has told anything of lou" in session.asks("inspect lou")

    # What did go, and why; the mail is completed from the queue.
    queue = session.asks("queue accepted c-lou-7")
    mail = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", queue)[0]
    session.types(f"why {mail[:30]}" + TAB)
    session.shows(mail[-6:])
    session.types(ENTER)
    assert "story" in session.answered()

    # What happens while one looks; Ctrl-C ends that and nothing else.
    session.types("tail customer c-lou-7" + ENTER)
    session.shows("0 turns")
    tells(service.port, keys["secret"], track("Product Viewed", product_id="cup"), user="c-lou-7")
    session.shows("Product Viewed")
    session.types(CTRL_C)
    assert "ended: 1 turns, 1 asked for" in session.answered()
    session.types("watch status" + ENTER)
    session.shows("per second")
    session.types(CTRL_C)
    session.answered()

    assert "c-lou-7: Order Refunded" in session.asks("operations")
    assert session.leave("quit" + ENTER) == 0
    history = tmp_path / "state" / "ecrm" / "history"
    assert "inspect c-lou-7" in history.read_text()
    assert keys["operator"] not in history.read_text()


REFUND = """send c-lou-7 "Order Refunded" '{"order_id": "o1"}'"""


def session_confirms(session, line, reply):
    session.types(line + ENTER)
    session.shows("Do it? [y/N]")
    session.types(reply + ENTER)
    shown = session.answered()
    return f"Do it? [y/N] {shown}"


def test_a_script_says_yes_or_nothing_is_done(service):
    key = made_keys(service)["operator"]
    status, out, said = service.console(key, "pause all")
    assert (status, out) == (1, "")
    (line,) = said
    assert line.startswith("ecrm: no mail leaves any more")
    assert line.endswith("until resume all: say --yes if that is meant")
    status, out, _ = service.console(key, "pause all a try --yes", "--json")
    assert (status, len(msgspec.json.decode(out)["paused"])) == (0, 1)


def test_a_lost_connection_is_said_and_made_again(service, at_terminal, tmp_path):
    keys = made_keys(service)
    session = at_terminal(ECRM_OPERATOR_KEY=keys["operator"])
    session.shows(PROMPT)
    service.process.send_signal(signal.SIGTERM)
    service.process.wait(timeout=PATIENCE)
    said = session.asks("status")
    assert "the connection was lost" in said
    assert "run.py serve" in " ".join(said.split())
    service.process.stdout.close()
    service.log.close()
    again = command("serve", "--config", service.config, "--data", service.data)
    service.log = (tmp_path / "log").open("ab")
    service.process = subprocess.Popen(
        again, stdout=subprocess.PIPE, stderr=service.log, text=True, cwd=ROOT
    )
    assert "ecrm is ready" in service.process.stdout.readline()
    assert "customers" in session.asks("status")
    assert session.leave(CTRL_D) == 0
