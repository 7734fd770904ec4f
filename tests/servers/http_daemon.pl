# Perl's HTTP::Daemon, as its manual shows it: GET /small and /big (8 MiB), one client after the other.
use strict;
use warnings;
use HTTP::Daemon;
use HTTP::Response;

my $big = 'b' x (8 << 20);
$SIG{TERM} = sub { exit 0 };
$| = 1;

my $daemon = HTTP::Daemon->new(LocalAddr => '127.0.0.1', Listen => 128) or die $@;
print 'listening on ', $daemon->sockport, "\n";
while (1) {
    my $client = $daemon->accept or next;
    while (my $request = $client->get_request) {
        my $body = $request->uri->path eq '/big' ? $big : 'small';
        $client->send_response(HTTP::Response->new(200, 'OK', ['Content-Length' => length $body], $body));
        last;
    }
    $client->close;
}
