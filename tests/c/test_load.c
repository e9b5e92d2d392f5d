/*
 * test_load.c - maildrops in memory filled from what lies on the disk: a file, an mbox, a Maildir, a folder; and that a
 * failure leaves them as they were.
 */
#include <fcntl.h>
#include <poplin/memory.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

#define ALICE SLICE("alice")

struct fixture {
    poplin_memory *memory;
    char folder[32]; /* of the test's own, removed with all that is in it */
    poplin_error error;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_int_equal(poplin_memory_new(&fixture->memory), POPLIN_OK);
    assert_int_equal(poplin_memory_add_user(fixture->memory, ALICE, SLICE("secret")), POPLIN_OK);
    strcpy(fixture->folder, "/tmp/poplin-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", fixture->folder);
    assert_int_equal(system(command), 0);
    poplin_memory_free(fixture->memory);
    free(fixture);
    return 0;
}

/* The path of name in the test's folder; lives until the call after the next. */
static const char *path_of(const struct fixture *fixture, const char *name) {
    static char paths[2][512];
    static int turn;
    turn = 1 - turn;
    snprintf(paths[turn], sizeof paths[turn], "%s%s%s", fixture->folder, name[0] == '\0' ? "" : "/", name);
    return paths[turn];
}

static void write_slice(const struct fixture *fixture, const char *name, poplin_slice text) {
    int descriptor = open(path_of(fixture, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, text.data, text.size), (ssize_t)text.size);
    close(descriptor);
}

static void write_text(const struct fixture *fixture, const char *name, const char *text) {
    write_slice(fixture, name, (poplin_slice){text, strlen(text)});
}

static void make_folder(const struct fixture *fixture, const char *name) {
    assert_int_equal(mkdir(path_of(fixture, name), 0700), 0);
}

static int load(struct fixture *fixture, const char *name, poplin_memory_list **delivered) {
    return poplin_memory_load(fixture->memory, ALICE, path_of(fixture, name), delivered, &fixture->error);
}

/* Loads name, which adds these messages and no others, each a string; ended by NULL. What is given back is them. */
static void expect_loaded(struct fixture *fixture, const char *name, const char *const *messages) {
    size_t before = poplin_memory_count(fixture->memory, ALICE), expected = 0;
    poplin_memory_list *delivered, *list;
    if (load(fixture, name, &delivered) != POPLIN_OK)
        fail_msg("%s: %s", name, fixture->error.reason);
    while (messages[expected] != NULL)
        expected++;
    assert_int_equal(poplin_memory_list_count(delivered), expected);
    assert_int_equal(poplin_memory_list_new(fixture->memory, ALICE, &list), POPLIN_OK);
    assert_int_equal(poplin_memory_list_count(list), before + expected);
    for (size_t i = 0; i < expected; i++) {
        poplin_memory_message message = poplin_memory_list_get(delivered, i);
        poplin_slice data = message.data;
        if (data.size != strlen(messages[i]) || memcmp(data.data, messages[i], data.size) != 0)
            fail_msg("message %zu is \"%.*s\", not \"%s\"", i, (int)data.size, data.data, messages[i]);
        assert_string_equal(message.unique_id, poplin_memory_list_get(list, before + i).unique_id);
    }
    poplin_memory_list_free(delivered);
    poplin_memory_list_free(list);
}

#define EXPECT_LOADED(fixture, name, ...) expect_loaded(fixture, name, (const char *const[]){__VA_ARGS__, NULL})

