"""The command line, as a person and a process manager meet it: real processes, real signals."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from email import message_from_bytes
from pathlib import Path

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

import run
from actors.store.opening import APPLICATION_ID

ROOT = Path(__file__).parents[1]
PATIENCE = 90
KEYS = ("publishable", "secret", "operator", "identity")


def command(*words):
    return [sys.executable, str(ROOT / "run.py"), *map(str, words)]


def ran(*words):
    """Run a command to its end: exit status, stdout, lines of stderr."""
    done = subprocess.run(
        command(*words), capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=ROOT
    )
    return done.returncode, done.stdout, done.stderr.splitlines()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Serving:
    """A service in a process of its own, on a data folder and a port."""

    def __init__(self, folder, *options):
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.config = folder / "ecrm.toml"
        self.config.write_text(f"[gateway]\nport = {self.port}\n[web]\nport = 0\n")
        self.log = (folder / "log").open("ab")
        self.process = subprocess.Popen(
            command("serve", "--config", self.config, "--data", self.data, *options),
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            cwd=ROOT,
        )
        self.said = [self.process.stdout.readline()]
        if "ecrm is ready" not in self.said[0]:
            self.end()
            pytest.fail((folder / "log").read_text())

    def console(self, key, asked, *options):
        return ran("console", "--config", self.config, "--key", key, "-c", asked, *options)

    def asks(self, key, asked):
        status, out, said = self.console(key, asked, "--json")
        assert (status, said) == (0, [])
        return msgspec.json.decode(out)

    def stop(self):
        """What the process has said, its exit status, and the seconds it took to stop."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=PATIENCE)
        took = time.monotonic() - began
        self.said += self.process.stdout.readlines()
        self.end()
        return "".join(self.said), status, took

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


@pytest.fixture
def serving(tmp_path):
    started = []

    def start(*options):
        started.append(Serving(tmp_path, *options))
        return started[-1]

    yield start
    for one in started:
        one.end()


def shown_keys(said):
    return dict(re.findall(rf"({'|'.join(KEYS)}) +(\S+)", said))


def made_keys(process):
    """The keys as the first start prints them, each on a line."""
    while len(shown_keys("".join(process.said))) < len(KEYS):
        process.said.append(process.process.stdout.readline())
    return shown_keys("".join(process.said))


def tells(port, key, *messages, user="zoe"):
    """A shop's back end, hand-written after the wire."""
    with connect(f"ws://127.0.0.1:{port}/v1/events", compression=None) as websocket:
        websocket.send(msgspec.json.encode({"type": "hello", "key": key}).decode())
        assert '"welcome"' in websocket.recv(timeout=PATIENCE)
        for message in messages:
            told = {"userId": user, "messageId": f"{user}-{time.monotonic_ns()}", **message}
            websocket.send(msgspec.json.encode(told).decode())
            assert '"ack"' in websocket.recv(timeout=PATIENCE)


def track(event, **properties):
    return {"type": "track", "event": event, "properties": properties}


# A service and its life.


def test_a_service_lives_is_asked_and_stops_cleanly(serving, tmp_path):
    first = serving()
    keys = made_keys(first)
    assert list(keys) == list(KEYS)
    status = first.asks(keys["operator"], "status")
    assert (status["customers"], status["warp"]) == (0, False)

    # A second process on the same database is one line that says what to do.
    other = tmp_path / "other.toml"
    other.write_text("[gateway]\nport = 0\n")
    code, out, said = ran("serve", "--config", other, "--data", first.data)
    assert (code, out) == (1, "")
    assert said == [
        f"ecrm: {first.data / 'ecrm.db'} is in use by a service: ask that with run.py console -c, stop it, or use another --data"
    ]

    # So is a wrong key.
    code, out, said = first.console(keys["secret"], "status")
    assert (code, out, len(said)) == (1, "", 1)
    assert "ECRM_OPERATOR_KEY" in said[0]

    # And time that cannot be pushed.
    code, _, said = first.console(keys["operator"], "clock advance 3h")
    assert (code, len(said)) == (1, 1)
    assert "serve --warp" in said[0]

    with connect(f"ws://127.0.0.1:{first.port}/v1/events", compression=None) as websocket:
        websocket.send(msgspec.json.encode({"type": "hello", "key": keys["secret"]}).decode())
        websocket.recv(timeout=PATIENCE)
        _, exit_status, took = first.stop()
        assert '"goodbye"' in websocket.recv(timeout=PATIENCE)
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(timeout=PATIENCE)
        assert closed.value.rcvd.code == 1001
    assert exit_status == 0
    # Long before the grace of a stop is over.
    assert took < 15
    assert sorted(path.name for path in first.data.iterdir()) == ["ecrm.db", "mail"]

    # Only hashes of what must stay secret are kept, and the next start shows no keys.
    stored = (first.data / "ecrm.db").read_bytes()
    assert keys["publishable"].encode() in stored
    assert keys["secret"].encode() not in stored
    assert keys["operator"].encode() not in stored
    second = serving()
    assert second.asks(keys["operator"], "status")["customers"] == 0
    said, exit_status, _ = second.stop()
    assert exit_status == 0
    assert shown_keys(said) == {}
    assert "The keys are those that the first start on this database has shown." in said


