/*
 * job.h - what the C clients share: the job as bench/run describes it, and the report that it reads back.
 *
 * A client is started as: client HOST PORT plain|tls CA_FILE SESSIONS. When it is ready it prints "go", runs that many
 * sessions one after the other, and prints one line of JSON. The wall clock between the two lines is bench/run's.
 */
#ifndef BENCH_JOB_H
#define BENCH_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BENCH_USER "bench"
#define BENCH_PASSWORD "bench"

typedef struct bench_job {
    const char *host;
    const char *port;
    bool tls;
    const char *ca_file;
    unsigned sessions;
    uint64_t messages; /* received so far, in all sessions */
    uint64_t octets;   /* their content, unstuffed */
    double cpu_at_start;
} bench_job;

static inline _Noreturn void bench_die(const char *what) {
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static inline double bench_cpu(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline bench_job bench_begin(int argc, char **argv) {
    if (argc != 6)
        bench_die("usage: client HOST PORT plain|tls CA_FILE SESSIONS");
    bench_job job = {.host = argv[1], .port = argv[2], .tls = strcmp(argv[3], "tls") == 0, .ca_file = argv[4]};
    job.sessions = (unsigned)strtoul(argv[5], NULL, 10);
    puts("go");
    fflush(stdout);
    job.cpu_at_start = bench_cpu();
    return job;
}

static inline void bench_end(const bench_job *job) {
    printf("{\"messages\": %llu, \"octets\": %llu, \"cpu\": %.6f}\n", (unsigned long long)job->messages,
           (unsigned long long)job->octets, bench_cpu() - job->cpu_at_start);
}

#endif
