/*
 * test_delivery_names.c - under which names messages are delivered, that no file is replaced, and that what is there already is
 * not delivered twice.
 */
#include <inttypes.h>
#include <sys/wait.h>

#include "delivery_support.h"

/* ---- names ---- */

static bool is_plain_name(const char *name) {
    char host[256];
    int64_t seconds = 0;
    char hash[33];
    return sscanf(name, "%" SCNd64 ".%32[0-9a-f].%255s", &seconds, hash, host) == 3 && strlen(hash) == 32 &&
           seconds == FIRST_SEEN && strchr(name, '/') == NULL && strchr(name, ':') == NULL;
}

/* holds: T-UID-3 C, MDIR-2 C */
static void nothing_of_the_servers_stands_in_a_name(void **state) {
    static const char *const ids[] = {"/",       "..", "../../x",     "\\", ":2,S", "-rf", ".hidden", "%s%n%n",
                                      "\x1B[2J", "\n", "caf\xC3\xA9", "",   "a b",  "tmp", "'; DROP", "..\\.."};
    struct mail *mail = *state;
    poplin_delivery *delivery = delivery_to(mail, false);
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        assert_true(is_plain_name(deliver(mail, delivery, letter(ids[i], FIRST_SEEN, false), ids[i])));
    expect_counts(mail, 0, COUNT_OF(ids), 0);
    poplin_delivery_free(delivery);
}

/* The first half of what sha256sum says of alice@example.org NUL uid NUL and 0, 1, "0 header". */
/* holds: MDIR-2 C */
static void the_name_is_the_same_in_every_version(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = delivery_to(mail, false);
    static const char *const starts[] = {"1763800000.234b56341d65e936faffb6bf2e92cea0.",
                                         "1763800000.616959c85f0cf3471ff07a31fb74f94a.",
                                         "1763800000.62578582e702abdaaa2c6fa12f83225d."};
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        poplin_seen_record record = {.uid = SLICE("uid"), .copy = i == 1, .first_seen = FIRST_SEEN};
        poplin_fetch_message message = {.number = 1, .record = &record, .headers_only = i == 2};
        const char *name = deliver(mail, delivery, &message, "text");
        if (strncmp(name, starts[i], strlen(starts[i])) != 0)
            fail_msg("%s", name);
    }
    poplin_delivery_free(delivery);
}

/* holds: MDIR-2 C */
static void what_is_another_message_has_another_name(void **state) {
    static const struct {
        const char *account, *uid;
        uint32_t copy;
        bool headers_only;
    } others[] = {{"a", "b", 0, false}, {"a", "b", 1, false}, {"a", "b", 0, true},  {"a", "b0", 0, false},
                  {"ab", "", 0, false}, {"", "ab", 0, false}, {"b", "a", 0, false}, {"a", "b", 10, false}};
    struct mail *mail = *state;
    poplin_delivery *delivery = delivery_to(mail, false);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        poplin_seen_record record = {.uid = slice_of(others[i].uid), .copy = others[i].copy, .first_seen = FIRST_SEEN};
        poplin_fetch_message message = {.number = 1, .record = &record, .headers_only = others[i].headers_only};
        assert_int_equal(poplin_delivery_begin(delivery, others[i].account, &message, NULL), POPLIN_OK);
        assert_int_equal(poplin_delivery_end(delivery, NULL, NULL), POPLIN_OK);
    }
    settle(mail, delivery);
    expect_counts(mail, 0, COUNT_OF(others), 0);
    poplin_delivery_free(delivery);
}

/* Has the delivery read the folders: what comes later is found only where it is in the way. */
static void look(poplin_delivery *delivery) {
    assert_int_equal(poplin_delivery_begin(delivery, "a", letter("other", FIRST_SEEN, false), NULL), POPLIN_OK);
    poplin_delivery_abandon(delivery);
}

