#!/usr/bin/env python3
"""workers.py USERS CONNECTIONS SECONDS: mail clients at work, for the tests that restart the daemon under them.

Each of user0, user1, ... (the password is secret) has so many connections to port 143. A connection selects INBOX,
then appends, marks, searches, fetches and waits in IDLE, one command as soon as the last is answered; where it finds
BYE before it sends one, it comes back at once. Standard output gets "ready", and at the end what was counted, as NAME=VALUE:

  commands   answered by OK
  comebacks  after a BYE, and slowest= the longest, in milliseconds from the BYE until INBOX was selected again
  refused    connections not taken, or not greeted by OK
  cut        commands sent that got no tagged answer (IDLE: nor BYE)
  bad        commands answered by NO or BAD
  lost       messages whose APPEND was answered by OK and that are not in INBOX exactly once at the end
"""
import collections
import select
import socket
import sys
import threading
import time

count = collections.Counter()
slowest = 0.0
guard = threading.Lock()


def note(what, *about):
    with guard:
        count[what] += 1
    if about:
        print(what, *about, file=sys.stderr, flush=True)


class Gone(Exception):
    """The connection has ended, with BYE or without."""


class Client:
    def __init__(self, user):
        self.user, self.serial, self.received = user, 0, b""
        try:
            self.socket = socket.create_connection(("127.0.0.1", 143), 30)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            greeting = self.line()
        except (OSError, Gone) as e:
            greeting = repr(e).encode()
        if not greeting.startswith(b"* OK"):
            note("refused", user, greeting)
            raise Gone
        self.do(f"LOGIN {user} secret")
        self.do("SELECT INBOX")

    def line(self):
        while b"\n" not in self.received:
            try:
                more = self.socket.recv(65536)
            except ConnectionError:
                more = b""
            if not more:
                raise Gone
            self.received += more
        line, self.received = self.received.split(b"\n", 1)
        return line

    def at_hand(self, wait=0):
        """Whether the server has said something that was not asked for."""
        return b"\n" in self.received or bool(select.select([self.socket], [], [], wait)[0])

    def listen(self):
        """Reads what is at hand."""
        while self.at_hand():
            if self.line().startswith(b"* BYE"):
                raise Gone

    def do(self, command, literal=None):
        """Runs a command and returns the untagged lines of its answer."""
        self.listen()
        self.serial += 1
        tag, lines = b"t%d " % self.serial, []
        try:
            self.socket.sendall(tag + command.encode() + b"\r\n")
            while not (line := self.line()).startswith(tag):
                lines.append(line)
                if literal and line.startswith(b"+"):
                    self.socket.sendall(literal + b"\r\n")
        except (Gone, OSError):
            note("cut", self.user, command, lines)
            raise Gone from None
        if line.startswith(tag + b"OK"):
            note("commands")
        else:
            note("bad", self.user, command, line)
        return lines

    def idle(self, seconds):
        """Waits in IDLE. BYE may come at any time in it."""
        self.listen()
        end, done, line = time.monotonic() + seconds, False, b""
        try:
            self.socket.sendall(b"i IDLE\r\n")
            while not line.startswith(b"i OK"):
                left = max(0, end - time.monotonic())
                if not done and not left:
                    self.socket.sendall(b"DONE\r\n")
                    done = True
                elif done or self.at_hand(left):
                    line = self.line()
                if line.startswith(b"* BYE"):
                    raise Gone
        except (Gone, OSError):
            if not line.startswith(b"* BYE"):
                note("cut", self.user, "IDLE", line)
            raise Gone from None
        note("commands")


def work(user, number, until):
    """A connection's life, and those that follow it."""
    global slowest
    sent, gone = 0, None
    while time.monotonic() < until:
        try:
            client = Client(user)
            if gone:
                note("comebacks")
                with guard:
                    slowest = max(slowest, time.monotonic() - gone)
            while time.monotonic() < until:
                sent += 1
                name = f"{user}-{number}-{sent}-{begun}"
                text = f"Subject: {name}\r\n\r\n".encode() + b"x" * 4000
                client.do(f"APPEND INBOX {{{len(text)}}}", text)
                appended[user].add(name)
                client.do("STORE 1 +FLAGS (\\Flagged)")
                client.do("UID SEARCH UNFLAGGED")
                client.do("UID FETCH *:1 (FLAGS ENVELOPE)")
                client.do("FETCH 1 BODY.PEEK[]")
                client.idle(0.2)
        except Gone:
            gone = time.monotonic()


def look(user):
    """Compares INBOX with what was appended."""
    text = b"\n".join(Client(user).do("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]"))
    there = collections.Counter(line.split()[-1].decode() for line in text.splitlines() if line.startswith(b"Subject:"))
    for name in appended[user]:
        if there[name] != 1:
            note("lost", name, there[name])


begun = time.time_ns()
users = [f"user{i}" for i in range(int(sys.argv[1]))]
appended = {u: set() for u in users}  # a set's add is atomic
for u in users:  # the first login checks a password: some time with many users
    Client(u).socket.close()
end = time.monotonic() + float(sys.argv[3])
print("ready", flush=True)
threads = [threading.Thread(target=work, args=(u, n, end)) for u in users for n in range(int(sys.argv[2]))]
for t in threads:
    t.start()
for t in threads:
    t.join()
for u in users:
    look(u)
for what in "commands", "comebacks", "refused", "cut", "bad", "lost":
    print(f"{what}={count[what]}")
print(f"slowest={slowest * 1000:.0f}")
