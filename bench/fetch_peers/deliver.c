/*
 * deliver.c - delivers the message on standard input into a Maildir, for fetchmail, which leaves that to others: as little
 * as makes it safe, and nothing is looked at, so that fetchmail is measured and this is not.
 *
 * Started as: deliver MAILDIR
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PIECE_SIZE = 256 * 1024, PATH_SIZE = 4096 };

static void must(int holds, const char *what) {
    if (!holds) {
        perror(what);
        exit(1);
    }
}

int main(int argc, char **argv) {
    static char piece[PIECE_SIZE], temporary[PATH_SIZE], final[PATH_SIZE];
    struct timespec now;
    must(argc == 2, "usage: deliver MAILDIR");
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(temporary, sizeof temporary, "%s/tmp/%lld.M%ldP%d.bench", argv[1], (long long)now.tv_sec, now.tv_nsec,
             getpid());
    snprintf(final, sizeof final, "%s/new/%lld.M%ldP%d.bench", argv[1], (long long)now.tv_sec, now.tv_nsec, getpid());
    int file = open(temporary, O_WRONLY | O_CREAT | O_EXCL, 0600);
    must(file >= 0, temporary);
    ssize_t got;
    while ((got = read(STDIN_FILENO, piece, sizeof piece)) > 0)
        must(write(file, piece, (size_t)got) == got, temporary);
    must(got == 0 && fsync(file) == 0 && close(file) == 0, temporary);
    must(rename(temporary, final) == 0, final);
    return 0;
}
