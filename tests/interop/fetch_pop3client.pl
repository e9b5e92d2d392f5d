# fetch_pop3client.pl HOST PORT MODE CA USER PASSWORD FOLDER DELETE: writes each message of the maildrop to FOLDER/<its number>,
# and deletes it where DELETE is 1.
use strict;
use warnings;
use IO::Socket::SSL;
use Mail::POP3Client;

my ($host, $port, $mode, $ca, $user, $password, $folder, $delete) = @ARGV;
my $pop = Mail::POP3Client->new(HOST => $host, PORT => $port, TIMEOUT => 60);
if ($mode eq 'implicit') {
    $pop->Socket(IO::Socket::SSL->new(PeerAddr => $host, PeerPort => $port, SSL_ca_file => $ca) or die $SSL_ERROR);
}
$pop->User($user);
$pop->Pass($password);
$pop->Connect or die 'connecting: ' . $pop->Message;
for my $number (1 .. $pop->Count) {
    open my $file, '>:raw', "$folder/$number" or die "$folder/$number: $!";
    $pop->RetrieveToFile($file, $number) or die "RETR $number: " . $pop->Message;
    close $file or die "$folder/$number: $!";
    $pop->Delete($number) or die "DELE $number: " . $pop->Message if $delete;
}
$pop->Close or die 'QUIT: ' . $pop->Message;