/* It fails so, says why, and delivers nothing. */
static void expect_failure(struct fixture *fixture, const char *name, int status, const char *reason) {
    size_t before = poplin_memory_count(fixture->memory, ALICE);
    poplin_memory_list *delivered = NULL;
    assert_int_equal(load(fixture, name, &delivered), status);
    assert_int_equal(fixture->error.status, status);
    assert_string_equal(fixture->error.doing, "loading mail");
    if (strstr(fixture->error.reason, reason) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", fixture->error.reason, reason);
    assert_int_equal(poplin_memory_load(fixture->memory, ALICE, path_of(fixture, name), NULL, NULL), status);
    assert_null(delivered);
    assert_int_equal(poplin_memory_count(fixture->memory, ALICE), before);
}

/* ---- files ---- */

static void a_file_is_one_message(void **state) {
    struct fixture *fixture = *state;
    static const char TEXT[] = "Subject: hi\r\n\r\nhello\n\n>From me\nFrom you\n";
    write_text(fixture, "mail.eml", TEXT);
    EXPECT_LOADED(fixture, "mail.eml", TEXT);
    write_text(fixture, "empty", "");
    EXPECT_LOADED(fixture, "empty", "");
    write_text(fixture, "short", "From");
    EXPECT_LOADED(fixture, "short", "From");
}

static void a_file_may_hold_any_octet_and_be_longer_than_a_read(void **state) {
    struct fixture *fixture = *state;
    enum { SIZE = 100000 };
    char *octets = malloc(SIZE);
    uint64_t seed = 1;
    for (size_t i = 0; i < SIZE; i++)
        octets[i] = (char)random_below(&seed, 256);
    write_slice(fixture, "octets", (poplin_slice){octets, SIZE});
    assert_int_equal(load(fixture, "octets", NULL), POPLIN_OK);
    poplin_memory_list *list;
    assert_int_equal(poplin_memory_list_new(fixture->memory, ALICE, &list), POPLIN_OK);
    poplin_slice data = poplin_memory_list_get(list, 0).data;
    assert_int_equal(data.size, SIZE);
    assert_memory_equal(data.data, octets, SIZE);
    poplin_memory_list_free(list);
    free(octets);
}

/* ---- mboxes ---- */

static void an_mbox_is_split_and_unquoted(void **state) {
    struct fixture *fixture = *state;
    write_text(fixture, "mbox",
               "From alice Thu Jan  1 00:00:00 1970\n"
               "Subject: one\n\n>From here\n>>From there\n> From nowhere\n>Fromage\n\n"
               "From bob Thu Jan  1 00:00:00 1970\n"
               "Subject: two\n\n\nthe line above is the message's\n\n\n"
               "From carol\n\n"
               "From dave\n"
               "From erin\n"
               "Subject: no empty line behind it\n");
    EXPECT_LOADED(fixture, "mbox", "Subject: one\n\nFrom here\n>From there\n> From nowhere\n>Fromage\n",
                  "Subject: two\n\n\nthe line above is the message's\n\n", "", "",
                  "Subject: no empty line behind it\n");
}

static void an_mbox_may_have_crlf_or_end_within_a_line(void **state) {
    struct fixture *fixture = *state;
    write_text(fixture, "crlf", "From a\r\nSubject: one\r\n\r\n>From x\r\n\r\nFrom b\r\ntwo\r\n\r\n");
    EXPECT_LOADED(fixture, "crlf", "Subject: one\r\n\r\nFrom x\r\n", "two\r\n");
    write_text(fixture, "cut", "From a\none\n\n>From b");
    EXPECT_LOADED(fixture, "cut", "one\n\nFrom b");
    write_text(fixture, "cut", "From a\none\n\nFrom b");
    EXPECT_LOADED(fixture, "cut", "one\n", "");
    write_text(fixture, "only", "From a");
    EXPECT_LOADED(fixture, "only", "");
}

/* Lines of every length stand across the borders of what is read at once. */
static void an_mbox_may_be_longer_than_a_read(void **state) {
    struct fixture *fixture = *state;
    enum { MESSAGES = 300, LINE = 300 };
    char *mbox = malloc(MESSAGES * (LINE + 40)), *end = mbox;
    char body[LINE + 1];
    memset(body, 'x', LINE);
    for (int i = 0; i < MESSAGES; i++)
        end += sprintf(end, "From somebody\n>From %.*s\n%s", i, body, i + 1 < MESSAGES ? "\n" : "");
    write_slice(fixture, "mbox", (poplin_slice){mbox, (size_t)(end - mbox)});
    poplin_memory_list *list;
    assert_int_equal(load(fixture, "mbox", &list), POPLIN_OK);
    assert_int_equal(poplin_memory_list_count(list), MESSAGES);
    for (size_t i = 0; i < MESSAGES; i++) {
        poplin_slice data = poplin_memory_list_get(list, i).data;
        assert_int_equal(data.size, strlen("From \n") + i);
        assert_memory_equal(data.data, "From xxx", i < 3 ? strlen("From ") : strlen("From xxx"));
        assert_int_equal(data.data[data.size - 1], '\n');
    }
    poplin_memory_list_free(list);
    free(mbox);
}

/* ---- folders ---- */

static void a_folder_is_read_in_the_order_of_names(void **state) {
    struct fixture *fixture = *state;
    make_folder(fixture, "mail");
    make_folder(fixture, "mail/folder");
    make_folder(fixture, "mail/cur"); /* alone it makes no Maildir */
    write_text(fixture, "mail/folder/inside", "not read");
    write_text(fixture, "mail/cur/inside", "not read");
    write_text(fixture, "mail/b", "b");
    write_text(fixture, "mail/B", "B");
    write_text(fixture, "mail/10", "10");
    write_text(fixture, "mail/9", "9");
    write_text(fixture, "mail/a", "From a mailbox\na\n"); /* in a folder each file is one message */
    write_text(fixture, "mail/.hidden", "not read");
    write_text(fixture, "elsewhere", "linked");
    assert_int_equal(symlink("../elsewhere", path_of(fixture, "mail/c")), 0);
    assert_int_equal(mkfifo(path_of(fixture, "mail/pipe"), 0600), 0);
    EXPECT_LOADED(fixture, "mail", "10", "9", "B", "From a mailbox\na\n", "b", "linked");
}

static void a_maildir_is_read_cur_before_new(void **state) {
    struct fixture *fixture = *state;
    static const char *const FOLDERS[] = {"mail", "mail/cur", "mail/new", "mail/tmp", "mail/.Sent"};
    for (size_t i = 0; i < COUNT_OF(FOLDERS); i++)
        make_folder(fixture, FOLDERS[i]);
    write_text(fixture, "mail/new/1.a", "new 1");
    write_text(fixture, "mail/cur/3.a:2,S", "old 3");
    write_text(fixture, "mail/cur/2.a:2,", "old 2");
    write_text(fixture, "mail/tmp/0.a", "not delivered");
    write_text(fixture, "mail/dovecot-uidlist", "no message");
    EXPECT_LOADED(fixture, "mail", "old 2", "old 3", "new 1");
}

static void an_empty_folder_is_no_failure(void **state) {
    struct fixture *fixture = *state;
    poplin_memory_list *delivered;
    assert_int_equal(load(fixture, "", &delivered), POPLIN_OK);
    assert_int_equal(poplin_memory_list_count(delivered), 0);
    poplin_memory_list_free(delivered);
}

/* ---- failures ---- */

static void what_is_not_there_is_named(void **state) {
    struct fixture *fixture = *state;
    expect_failure(fixture, "nothing\n", POPLIN_ERR_IO, "/nothing\\x0A: No such file or directory");
    assert_int_equal(mkfifo(path_of(fixture, "pipe"), 0600), 0);
    expect_failure(fixture, "pipe", POPLIN_ERR_IO, "/pipe is neither a file nor a folder");
    assert_int_equal(poplin_memory_load(fixture->memory, SLICE("b\nb"), fixture->folder, NULL, &fixture->error),
                     POPLIN_ERR_REFUSED);
    assert_string_equal(fixture->error.reason, "there is no user \"b\\x0Ab\"");
}

/* However long its path is, a message says why. */
static void a_long_path_leaves_room_for_the_reason(void **state) {
    struct fixture *fixture = *state;
    char name[400];
    for (size_t i = 0; i < sizeof name; i++)
        name[i] = i % 100 == 99 ? '/' : 'x';
    strcpy(name + 390, "/the-end");
    expect_failure(fixture, name, POPLIN_ERR_IO, "/the-end: No such file or directory");
    for (size_t i = 0; i < 390; i++)
        name[i] = i % 100 == 99 ? '/' : i % 2 == 0 ? '\xC3' : '\xBC';
    expect_failure(fixture, name, POPLIN_ERR_IO, "/the-end: No such file or directory");
}

static void one_failure_delivers_nothing(void **state) {
    struct fixture *fixture = *state;
    make_folder(fixture, "mail");
    write_text(fixture, "mail/a", "good");
    assert_int_equal(symlink("nowhere", path_of(fixture, "mail/b")), 0);
    write_text(fixture, "mail/c", "good");
    expect_failure(fixture, "mail", POPLIN_ERR_IO, "/mail/b: No such file or directory");
    assert_int_equal(unlink(path_of(fixture, "mail/b")), 0);
    EXPECT_LOADED(fixture, "mail", "good", "good");
}

/* ---- the limit ---- */

static void a_message_over_the_limit_is_refused(void **state) {
    struct fixture *fixture = *state;
    poplin_memory_limit(fixture->memory, 10);
    write_text(fixture, "ten", "0123456789");
    EXPECT_LOADED(fixture, "ten", "0123456789");
    write_text(fixture, "eleven", "0123456789.");
    expect_failure(fixture, "eleven", POPLIN_ERR_LIMIT, "/eleven holds a message of more than 10 octets, the limit");
    make_folder(fixture, "mail");
    write_text(fixture, "mail/a", "good");
    write_text(fixture, "mail/b", "0123456789.");
    expect_failure(fixture, "mail", POPLIN_ERR_LIMIT, "/mail/b holds a message of more than 10 octets");
}

/* The limit is of a message, not of the file; neither the separator nor a quote counts. */
static void the_limit_is_of_each_message_of_an_mbox(void **state) {
    struct fixture *fixture = *state;
    poplin_memory_limit(fixture->memory, 10);
    write_text(fixture, "good", "From somebody far away\n012345678\n\nFrom x\n>From 678\n\n");
    EXPECT_LOADED(fixture, "good", "012345678\n", "From 678\n");
    write_text(fixture, "bad", "From x\ngood\n\nFrom x\n0123456789\n\nFrom x\ngood\n");
    expect_failure(fixture, "bad", POPLIN_ERR_LIMIT, "/bad holds a message of more than 10 octets");
}

/* Sparse files that no machine could hold: read, they would end the test. */
static void what_is_huge_is_refused_before_it_is_read(void **state) {
    struct fixture *fixture = *state;
    static const off_t LARGE = (off_t)1 << 40;
    write_text(fixture, "huge", "x");
    assert_int_equal(truncate(path_of(fixture, "huge"), LARGE), 0);
    expect_failure(fixture, "huge", POPLIN_ERR_LIMIT, "/huge holds a message of more than 268435456 octets");
    write_text(fixture, "mbox", "From x\n");
    assert_int_equal(truncate(path_of(fixture, "mbox"), LARGE), 0);
    poplin_memory_limit(fixture->memory, 1 << 20); /* one line without end: it is read as far as this */
    expect_failure(fixture, "mbox", POPLIN_ERR_LIMIT, "/mbox holds a message of more than 1048576 octets");
}

#define LOAD_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        LOAD_TEST(a_file_is_one_message),
        LOAD_TEST(a_file_may_hold_any_octet_and_be_longer_than_a_read),
        LOAD_TEST(an_mbox_is_split_and_unquoted),
        LOAD_TEST(an_mbox_may_have_crlf_or_end_within_a_line),
        LOAD_TEST(an_mbox_may_be_longer_than_a_read),
        LOAD_TEST(a_folder_is_read_in_the_order_of_names),
        LOAD_TEST(a_maildir_is_read_cur_before_new),
        LOAD_TEST(an_empty_folder_is_no_failure),
        LOAD_TEST(what_is_not_there_is_named),
        LOAD_TEST(a_long_path_leaves_room_for_the_reason),
        LOAD_TEST(one_failure_delivers_nothing),
        LOAD_TEST(a_message_over_the_limit_is_refused),
        LOAD_TEST(the_limit_is_of_each_message_of_an_mbox),
        LOAD_TEST(what_is_huge_is_refused_before_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
