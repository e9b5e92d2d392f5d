# fetch.pl HOST PORT MODE CA USER PASSWORD FOLDER DELETE: writes each message of the maildrop to FOLDER/<its number>,
# and deletes it where DELETE is 1.
use strict;
use warnings;
use Net::POP3;

my ($host, $port, $mode, $ca, $user, $password, $folder, $delete) = @ARGV;
my %tls = (SSL_ca_file => $ca);
my $pop = Net::POP3->new($host, Port => $port, Timeout => 60, $mode eq 'implicit' ? (SSL => 1, %tls) : ())
    or die "connecting: $@";
if ($mode eq 'stls') {
    $pop->starttls(%tls) or die 'STLS: ' . $pop->message;
}
my $count = $pop->login($user, $password);
defined $count or die 'login: ' . $pop->message;
for my $number (1 .. $count) {
    my $lines = $pop->get($number) or die "RETR $number: " . $pop->message;
    open my $file, '>:raw', "$folder/$number" or die "$folder/$number: $!";
    print $file @$lines;
    close $file or die "$folder/$number: $!";
    $pop->delete($number) or die "DELE $number: " . $pop->message if $delete;
}
$pop->quit or die 'QUIT: ' . $pop->message;
