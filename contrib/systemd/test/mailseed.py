#!/usr/bin/env python3
"""mailseed.py FOLDER FLAGS: gives ann, on port 143, a subscribed FOLDER with one flagged message, and two messages in
INBOX, of which the first has FLAGS, all of one date: what another server is to find again."""
import imaplib
import sys

folder, flags = sys.argv[1:]
server = imaplib.IMAP4("127.0.0.1")
server.login("ann", "secret")
server.create(folder)
server.subscribe(folder)
for where, marks, subject in ("INBOX", f"({flags})", "first"), (folder, r"(\Flagged)", "plan"), ("INBOX", None, "second"):
    said = server.append(where, marks, '"01-Feb-2024 10:00:00 +0000"', f"Subject: {subject}\r\n\r\nhi\r\n".encode())
    assert said[0] == "OK", said
server.logout()
