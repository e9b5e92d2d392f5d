/*
 * test_places_open.c - many Maildirs with few descriptors, Maildirs that are closed or gone meanwhile; and when a fetch has news.
 */
#include <sys/resource.h>

#include "places_support.h"

/* ---- many Maildirs ---- */

enum { MANY = 400, FEW = 256 };

struct many {
    struct mail *mail;
    poplin_places *places;
    poplin_delivery *deliveries[MANY];
    rlim_t before;
};

static const char *many_path(const struct many *many, size_t i, const char *folder) {
    char name[32];
    snprintf(name, sizeof name, "%zu%s", i, folder);
    return mail_path(many->mail, name);
}

static void limit_files(rlim_t files) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = files;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int many_set_up(void **state) {
    struct many *many = calloc(1, sizeof *many);
    struct rlimit limit;
    void *mail = NULL;
    memset(&failing_delivery, 0, sizeof failing_delivery);
    assert_int_equal(mail_set_up(&mail), 0);
    many->mail = mail;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    many->before = limit.rlim_cur;
    limit_files(FEW);
    assert_int_equal(poplin_places_new(&many->places), POPLIN_OK);
    for (size_t i = 0; i < MANY; i++) {
        if (poplin_delivery_open(many_path(many, i, ""), false, &many->deliveries[i], &many->mail->error) != 0)
            fail_msg("%s", many->mail->error.reason);
    }
    *state = many;
    return 0;
}

static int many_tear_down(void **state) {
    struct many *many = *state;
    void *mail = many->mail;
    poplin_places_free(many->places);
    for (size_t i = 0; i < MANY; i++)
        poplin_delivery_free(many->deliveries[i]);
    limit_files(many->before);
    free(many);
    return mail_tear_down(&mail);
}

static size_t count_open(void) {
    size_t count = 0;
    DIR *stream = opendir("/proc/self/fd");
    assert_non_null(stream);
    while (readdir(stream) != NULL)
        count++;
    closedir(stream);
    return count;
}

static void bring_to(struct many *many, size_t i, const char *uid) {
    poplin_places_clear(many->places);
    assert_int_equal(poplin_places_add(many->places, many->deliveries[i]), POPLIN_OK);
    bring(many->places, uid, "text");
    expect_delivered(many->places, POPLIN_OK);
}

static void many_maildirs_need_few_descriptors(void **state) {
    struct many *many = *state;
    const size_t before = count_open();
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < MANY; i++) {
            bring_to(many, i * 7 % MANY, round == 0 ? "1" : "2");
            assert_in_range(count_open(), before, before + FEW / 4 + 1);
        }
    }
    expect_settled(many->places, POPLIN_OK);
    bring_to(many, 5, "1"); /* it is known still, though the Maildir was closed meanwhile */
    expect_settled(many->places, POPLIN_OK);
    for (size_t i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "%zu/new", i);
        assert_int_equal(count_files(many->mail, name, NULL), 2);
    }
}

/* What is not settled holds descriptors too, or may. */
static void many_messages_need_few_descriptors(void **state) {
    struct many *many = *state;
    const size_t before = count_open();
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(poplin_places_add(many->places, many->deliveries[i]), POPLIN_OK);
    for (size_t i = 0; i < 60; i++) {
        char uid[32];
        snprintf(uid, sizeof uid, "%zu", i);
        bring(many->places, uid, "text");
        expect_delivered(many->places, POPLIN_OK);
        assert_in_range(count_open(), before, before + 20 * 6 + 1);
    }
    expect_settled(many->places, POPLIN_OK);
    assert_int_equal(count_files(many->mail, "19/new", NULL), 60);
}

/* Nothing is delivered any more, and SETTLE says why. */
static void what_cannot_be_settled_before_it_is_closed_is_told(void **state) {
    struct many *many = *state;
    size_t i = 0;
    fail_in(many->deliveries[0], SETTLE);
    for (; failing_delivery.settled == 0; i++) {
        poplin_places_clear(many->places);
        assert_int_equal(poplin_places_add(many->places, many->deliveries[i]), POPLIN_OK);
        assert_true(serve(many->places, POPLIN_FETCH_BEGIN, "1", SLICE("")));
        if (failing_delivery.settled > 0)
            break;
        assert_false(serve(many->places, POPLIN_FETCH_DELIVER, "1", SLICE("")));
        expect_delivered(many->places, POPLIN_OK);
    }
    assert_in_range(i, 5, FEW / 4);
    assert_int_equal(answered.status, POPLIN_ERR_IO);
    assert_string_equal(answered.reason, "the disk is full");
    expect_answer(many->places, POPLIN_FETCH_BEGIN, "1", "", POPLIN_ERR_IO);
    expect_settled(many->places, POPLIN_ERR_IO);
}

/* ---- closed, or gone ---- */

static void a_delivery_that_was_closed_gets_no_message(void **state) {
    struct placed *placed = *state;
    placed_close(placed, 1);
    bring(placed->places, "1", "text");
    assert_null(poplin_places_name(placed->places, 1));
    expect_delivered(placed->places, POPLIN_ERR_STATE);
    assert_string_equal(answered.reason, "the Maildir was closed meanwhile");
    expect_in(placed, 'a', 1);
    poplin_places_clear(placed->places);
    assert_int_equal(poplin_places_add(placed->places, placed->deliveries[0]), POPLIN_OK);
    bring(placed->places, "2", "text");
    expect_delivered(placed->places, POPLIN_OK);
    expect_settled(placed->places, POPLIN_OK);
}

