/*
 * embedding.c - a program that embeds CPython, and opens and closes it again and again around a script.
 *
 *     embedding main|sub ROUNDS SCRIPT
 *
 * With "sub" the interpreter stays, and it is a subinterpreter that is opened and closed. Prints how many threads and
 * open descriptors there are more after the last round than after the first, and how many octets of memory the rounds of
 * the second half have cost, each.
 */
#include <Python.h>

#include <dirent.h>
#include <malloc.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATIENCE = 20 };

static void fail(const char *why) {
    (void)fprintf(stderr, "embedding: %s\n", why);
    exit(1);
}

/* How many entries a folder has; one of them is the look at /proc/self/fd itself, each time. */
static int entries(const char *path) {
    int count = 0;
    DIR *folder = opendir(path);
    if (folder == NULL)
        fail(path);
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count;
}

/* A thread that was joined may still be seen for a moment. */
static int threads_after(int wanted) {
    time_t until = time(NULL) + PATIENCE;
    int count;
    while ((count = entries("/proc/self/task")) > wanted && time(NULL) < until)
        (void)sched_yield();
    return count;
}

static void whole_interpreter(const char *script) {
    Py_Initialize();
    if (PyRun_SimpleString(script) != 0)
        fail("the script failed");
    if (Py_FinalizeEx() != 0)
        fail("the interpreter could not be closed");
}

static void subinterpreter(const char *script) {
    PyThreadState *before = PyThreadState_Get();
    PyThreadState *made = Py_NewInterpreter();
    if (made == NULL || PyRun_SimpleString(script) != 0)
        fail("the script failed");
    Py_EndInterpreter(made);
    (void)PyThreadState_Swap(before);
}

int main(int count, char **arguments) {
    if (count != 4)
        fail("usage: embedding main|sub ROUNDS SCRIPT");
    bool sub = strcmp(arguments[1], "sub") == 0;
    int rounds = atoi(arguments[2]);
    int threads = 0;
    int descriptors = 0;
    size_t memory = 0;
    if (sub)
        Py_Initialize();
    for (int round = 1; round <= rounds; round++) {
        (sub ? subinterpreter : whole_interpreter)(arguments[3]);
        if (round == 1) {
            threads = threads_after(3); /* "." and ".." count too */
            descriptors = entries("/proc/self/fd");
        }
        if (round == rounds / 2)
            memory = mallinfo2().uordblks;
    }
    long grown = (long)(mallinfo2().uordblks - memory) / (rounds - rounds / 2);
    printf("%d %d %ld\n", threads_after(threads) - 3, entries("/proc/self/fd") - descriptors, grown);
    if (sub && Py_FinalizeEx() != 0)
        fail("the interpreter could not be closed");
    return 0;
}