def test_a_cart_that_is_left_is_reminded_once_and_not_after_an_order(serving):
    """The main job, by hand: two carts, one order, three hours."""
    running = serving("--warp")
    keys = made_keys(running)
    for user in ("zoe", "ana"):
        tells(
            running.port,
            keys["secret"],
            {"type": "identify", "traits": {"email": f"{user}@customers.example"}},
            track("Consent Updated", purpose="email_marketing", state="granted"),
            track("Product Added", product_id="cup", price=18, currency="EUR"),
            user=user,
        )
    order = {"order_id": "o1", "total": 18, "currency": "EUR"}
    tells(running.port, keys["secret"], track("Order Paid", **order), user="ana")
    running.asks(keys["operator"], "clock advance 3h")
    letters = [
        message_from_bytes(file.read_bytes()) for file in (running.data / "mail/new").iterdir()
    ]
    sent = sorted((letter["X-Ecrm-Customer"], letter["X-Ecrm-Kind"]) for letter in letters)
    assert sent == [("ana", "k11"), ("zoe", "k07")]
    status, told, _ = running.console(keys["operator"], "inspect ana")
    assert status == 0
    plain = re.sub(r"[\s│]+", " ", told)
    assert "left cart: stop_condition" in plain
    assert "k07 reminder will not be sent" in plain
    assert running.stop()[1] == 0


# What is wrong is one line.


def test_check_finds_all_in_order():
    """It reads every template of ours in every language: nothing else proves that each is clean."""
    status, out, said = ran("check", "--config", ROOT / "ecrm.toml")
    assert (status, said) == (0, [])
    assert "in order" in out
    assert "cart" in out


def test_check_says_in_one_line_what_is_wrong(tmp_path):
    config = tmp_path / "ecrm.toml"
    config.write_text("[pressure]\nquiet = '9 to 5'\n")
    status, out, said = ran("check", "--config", config)
    assert (status, out) == (1, "")
    assert said == ["ecrm: pressure.quiet: '9 to 5' are no quiet hours: write 21:00-08:00"]


def test_a_console_without_a_service_says_so_in_one_line(tmp_path):
    config = tmp_path / "ecrm.toml"
    config.write_text(f"[gateway]\nport = {free_port()}\n")
    status, out, said = ran("console", "--config", config, "--key", "ok", "-c", "status")
    assert (status, out, len(said)) == (1, "", 1)
    assert said[0].startswith("ecrm: no service answers at ws://127.0.0.1:")
    assert "run.py serve" in said[0]


# The rest needs no process of its own.


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("sing",),
        ("serve", "--wrap"),
        ("console",),
        ("console", "-c", "sing", "--key", "ok"),
        ("console", "-c", "queue a b c", "--key", "ok"),
        ("replay",),
    ],
)
def test_wrong_usage_is_2_and_says_what_can_be_used(main, words):
    status, out, said = main(*words)
    assert (status, out) == (2, "")
    assert said
    known = ("usage:", "`help` lists the commands", "type queue [STATE]", "asks with -c COMMAND")
    assert any(hint in "\n".join(said) for hint in known)


@pytest.mark.parametrize("word", run.COMMANDS)
def test_every_command_says_what_it_takes(main, word):
    status, out, said = main(word, "--help")
    assert (status, said) == (0, [])
    assert out.startswith(f"usage: run.py {word} ")


def test_help_names_every_command_and_waits_for_none_of_them():
    asked = "import run, sys\ntry: run.main()\nfinally: print(*sys.modules, sep='\\n')"
    words = [sys.executable, "-c", asked, "--help"]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=ROOT
    )
    says, read = done.stdout.split("show this help message and exit\n")
    assert all(f"    {word} " in says for word in run.COMMANDS)
    assert not {"actors", "ecrm", "trio", "msgspec"} & set(read.split())


def test_a_console_without_a_key_says_where_one_comes_from(main):
    status, out, said = main("console", "-c", "status")
    assert (status, out, len(said)) == (1, "", 1)
    assert "ECRM_OPERATOR_KEY" in said[0]


def test_a_database_of_a_newer_release_is_one_line(main, tmp_path):
    with sqlite3.connect(tmp_path / "ecrm.db") as db:
        db.executescript(
            f"CREATE TABLE future (x); PRAGMA application_id = {APPLICATION_ID};"
            "PRAGMA user_version = 99;"
        )
    db.close()
    status, out, said = main("serve", "--data", tmp_path)
    assert (status, out, len(said)) == (1, "", 1)
    assert "has schema 99 and this release knows" in said[0]
    assert "upgrade ecrm, or use another --data" in said[0]


