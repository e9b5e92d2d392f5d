# login.pl HOST PORT CA MECHANISM USER CERTIFICATE: logs in by the mechanism, and prints the first message. The password
# is in the environment, as SECRET. CERTIFICATE, with its key, may be empty.
use strict;
use warnings;
use Authen::SASL qw(Perl);
use Net::POP3;

my ($host, $port, $ca, $mechanism, $user, $certificate) = @ARGV;
my $password = $ENV{SECRET};
my %own = $certificate ? (SSL_cert_file => $certificate, SSL_key_file => $certificate) : ();
my $pop = Net::POP3->new($host, Port => $port, Timeout => 60, SSL => 1, SSL_ca_file => $ca, %own)
    or die "connecting: $@";
# authname is PLAIN's authorization identity, which may be the user's own name, and ANONYMOUS's trace.
my %callback = (user => $user, authname => $user, pass => $password);
my $sasl = Authen::SASL->new(mechanism => $mechanism, callback => \%callback);
my $in = $mechanism eq 'USER' ? $pop->login($user, $password)
    : $mechanism eq 'APOP'    ? $pop->apop($user, $password)
    :                           $pop->auth($sasl);
$in or die 'login: ' . $pop->message;
my $lines = $pop->get(1) or die 'RETR: ' . $pop->message;
binmode STDOUT;
print @$lines;
$pop->quit or die 'QUIT: ' . $pop->message;