/* holds: T-DLV-4 C, MDIR-1 C */
static void a_file_that_comes_meanwhile_is_not_replaced(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = delivery_to(mail, false), *other = delivery_to(mail, false);
    char first[256], path[320];
    look(delivery);
    copy_text(first, sizeof first, deliver(mail, other, letter("1", FIRST_SEEN, false), "one\r\n"));
    assert_string_equal(deliver(mail, delivery, letter("1", FIRST_SEEN, false), "one\r\n"), first);
    expect_one(mail, SLICE("one\n"));
    const char *second = deliver(mail, delivery, letter("1", FIRST_SEEN, false), "two\r\n");
    assert_string_not_equal(second, first);
    assert_non_null(strstr(second, "~2."));
    expect_counts(mail, 0, 2, 0);
    snprintf(path, sizeof path, "new/%s", first);
    expect_content(mail, path, SLICE("one\n"));
    poplin_delivery_free(delivery);
    poplin_delivery_free(other);
}

/* holds: T-DLV-4 C */
static void a_link_that_stands_in_new_is_not_followed(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = delivery_to(mail, false);
    char path[320], target[320];
    snprintf(path, sizeof path, "new/%s", deliver(mail, delivery, letter("1", FIRST_SEEN, false), "one"));
    mail_rename(mail, path, "target");
    copy_text(target, sizeof target, mail_path(mail, "target"));
    assert_int_equal(symlink(target, mail_path(mail, path)), 0);
    (void)deliver(mail, delivery, letter("1", FIRST_SEEN, false), "one");
    expect_counts(mail, 0, 2, 0);
    poplin_delivery_free(delivery);
}

/* holds: T-DLV-4 C */
static void names_do_not_go_on_for_ever(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = delivery_to(mail, false);
    char text[] = "0";
    for (; text[0] < '9'; text[0]++)
        (void)deliver(mail, delivery, letter("1", FIRST_SEEN, false), text);
    assert_int_equal(try_to_deliver(delivery, letter("1", FIRST_SEEN, false), SLICE("9"), NULL, &mail->error),
                     POPLIN_ERR_IO);
    assert_non_null(strstr(mail->error.reason, ": File exists"));
    expect_counts(mail, 0, 9, 0);
    poplin_delivery_free(delivery);
}

/* ---- what was delivered before ---- */

/* What other programs do to a message: they see it, and give it flags. */
static void see(const struct mail *mail, const char *flags) {
    char from[320], to[360];
    assert_int_equal(count_files(mail, "new", from), 1);
    snprintf(to, sizeof to, "cur%s%s", from + strlen("new"), flags);
    mail_rename(mail, from, to);
}

/* holds: MDIR-1 C */
static void a_message_in_new_is_found_again(void **state) {
    struct mail *mail = *state;
    deliver_anew(mail, letter("1", FIRST_SEEN, false), "text");
    deliver_anew(mail, letter("1", FIRST_SEEN, true), "text");
    expect_one(mail, SLICE("text"));
}

static void a_message_in_cur_is_found_again_whatever_its_flags(void **state) {
    static const char *const flags[] = {"", ":2,", ":2,S", ":2,FRS", ":1,x"};
    struct mail *mail = *state;
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        deliver_anew(mail, letter("1", FIRST_SEEN, false), "text");
        see(mail, flags[i]);
        deliver_anew(mail, letter("1", FIRST_SEEN, true), "text");
        expect_counts(mail, 0, 0, 1);
        deliver_anew(mail, letter("1", FIRST_SEEN + 1, true), "text"); /* by its content */
        expect_counts(mail, 0, 0, 1);
        empty_folder(mail, "cur");
    }
}

/* Its reader may change it: the name tells. */
static void a_file_of_the_very_name_is_not_compared(void **state) {
    struct mail *mail = *state;
    deliver_anew(mail, letter("1", FIRST_SEEN, false), "text with a tag");
    deliver_anew(mail, letter("1", FIRST_SEEN, true), "text");
    expect_one(mail, SLICE("text with a tag"));
}

