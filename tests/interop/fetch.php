<?php
// fetch.php HOST PORT MODE CA USER PASSWORD FOLDER DELETE: writes each message of the maildrop to FOLDER/<its number>, and
// deletes it where DELETE is 1. Trust is in the environment: the library looks at OpenSSL's own variables.
[, $host, $port, $mode, $ca, $user, $password, $folder, $delete] = $argv;
putenv("SSL_CERT_FILE=$ca");
$flags = ['plain' => '/notls', 'stls' => '/tls', 'implicit' => '/ssl'][$mode];
$pop = imap_open('{' . "$host:$port/pop3$flags" . '}INBOX', $user, $password);
if (!$pop) {
    fwrite(STDERR, implode("\n", imap_errors()));
    exit(1);
}
for ($number = 1; $number <= imap_num_msg($pop); $number++) {
    file_put_contents("$folder/$number", imap_fetchheader($pop, $number) . imap_body($pop, $number));
    if ($delete) {
        imap_delete($pop, (string) $number);
    }
}
imap_close($pop, $delete ? CL_EXPUNGE : 0);
