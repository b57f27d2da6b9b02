#!/usr/bin/env python3
"""mailstate.py USER PASSWORD: what a client of the server on port 143 knows of all folders, a line each for
the folder and its messages: what must be the same after another server has taken over. Names are told with "/"."""
import imaplib
import re
import sys

server = imaplib.IMAP4("127.0.0.1")
server.login(sys.argv[1], sys.argv[2])


def names(lines):
    for line in lines:
        if match := re.match(rb'\(([^)]*)\) "(.)" "?([^"]*)"?$', line or b""):
            if b"\\noselect" not in match[1].lower() and b"\\nonexistent" not in match[1].lower():
                yield match[3].decode(), match[2].decode()


def plain(name, separator):
    name = name.replace(separator, "/")
    return re.sub(r"^INBOX/(?=.)", "", name)  # Courier has all folders below INBOX


out = []
for name, separator in names(server.list()[1]):
    folder = plain(name, separator)
    server.select(f'"{name}"', readonly=True)
    out.append(f"{folder} UIDVALIDITY {server.response('UIDVALIDITY')[1][0].decode()}")
    for item in server.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1] or []:
        if isinstance(item, tuple):
            uid = re.search(rb"UID (\d+)", item[0])[1].decode()
            flags = sorted(f for f in re.search(rb"FLAGS \(([^)]*)\)", item[0])[1].decode().split() if f != r"\Recent")
            date = re.search(rb'INTERNALDATE "([^"]*)"', item[0])[1].decode()
            out.append(f"{folder} {uid} {' '.join(flags)} {date} {item[1].strip().decode()}")
for name, separator in names(server.lsub()[1]):
    out.append(f"subscribed {plain(name, separator)}")
server.logout()
print("\n".join(sorted(out)))