static void an_empty_file_of_the_very_name_is_not_trusted(void **state) {
    struct mail *mail = *state;
    deliver_anew(mail, letter("1", FIRST_SEEN, false), "");
    deliver_anew(mail, letter("1", FIRST_SEEN, true), "text");
    expect_counts(mail, 0, 2, 0);
    deliver_anew(mail, letter("1", FIRST_SEEN, true), "text");
    expect_counts(mail, 0, 2, 0);
    empty_folder(mail, "new");
    deliver_anew(mail, letter("2", FIRST_SEEN, false), "");
    see(mail, ":2,S");
    deliver_anew(mail, letter("2", FIRST_SEEN, true), ""); /* this one is empty indeed */
    expect_counts(mail, 0, 0, 1);
}

/* holds: T-UID-5 C */
static void a_unique_id_that_is_used_again_is_another_message(void **state) {
    struct mail *mail = *state;
    deliver_anew(mail, letter("1", FIRST_SEEN, false), "one");
    deliver_anew(mail, letter("1", FIRST_SEEN + 1, true), "two");
    deliver_anew(mail, letter("1", FIRST_SEEN + 2, true), "three");
    expect_counts(mail, 0, 3, 0);
    deliver_anew(mail, letter("1", FIRST_SEEN + 3, true), "one");
    deliver_anew(mail, letter("1", FIRST_SEEN + 3, true), "two");
    deliver_anew(mail, letter("1", FIRST_SEEN + 3, true), "three");
    expect_counts(mail, 0, 3, 0);
    deliver_anew(mail, letter("1", FIRST_SEEN + 4, false), "thr"); /* how another begins */
    deliver_anew(mail, letter("1", FIRST_SEEN + 5, false), "three times");
    expect_counts(mail, 0, 5, 0);
}

static void what_stands_there_is_known_by_its_content(void **state) {
    struct mail *mail = *state;
    deliver_anew(mail, letter("1", FIRST_SEEN, false), "text");
    deliver_anew(mail, letter("1", FIRST_SEEN, false), "text");
    see(mail, ":2,S");
    deliver_anew(mail, letter("1", FIRST_SEEN, false), "text");
    deliver_anew(mail, letter("1", FIRST_SEEN + 1, false), "text");
    expect_counts(mail, 0, 0, 1);
    deliver_anew(mail, letter("2", FIRST_SEEN, false), "text"); /* the same content, another message */
    expect_counts(mail, 0, 1, 1);
}

/* Whether the second text under the same unique-id is not put beside the first, nor the first beside the second. */
static bool are_same(struct mail *mail, const char *first, const char *second) {
    size_t count = 0;
    for (int turn = 0; turn < 2; turn++) {
        deliver_anew(mail, letter("1", FIRST_SEEN, false), turn == 0 ? first : second);
        deliver_anew(mail, letter("1", FIRST_SEEN + 1, false), turn == 0 ? second : first);
        count += count_files(mail, "new", NULL);
        empty_folder(mail, "new");
    }
    assert_true(count == 2 || count == 4);
    return count == 2;
}