def test_a_file_that_is_no_database_is_one_line(main, tmp_path):
    (tmp_path / "ecrm.db").write_bytes(b"a letter to grandmother " * 100)
    status, out, said = main("serve", "--data", tmp_path)
    assert (status, out, len(said)) == (1, "", 1)
    assert "is not a database: move it away, or use another --data" in said[0]


def test_a_data_folder_that_cannot_be_is_one_line(main, tmp_path):
    (tmp_path / "file").touch()
    status, out, said = main("serve", "--data", tmp_path / "file" / "data")
    assert (status, out, len(said)) == (1, "", 1)
    assert "name another with --data" in said[0]


def test_a_port_that_is_taken_is_one_line(main, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = tmp_path / "ecrm.toml"
        config.write_text(f"[gateway]\nport = {port}\n")
        status, out, said = main("serve", "--config", config, "--data", tmp_path)
    assert (status, out, len(said)) == (1, "", 1)
    assert said[0].startswith(f"ecrm: cannot listen on 127.0.0.1:{port}")
    assert "gateway.port" in said[0]


def test_a_replay_of_what_is_no_file_of_invoices_is_one_line(main, tmp_path):
    empty = tmp_path / "empty.csv"
    empty.write_text(
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
    )
    for file, said_of in (
        (tmp_path / "missing.csv", "cannot read"),
        (ROOT / "README.md", "lacks the columns"),
        (empty, "holds no invoice"),
    ):
        status, out, said = main("replay", file)
        assert (status, out, len(said)) == (1, "", 1)
        assert said_of in said[0]


def test_a_replay_into_a_folder_that_is_used_already_is_one_line(main, tmp_path):
    (tmp_path / "ecrm.db").touch()
    file = ROOT / "tests/data/online-retail-2010-12.csv.gz"
    status, out, said = main("replay", file, "--data", tmp_path)
    assert (status, out, len(said)) == (1, "", 1)
    assert "a replay wants a fresh --data" in said[0]


BOUNCE = b"Subject: failed\r\n\r\nno such user\r\n"


@pytest.fixture
def config(tmp_path):
    config = tmp_path / "ecrm.toml"
    config.write_text('[mail]\nreturn_path_domain = "bounces.shop.example"\n')
    return config


@pytest.fixture
def piped(tmp_path, config):
    """`bounce` fed with a message, in a process as a mail server starts it: status and stderr."""

    def piped(*words, **variables):
        done = subprocess.run(
            command("bounce", "--config", config, "--data", tmp_path / "data", *words),
            input=BOUNCE, capture_output=True, timeout=PATIENCE, check=False,
            env={"PATH": "/usr/bin", **variables},
        )  # fmt: skip
        return done.returncode, done.stderr.decode().splitlines()

    return piped


@pytest.fixture
def bounced(main, monkeypatch, tmp_path, config):
    """The same without a process of its own."""

    def bounced(*words, raw=BOUNCE, **variables):
        with monkeypatch.context() as around:
            around.setattr(os, "environ", {"PATH": "/usr/bin", **variables})
            around.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
            words = ("--config", config, "--data", tmp_path / "data", *words)
            status, _, said = main("bounce", *words)
        return status, said

    return bounced


def test_a_piped_bounce_is_kept_while_no_service_runs(piped, bounced, tmp_path):
    path = "b+token@bounces.shop.example"
    assert bounced("--to", path) == (0, [])
    assert piped(RECIPIENT="r@x", ORIGINAL_RECIPIENT=path) == (0, [])
    assert bounced(RECIPIENT=path) == (0, [])
    assert bounced() == (0, [])
    new = tmp_path / "data" / "returns" / "new"
    kept = [one.read_bytes() for one in sorted(new.iterdir())]
    assert kept == [path.encode() + b"\n" + BOUNCE] * 3 + [b"\n" + BOUNCE]


def test_a_bounce_that_cannot_be_kept_is_to_be_tried_again(piped, bounced, tmp_path):
    (tmp_path / "data").write_bytes(b"a file in the way")
    status, [said] = piped()
    assert (status, said.startswith("ecrm: bounce: cannot write to")) == (75, True)
    status, [said] = bounced(raw=b"")
    assert (status, "no message on stdin" in said) == (75, True)
    (tmp_path / "ecrm.toml").write_text("")
    status, [said] = bounced()
    assert (status, "mail.return_path_domain" in said) == (75, True)
    (tmp_path / "ecrm.toml").write_text("[mail\n")
    status, [said] = bounced()
    assert (status, "not valid TOML" in said) == (75, True)