static void a_delivery_that_is_closed_in_the_middle_has_failed(void **state) {
    struct placed *placed = *state;
    expect_answer(placed->places, POPLIN_FETCH_BEGIN, "1", "", POPLIN_OK);
    placed_close(placed, 0);
    expect_answer(placed->places, POPLIN_FETCH_PIECE, "1", "text", POPLIN_OK);
    placed_close(placed, 1);
    assert_false(serve(placed->places, POPLIN_FETCH_DELIVER, "1", SLICE("")));
    expect_delivered(placed->places, POPLIN_ERR_STATE);
    expect_in(placed, 'a', 0);
    expect_in(placed, 'b', 0);
    expect_in(placed, 'c', 1);
    expect_answer(placed->places, POPLIN_FETCH_BEGIN, "2", "", POPLIN_OK);
    placed_close(placed, 2);
    expect_answer(placed->places, POPLIN_FETCH_PIECE, "2", "text", POPLIN_ERR_STATE);
}

/* Only this message was not safe, and it counts as failed. */
static void a_delivery_that_is_closed_at_the_end_has_failed(void **state) {
    struct placed *placed = *state;
    bring(placed->places, "1", "text");
    placed_close(placed, 0);
    assert_null(poplin_places_name(placed->places, 0));
    expect_delivered(placed->places, POPLIN_ERR_STATE);
    expect_in(placed, 'a', 0);
    expect_in(placed, 'b', 1);
    expect_settled(placed->places, POPLIN_OK);
}

/* Else it would be on record as delivered. */
static void what_was_closed_before_it_was_safe_is_not_settled(void **state) {
    struct placed *placed = *state;
    bring(placed->places, "1", "text");
    expect_delivered(placed->places, POPLIN_OK);
    expect_settled(placed->places, POPLIN_OK);
    placed_close(placed, 0); /* that is safe */
    expect_settled(placed->places, POPLIN_OK);
    poplin_places_clear(placed->places);
    assert_int_equal(poplin_places_add(placed->places, placed->deliveries[1]), POPLIN_OK);
    bring(placed->places, "2", "text");
    expect_delivered(placed->places, POPLIN_OK);
    placed_close(placed, 1);
    expect_settled(placed->places, POPLIN_ERR_STATE);
    assert_string_equal(answered.reason, "the Maildir was closed before what it took was safe");
}

/* A disk may not be mounted any more: nothing is to be made in its place. */
static void a_maildir_that_is_gone_is_not_made_again(void **state) {
    struct placed *placed = *state;
    char command[300];
    snprintf(command, sizeof command, "rm -r %s", mail_path(placed->mail, "b"));
    assert_int_equal(system(command), 0);
    bring(placed->places, "1", "text");
    expect_delivered(placed->places, POPLIN_ERR_IO);
    assert_non_null(strstr(answered.reason, "/Maildir/b: No such file or directory"));
    assert_false(mail_exists(placed->mail, "b"));
    mail_mkdir(placed->mail, "b");
    mail_mkdir(placed->mail, "b/tmp");
    bring(placed->places, "1", "text");
    expect_delivered(placed->places, POPLIN_ERR_IO);
    assert_non_null(strstr(answered.reason, "/Maildir/b/new: No such file or directory"));
    expect_in(placed, 'c', 1);
}

/* ---- news ---- */

static poplin_fetch_progress progress;

void __wrap_poplin_fetch_progress_now(const poplin_fetch *fetch, poplin_fetch_progress *now);
void __wrap_poplin_fetch_progress_now(const poplin_fetch *fetch, poplin_fetch_progress *now) {
    assert_null(fetch);
    *now = progress;
}

static void news_are_messages_or_many_octets(void **state) {
    uint32_t *const counts[] = {&progress.messages_done, &progress.messages_to_do, &progress.known, &progress.deleted};
    poplin_fetch_progress told = {.messages_done = 0};
    (void)state;
    assert_false(poplin_fetch_has_news(NULL, &told));
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        (*counts[i])++;
        assert_true(poplin_fetch_has_news(NULL, &told));
        assert_memory_equal(&told, &progress, sizeof told);
        assert_false(poplin_fetch_has_news(NULL, &told));
    }
    progress.octets_done += (1 << 20) - 1;
    assert_false(poplin_fetch_has_news(NULL, &told));
    assert_int_equal(told.octets_done, 0);
    progress.octets_done++;
    assert_true(poplin_fetch_has_news(NULL, &told));
    assert_int_equal(told.octets_done, 1 << 20);
}

#define MANY_TEST(function) cmocka_unit_test_setup_teardown(function, many_set_up, many_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        MANY_TEST(many_maildirs_need_few_descriptors),
        MANY_TEST(many_messages_need_few_descriptors),
        MANY_TEST(what_cannot_be_settled_before_it_is_closed_is_told),
        PLACES_TEST(a_delivery_that_was_closed_gets_no_message),
        PLACES_TEST(a_delivery_that_is_closed_in_the_middle_has_failed),
        PLACES_TEST(a_delivery_that_is_closed_at_the_end_has_failed),
        PLACES_TEST(what_was_closed_before_it_was_safe_is_not_settled),
        PLACES_TEST(a_maildir_that_is_gone_is_not_made_again),
        cmocka_unit_test(news_are_messages_or_many_octets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
