# What Perl programs do to a mailbox, with Mail::IMAPClient (Debian: libmail-imapclient-perl), as imapsync does.
# usage: perl imapclient.pl HOST PORT TLSPORT USER PASSWORD
use strict;
use warnings;
use Mail::IMAPClient;

my ($host, $port, $tls, $user, $password) = @ARGV;
my $m = Mail::IMAPClient->new(
    Server => $host, Port => $port, User => $user, Password => $password, Uid => 1, Timeout => 60,
) or die "login: $@";

sub ok { my ($what, $value) = @_; die "$what: " . ($m->LastError // "no") . "\n" unless $value; return $value; }

ok('capability', $m->has_capability('UIDPLUS'));
ok('folders', scalar(grep { $_ eq 'INBOX' } $m->folders));
ok('select', $m->select('INBOX'));
my @uids = $m->messages;
ok('messages', @uids == 20);
my $flags = $m->fetch_hash('FLAGS', 'INTERNALDATE', 'RFC822.SIZE');
for my $uid (@uids) {
    my $text = $m->message_string($uid);
    ok("size of $uid", length($text) == $flags->{$uid}{'RFC822.SIZE'});
    ok("structure of $uid", $m->get_bodystructure($uid)) if eval { require Mail::IMAPClient::BodyStructure };
}
ok('set_flag', $m->set_flag('Flagged', $uids[0]));
ok('search', ($m->search('FLAGGED'))[0] == $uids[0]);
ok('create', $m->create('Perl'));
my $new = ok('append', $m->append_string('Perl', "Subject: from perl\r\n\r\nHello\r\n", '\\Seen'));
ok('copy', $m->copy('Perl', $uids[1]));
ok('move', $m->move('Perl', $uids[2]));
ok('expunge', $m->expunge);
ok('count', $m->message_count('Perl') == 3);
ok('inbox', $m->message_count('INBOX') == 19);
ok('idle', my $tag = $m->idle);
ok('done', $m->done($tag));
ok('delete', $m->delete('Perl'));
$m->logout;
print "all well\n";
