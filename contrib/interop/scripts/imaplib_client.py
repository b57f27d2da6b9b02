"""What Python programs do to a mailbox, with the standard library's imaplib.

usage: imaplib_client.py HOST PORT TLSPORT USER PASSWORD (TLSPORT 0: no TLS)
"""
import email
import imaplib
import ssl
import sys
import time

host, port, tls_port, user, password = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]


def ok(answer):
    status, data = answer
    assert status == "OK", answer
    return data


trusting = ssl.create_default_context()
trusting.check_hostname = False
trusting.verify_mode = ssl.CERT_NONE

if tls_port:
    with imaplib.IMAP4_SSL(host, tls_port, ssl_context=trusting) as m:
        ok(m.login(user, password))
    m = imaplib.IMAP4(host, port)
    ok(m.starttls(trusting))
    ok(m.login(user, password))
    m.logout()

m = imaplib.IMAP4(host, port)
try:
    m.login(user, "wrong")
    raise AssertionError("a wrong password logs in")
except imaplib.IMAP4.error:
    pass
m.login_cram_md5(user, password)
assert "IDLE" in m.capabilities, m.capabilities
count = int(ok(m.select("INBOX"))[0])
assert count == 20, count
numbers = ok(m.search(None, "ALL"))[0].split()
assert len(numbers) == 20, numbers
for number in numbers:
    data = ok(m.fetch(number, "(RFC822.SIZE BODY.PEEK[])"))
    head, text = data[0]
    size = int(head.split(b"RFC822.SIZE ")[1].split()[0])
    assert size == len(text), (size, len(text))
    assert email.message_from_bytes(text)["Message-ID"]
assert ok(m.search(None, "UNSEEN"))[0].split() == numbers
ok(m.store("1:3", "+FLAGS", r"(\Seen custom)"))
assert ok(m.search(None, "KEYWORD", "custom"))[0] == b"1 2 3"
ok(m.create('"A folder/inside"'))
ok(m.subscribe('"A folder/inside"'))
assert any(b"inside" in line for line in ok(m.lsub()) if line)
ok(m.copy("1:2", '"A folder/inside"'))
ok(m.append('"A folder/inside"', r"\Draft", imaplib.Time2Internaldate(time.time()), b"Subject: appended\r\n\r\nHello\r\n"))
assert b"MESSAGES 3" in ok(m.status('"A folder/inside"', "(MESSAGES UNSEEN)"))[0]
ok(m.store("1:2", "+FLAGS.SILENT", r"\Deleted"))
assert len(ok(m.expunge())) == 2
assert b"MESSAGES 18" in ok(m.status("INBOX", "(MESSAGES)"))[0]
ok(m.uid("SEARCH", "HEADER", "Message-ID", '""'))
ok(m.rename('"A folder/inside"', "Moved"))
ok(m.unsubscribe('"A folder/inside"'))
ok(m.select("Moved", readonly=True))
ok(m.close())
ok(m.delete("Moved"))
ok(m.namespace())
ok(m.noop())
m.logout()
print("all well")