/* Some servers do that at the end of the first session that sees a message. */
/* holds: T-UID-5 C */
static void what_a_server_adds_makes_no_other_message(void **state) {
    static const char *const same[][2] = {
        {"Subject: a\n\ntext\n", "Subject: a\nX-UIDL: 7\nStatus: RO\n\ntext\n"},
        {"Subject: a\n\ntext\n", "status:\nSubject: a\nX-Status: F\n\ntext\n"},
        {"Subject: a\n\ntext\n", "Subject: a\nX-Keywords: one,\n two\n\tthree\nX-UID: 1\n\ntext\n"},
        {"Subject: a\nX-UID: 1\n\ntext\n", "X-IMAPbase: 17 3\nSubject: a\nX-UID: 2\n\ntext\n"},
        {"Subject: a\r\r\n\r\r\ntext\r\n", "X-IMAP: 17\r\r\nSubject: a\r\r\n\r\r\ntext\r\n"}, /* CRLF in the file */
        {"Subject: a\n\n", "Subject: a\n\n\n"},
        {"\n", "Status: O\n\n"},
    };
    static const char *const different[][2] = {
        {"Subject: a\n\ntext\n", "Subject: a\nStatuses: RO\n\ntext\n"},
        {"Subject: a\n\ntext\n", "Subject: a\n Status: RO\n\ntext\n"},
        {"Subject: a\n\ntext\n", "Subject: a\n\nStatus: RO\ntext\n"},
        {"Subject: a\n\ntext\n", "Subject: a\nStatus: RO\n\n"},
        {"Subject: a\n\ntext\n", "Subject: a\nStatus: RO\n\ntext\n\nmore\n"},
        {"\n", "Status: O\nSubject: a\n\n"},
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (!are_same(*state, same[i][0], same[i][1]))
            fail_msg("pair %zu of the same messages is not found to be one", i + 1);
    for (size_t i = 0; i < sizeof different / sizeof *different; i++)
        if (are_same(*state, different[i][0], different[i][1]))
            fail_msg("pair %zu of different messages is found to be one", i + 1);
}

/* With a mark at each place around the octets that are read at once. */
static void what_a_server_adds_is_found_anywhere(void **state) {
    enum { READ = 8 * 1024, SIZE = 3 * READ };
    static const char mark[] = "X-UIDL: 1234\n", end[] = "\nS: e\n\nbody\n";
    static char plain[SIZE], marked[SIZE];
    for (size_t at = READ - 30; at < READ + 4; at++) {
        memset(plain, 'x', at);
        memcpy(plain, "S: ", 3);
        memcpy(marked, plain, at);
        memcpy(plain + at, end, sizeof end);
        memcpy(marked + at, "\n", 1);
        memcpy(marked + at + 1, mark, sizeof mark - 1);
        memcpy(marked + at + sizeof mark, end + 1, sizeof end - 1);
        assert_true(are_same(*state, plain, marked));
        marked[at + sizeof mark + 1] = '!';
        assert_false(are_same(*state, plain, marked));
    }
}

/* Only where the fetch that took it was stopped does the name tell. */
static void a_file_of_the_very_name_and_other_content_is_another_message(void **state) {
    struct mail *mail = *state;
    deliver_anew(mail, letter("1", FIRST_SEEN, false), "one");
    deliver_anew(mail, letter("1", FIRST_SEEN, false), "two");
    expect_counts(mail, 0, 2, 0);
}

static void files_of_others_are_left_alone(void **state) {
    static const char *const names[] = {"new/1.a",
                                        "new/1763800000.00112233445566778899aabbccddeeff",
                                        "new/1763800000.00112233445566778899aabbccddeefg.a",
                                        "cur/1763800000.0011.a:2,S",
                                        "new/.1763800000.00112233445566778899aabbccddeeff.a",
                                        "new/99999999999999999999999.00112233445566778899aabbccddeeff.a"};
    struct mail *mail = *state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        mail_put(mail, names[i]);
    mail_mkdir(mail, "new/1763800000.00112233445566778899aabbccddeeff.folder");
    deliver_anew(mail, letter("1", FIRST_SEEN, true), "text");
    expect_counts(mail, 0, 7, 1);
}

static void a_message_that_moves_after_the_look_is_found(void **state) {
    struct mail *mail = *state;
    deliver_anew(mail, letter("1", FIRST_SEEN, false), "text");
    poplin_delivery *delivery = delivery_to(mail, false);
    (void)deliver(mail, delivery, letter("other", FIRST_SEEN, true), "other"); /* looks */
    empty_folder(mail, "tmp");
    char path[320];
    (void)count_files(mail, "new", path);
    for (int i = 0; i < 2; i++) { /* both, in whatever order they come */
        char to[360];
        (void)count_files(mail, "new", path);
        snprintf(to, sizeof to, "cur%s:2,S", path + strlen("new"));
        mail_rename(mail, path, to);
    }
    (void)deliver(mail, delivery, letter("1", FIRST_SEEN, true), "text");
    (void)deliver(mail, delivery, letter("1", FIRST_SEEN + 1, false), "text");
    expect_counts(mail, 0, 0, 2);
    poplin_delivery_free(delivery);
}

/* Whoever removed it does not want it again. */
static void a_message_that_is_removed_after_the_look_does_not_come_back(void **state) {
    struct mail *mail = *state;
    deliver_anew(mail, letter("1", FIRST_SEEN, false), "text");
    poplin_delivery *delivery = delivery_to(mail, false);
    look(delivery);
    empty_folder(mail, "new");
    (void)deliver(mail, delivery, letter("1", FIRST_SEEN, true), "text");
    expect_counts(mail, 0, 0, 0);
    poplin_delivery_free(delivery);
}

static void what_a_delivery_itself_delivered_it_knows(void **state) {
    struct mail *mail = *state;
    poplin_delivery *delivery = delivery_to(mail, false);
    char uid[32];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 200; i++) {
            snprintf(uid, sizeof uid, "%d", i);
            (void)deliver(mail, delivery, letter(uid, FIRST_SEEN, true), uid);
        }
        expect_counts(mail, 0, 200, 0);
    }
    (void)deliver(mail, delivery, letter("7", FIRST_SEEN + 1, true), "7"); /* by its content */
    expect_counts(mail, 0, 200, 0);
    (void)deliver(mail, delivery, letter("7", FIRST_SEEN + 1, true), "seven");
    expect_counts(mail, 0, 201, 0);
    poplin_delivery_free(delivery);
}

/* ---- two programs at once ---- */

enum { SHARED = 100 };

static void deliver_shared(struct mail *mail, int start) {
    char go;
    if (read(start, &go, 1) != 0) /* until the other end is closed */
        _exit(1);
    poplin_delivery *delivery = NULL;
    int status = poplin_delivery_open(mail_path(mail, ""), false, &delivery, NULL);
    for (int i = 0; status == POPLIN_OK && i < SHARED; i++) {
        char uid[32];
        snprintf(uid, sizeof uid, "%d", i);
        status = try_to_deliver(delivery, letter(uid, FIRST_SEEN, false), slice_of(uid), NULL, NULL);
    }
    if (status == POPLIN_OK)
        status = poplin_delivery_settle(delivery, NULL);
    _exit(status == POPLIN_OK ? 0 : 2);
}

/* holds: T-DLV-4 C, MDIR-2 C */
static void two_programs_deliver_the_same_once(void **state) {
    struct mail *mail = *state;
    int start[2];
    pid_t children[2];
    assert_int_equal(pipe(start), 0);
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            close(start[1]);
            deliver_shared(mail, start[0]);
        }
    }
    close(start[0]);
    close(start[1]);
    for (int i = 0; i < 2; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    expect_counts(mail, 0, SHARED, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        MAIL_TEST(nothing_of_the_servers_stands_in_a_name),
        MAIL_TEST(the_name_is_the_same_in_every_version),
        MAIL_TEST(what_is_another_message_has_another_name),
        MAIL_TEST(a_file_that_comes_meanwhile_is_not_replaced),
        MAIL_TEST(a_link_that_stands_in_new_is_not_followed),
        MAIL_TEST(names_do_not_go_on_for_ever),
        MAIL_TEST(a_message_in_new_is_found_again),
        MAIL_TEST(a_message_in_cur_is_found_again_whatever_its_flags),
        MAIL_TEST(a_file_of_the_very_name_is_not_compared),
        MAIL_TEST(an_empty_file_of_the_very_name_is_not_trusted),
        MAIL_TEST(a_unique_id_that_is_used_again_is_another_message),
        MAIL_TEST(what_stands_there_is_known_by_its_content),
        MAIL_TEST(what_a_server_adds_makes_no_other_message),
        MAIL_TEST(what_a_server_adds_is_found_anywhere),
        MAIL_TEST(a_file_of_the_very_name_and_other_content_is_another_message),
        MAIL_TEST(files_of_others_are_left_alone),
        MAIL_TEST(a_message_that_moves_after_the_look_is_found),
        MAIL_TEST(a_message_that_is_removed_after_the_look_does_not_come_back),
        MAIL_TEST(what_a_delivery_itself_delivered_it_knows),
        MAIL_TEST(two_programs_deliver_the_same_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
