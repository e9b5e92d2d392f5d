/*
 * test_server_answers.c - what a backend answers, and when: at once, late, twice, from another thread, from inside a nested
 * step; where message octets come from; and that everything the host lent comes back once.
 */
#include "served.h"

#include <pthread.h>

/* ---- requests ---- */

static void test_an_answer_counts_once(void **state) {
    struct served *served = *state;
    struct raw raw;
    int maildrop;
    served_by_questions(served);
    served_dial(served, &raw);
    raw_expect(&raw, "+OK");
    raw_say(&raw, "USER alice\r\nPASS secret\r\n");
    raw_expect(&raw, "+OK");
    poplin_request check = served_question(served, POPLIN_QUESTION_CHECK);
    assert_int_equal(poplin_server_accept(served->server, check + 1), POPLIN_ERR_STATE);
    assert_int_equal(poplin_server_accept(served->server, 0), POPLIN_ERR_STATE);
    assert_int_equal(poplin_server_accept(served->server, UINT64_MAX), POPLIN_ERR_STATE);
    assert_int_equal(poplin_server_open(served->server, check, &maildrop, NULL, 0), POPLIN_ERR_STATE);
    assert_int_equal(poplin_server_body_pieces(served->server, check, &maildrop), POPLIN_ERR_STATE);
    assert_int_equal(poplin_server_refuse(served->server, check, POPLIN_ERR_AUTH, NULL), POPLIN_OK);
    assert_int_equal(poplin_server_accept(served->server, check), POPLIN_ERR_STATE);
    assert_int_equal(poplin_server_refuse(served->server, check, POPLIN_ERR_AUTH, NULL), POPLIN_ERR_STATE);
    raw_expect(&raw, "-ERR [AUTH]");
    raw_expect_silence(&raw);
    raw_close(&raw);
}

static void test_numbers_are_never_used_again(void **state) {
    struct served *served = *state;
    enum { SESSIONS = 50 };
    poplin_request seen[SESSIONS];
    served_by_questions(served);
    for (size_t i = 0; i < SESSIONS; i++) {
        struct raw raw;
        served_dial(served, &raw);
        raw_say(&raw, "USER alice\r\nPASS secret\r\n");
        seen[i] = served_question(served, POPLIN_QUESTION_CHECK);
        raw_reset(&raw);
        if (i % 2 == 0) /* the place of the last session is taken again while its question is still open, or after */
            assert_int_equal(poplin_server_refuse(served->server, seen[i], POPLIN_ERR_AUTH, NULL), POPLIN_OK);
        for (size_t earlier = 0; earlier < i; earlier++)
            assert_true(seen[earlier] != seen[i]);
    }
}

/* holds: T-API-1 S */
static void test_answers_for_a_session_that_is_gone(void **state) {
    struct served *served = *state;
    struct raw raw;
    int maildrop, pieces, ends[2];
    char octets[] = "x";
    served_by_questions(served);
    served_let_in(served, &raw, &maildrop, 2);
    static char large[8 << 20];
    memset(large, 'x', sizeof large);
    raw_say(&raw, "RETR 1\r\nRETR 2\r\n");
    poplin_request body = served_question(served, POPLIN_QUESTION_BODY);
    assert_int_equal(poplin_server_body(served->server, body, large, sizeof large, served_released, served), POPLIN_OK);
    raw_expect(&raw, "+OK");
    raw_reset(&raw);
    served_expect_close(served, &maildrop, POPLIN_DROPPED);
    assert_int_equal(served->released, 1);

    assert_int_equal(poplin_server_accept(served->server, body), POPLIN_ERR_STATE);
    assert_int_equal(poplin_server_body(served->server, body, octets, 1, served_released, served), POPLIN_ERR_STATE);
    assert_int_equal(served->released, 2);
    assert_int_equal(poplin_server_piece(served->server, body, octets, 1, true, served_released, served),
                     POPLIN_ERR_STATE);
    assert_int_equal(served->released, 3);
    assert_int_equal(poplin_server_body(served->server, body, octets, 1, NULL, NULL), POPLIN_ERR_STATE);
    assert_int_equal(poplin_server_body_pieces(served->server, body, &pieces), POPLIN_ERR_STATE);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(poplin_server_body_file(served->server, body, ends[0]), POPLIN_ERR_STATE);
    assert_int_equal(fcntl(ends[0], F_GETFD), -1);
    (void)close(ends[1]);
    served_no_question(served);
}

/* ---- other threads ---- */

struct posted {
    struct served *served;
    poplin_request request;
    int status;
};

static void accept_posted(void *argument) {
    struct posted *posted = argument;
    posted->status = poplin_server_accept(posted->served->server, posted->request);
}

static void deliver_posted(void *argument) {
    struct posted *posted = argument;
    posted->status = poplin_memory_deliver(posted->served->memory, SLICE("alice"), "posted", 6, NULL);
}

static void *post_accept(void *argument) {
    struct posted *posted = argument;
    (void)poplin_loop_post(posted->served->loop, accept_posted, posted);
    return NULL;
}

static void *post_delivery(void *argument) {
    struct posted *posted = argument;
    (void)poplin_loop_post(posted->served->loop, deliver_posted, posted);
    return NULL;
}

static void test_an_answer_from_another_thread(void **state) {
    struct served *served = *state;
    struct posted posted = {served, 0, 1};
    struct raw raw;
    pthread_t thread;
    served_by_questions(served);
    served_dial(served, &raw);
    raw_expect(&raw, "+OK");
    raw_say(&raw, "USER alice\r\nPASS secret\r\n");
    raw_expect(&raw, "+OK");
    posted.request = served_question(served, POPLIN_QUESTION_CHECK);
    assert_int_equal(pthread_create(&thread, NULL, post_accept, &posted), 0);
    (void)served_question(served, POPLIN_QUESTION_MAILDROP);
    assert_int_equal(posted.status, POPLIN_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    raw_close(&raw);
}

static void test_a_delivery_from_another_thread(void **state) {
    struct served *served = *state;
    struct posted posted = {served, 0, 1};
    struct raw raw;
    pthread_t thread;
    served_from_memory(served, 1);
    served_login(served, &raw);
    assert_int_equal(pthread_create(&thread, NULL, post_delivery, &posted), 0);
    while (posted.status != POPLIN_OK)
        served_step(served);
    assert_int_equal(pthread_join(thread, NULL), 0);
    raw_say(&raw, "STAT\r\nQUIT\r\n");
    raw_expect(&raw, "+OK 1 ");
    raw_expect(&raw, "+OK");
    raw_close(&raw);
    served_login(served, &raw);
    raw_say(&raw, "STAT\r\n");
    raw_expect(&raw, "+OK 2 ");
    raw_close(&raw);
}

/* ---- files ---- */

/* A file without a name, which holds so much and stands at its start. */
static int make_file(const char *data, size_t size) {
    char path[] = "/tmp/poplin-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(write(descriptor, data, size), size);
    assert_int_equal(lseek(descriptor, 0, SEEK_SET), 0);
    return descriptor;
}

static void test_a_message_from_a_file(void **state) {
    struct served *served = *state;
    enum { LINES = 100000 };
    char *large = malloc(LINES * 10);
    struct raw raw;
    int maildrop;
    served_by_questions(served);
    served_let_in(served, &raw, &maildrop, 4);
    raw_say(&raw, "RETR 1\r\nRETR 2\r\nRETR 3\r\nTOP 4 1\r\nQUIT\r\n");

    for (int i = 0; i < LINES; i++)
        assert_int_equal(snprintf(large + i * 10, 10, ".%08d", i), 9);
    for (int i = 0; i < LINES; i++)
        large[i * 10 + 9] = '\n';
    int files[4] = {make_file(large, LINES * 10), make_file("", 0), make_file("skipped\nrest", 12),
                    make_file("a: b\n\none\ntwo\n", 14)};
    free(large);
    assert_int_equal(lseek(files[2], 8, SEEK_SET), 8);
    for (int i = 0; i < 4; i++) {
        poplin_request body = served_question(served, POPLIN_QUESTION_BODY);
        assert_int_equal(poplin_server_body_file(served->server, body, files[i]), POPLIN_OK);
        raw_expect(&raw, "+OK");
        for (int line = 0; i == 0 && line < LINES; line++) {
            char expected[16];
            snprintf(expected, sizeof expected, "..%08d", line);
            assert_string_equal(raw_line(&raw), expected);
        }
        if (i == 2)
            raw_expect(&raw, "rest");
        else if (i == 3)
            assert_int_equal(raw_skip_lines(&raw), 3);
        if (i < 3)
            raw_expect(&raw, ".");
    }
    raw_expect(&raw, "+OK");
    served_expect_close(served, &maildrop, POPLIN_COMMITTED);
    for (int i = 0; i < 4; i++)
        assert_int_equal(fcntl(files[i], F_GETFD), -1);
    raw_close(&raw);
}

static void test_what_is_no_file_is_refused(void **state) {
    struct served *served = *state;
    struct raw raw;
    int maildrop, ends[2];
    served_by_questions(served);
    served_let_in(served, &raw, &maildrop, 1);
    raw_say(&raw, "RETR 1\r\n");
    poplin_request body = served_question(served, POPLIN_QUESTION_BODY);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(poplin_server_body_file(served->server, body, ends[0]), POPLIN_ERR_UNSUPPORTED);
    assert_int_equal(fcntl(ends[0], F_GETFD), -1);
    (void)close(ends[1]);
    raw_expect(&raw, "-ERR [SYS/TEMP]");
    (void)served_question(served, POPLIN_QUESTION_PROBLEM);
    assert_string_equal(served->question.error->reason, "not a regular file");
    raw_close(&raw);
}

/* A descriptor that is open for writing only. */
static void test_a_file_that_cannot_be_read(void **state) {
    struct served *served = *state;
    struct raw raw;
    int maildrop;
    served_by_questions(served);
    served_let_in(served, &raw, &maildrop, 2);
    raw_say(&raw, "RETR 1\r\nRETR 2\r\n");
    poplin_request body = served_question(served, POPLIN_QUESTION_BODY);
    char path[] = "/tmp/poplin-XXXXXX";
    int made = mkstemp(path), file = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(made >= 0 && file >= 0);
    assert_int_equal(unlink(path), 0);
    (void)close(made);
    assert_int_equal(poplin_server_body_file(served->server, body, file), POPLIN_OK);
    raw_expect(&raw, "-ERR [SYS/TEMP]");
    (void)served_question(served, POPLIN_QUESTION_PROBLEM);
    assert_int_equal(served->question.error->status, POPLIN_ERR_IO);
    assert_int_equal(fcntl(file, F_GETFD), -1);
    body = served_question(served, POPLIN_QUESTION_BODY);
    assert_int_equal(served->question.index, 1);
    assert_int_equal(poplin_server_body(served->server, body, "x", 1, NULL, NULL), POPLIN_OK);
    raw_expect(&raw, "+OK");
    raw_close(&raw);
}

/* ---- pieces ---- */

static void give_piece(struct served *served, const char *text, bool last) {
    poplin_request piece = served_question(served, POPLIN_QUESTION_PIECE);
    assert_int_equal(poplin_server_piece(served->server, piece, text, strlen(text), last, served_released, served),
                     POPLIN_OK);
}

static void begin_pieces(struct served *served, void *pieces) {
    poplin_request body = served_question(served, POPLIN_QUESTION_BODY);
    assert_int_equal(poplin_server_body_pieces(served->server, body, pieces), POPLIN_OK);
}

static void test_a_message_in_pieces(void **state) {
    struct served *served = *state;
    struct raw raw;
    int maildrop, pieces;
    served_by_questions(served);
    served_let_in(served, &raw, &maildrop, 1);
    raw_say(&raw, "RETR 1\r\nTOP 1 0\r\n");
    begin_pieces(served, &pieces);
    give_piece(served, "one\r", false);
    give_piece(served, "\n.", false);
    assert_int_equal(served->released, 1);
    give_piece(served, "", false);
    give_piece(served, "two\nthree", false);
    give_piece(served, "", true);
    raw_expect(&raw, "+OK");
    raw_expect(&raw, "one");
    raw_expect(&raw, "..two");
    raw_expect(&raw, "three");
    raw_expect(&raw, ".");
    (void)served_question(served, POPLIN_QUESTION_PIECES_DONE);
    assert_ptr_equal(served->question.pieces, &pieces);
    assert_int_equal(served->released, 5);

    begin_pieces(served, &pieces);
    give_piece(served, "a: b\n\nbody", false);
    (void)served_question(served, POPLIN_QUESTION_PIECES_DONE); /* TOP needs no more */
    assert_int_equal(served->released, 6);
    raw_close(&raw);
    served_expect_close(served, &maildrop, POPLIN_DROPPED);
    served_no_question(served);
}

/* The first piece may be refused like a message; after that the client has a part of it. */
static void test_pieces_that_are_refused(void **state) {
    struct served *served = *state;
    struct raw raw;
    int maildrop, pieces[2];
    served_by_questions(served);
    served_let_in(served, &raw, &maildrop, 3);
    raw_say(&raw, "RETR 1\r\nRETR 2\r\nDELE 3\r\nQUIT\r\n");
    begin_pieces(served, &pieces[0]);
    poplin_request piece = served_question(served, POPLIN_QUESTION_PIECE);
    assert_int_equal(poplin_server_refuse(served->server, piece, POPLIN_ERR_REFUSED, "gone"), POPLIN_OK);
    raw_expect(&raw, "-ERR");
    (void)served_question(served, POPLIN_QUESTION_PIECES_DONE);
    assert_ptr_equal(served->question.pieces, &pieces[0]);

    begin_pieces(served, &pieces[1]);
    give_piece(served, "beginning\r\n", false);
    piece = served_question(served, POPLIN_QUESTION_PIECE);
    assert_int_equal(poplin_server_refuse(served->server, piece, POPLIN_ERR_TEMPORARY, NULL), POPLIN_OK);
    raw_expect(&raw, "+OK");
    raw_expect(&raw, "beginning");
    raw_expect_closed(&raw); /* and no terminator, and no commit */
    (void)served_question(served, POPLIN_QUESTION_PIECES_DONE);
    assert_ptr_equal(served->question.pieces, &pieces[1]);
    served_expect_close(served, &maildrop, POPLIN_FAILED);
    assert_int_equal(served->released, 1);
    served_no_question(served);
    raw_close(&raw);
}

static void test_a_wrong_size_is_told_to_the_owner(void **state) {
    struct served *served = *state;
    struct raw raw;
    int maildrop;
    poplin_listing listing = {SLICE("the-id"), 5, false};
    served_by_questions(served);
    served_dial(served, &raw);
    raw_say(&raw, "USER alice\r\nPASS secret\r\nRETR 1\r\n");
    (void)poplin_server_accept(served->server, served_question(served, POPLIN_QUESTION_CHECK));
    poplin_request open = served_question(served, POPLIN_QUESTION_MAILDROP);
    assert_int_equal(poplin_server_open(served->server, open, &maildrop, &listing, 1), POPLIN_OK);
    poplin_request body = served_question(served, POPLIN_QUESTION_BODY);
    assert_int_equal(poplin_server_body(served->server, body, "longer", 6, served_released, served), POPLIN_OK);
    (void)served_question(served, POPLIN_QUESTION_PROBLEM);
    assert_string_equal(served->question.error->doing, "RETR 1");
    assert_string_equal(served->question.error->reason, "unique-id the-id: 5 octets were announced, 8 were sent");
    raw_close(&raw);
}

/* ---- a backend that does what it likes ---- */

struct wilful {
    struct served *served;
    poplin_backend backend;
    int depth;
    struct raw other;
    int closed;
};

/* A script's, but for what the test puts in: it is asked by CHECK only. */
static struct wilful wilful_new(struct served *served) {
    struct wilful wilful = {.served = served, .backend = *poplin_questions_backend()};
    wilful.backend.secret = NULL;
    wilful.backend.token = NULL;
    wilful.backend.login_failed = NULL;
    return wilful;
}

static void refuse_check(void *context, poplin_server *server, poplin_request request, poplin_slice user,
                         poplin_slice password) {
    (void)context, (void)user, (void)password;
    (void)poplin_server_refuse(server, request, POPLIN_ERR_AUTH, NULL);
}

/* Steps the loop until another session has been served, which asks this very function. */
static void check_in_a_nested_step(void *context, poplin_server *server, poplin_request request, poplin_slice user,
                                   poplin_slice password) {
    struct wilful *wilful = context;
    if (user.size != 5) {
        refuse_check(context, server, request, user, password);
        return;
    }
    assert_int_equal(wilful->depth++, 0);
    raw_expect(&wilful->other, "+OK");
    raw_say(&wilful->other, "USER bob\r\nPASS x\r\n");
    raw_expect(&wilful->other, "+OK");
    raw_expect(&wilful->other, "-ERR");
    assert_memory_equal(user.data, "alice", 5);
    assert_memory_equal(password.data, "secret", 6);
    assert_int_equal(poplin_server_refuse(server, request, POPLIN_ERR_AUTH, NULL), POPLIN_OK);
    assert_memory_equal(password.data, "secret", 6); /* lives during the call, answered or not */
    raw_settle(wilful->served->loop);
    wilful->depth--;
}

static void test_a_callback_steps_its_own_loop(void **state) {
    struct served *served = *state;
    struct wilful wilful = wilful_new(served);
    struct raw raw;
    wilful.backend.check = check_in_a_nested_step;
    served_start(served, &wilful.backend, &wilful);
    served_dial(served, &raw);
    served_dial(served, &wilful.other);
    raw_expect(&raw, "+OK");
    raw_say(&raw, "USER alice\r\nPASS secret\r\nNOOP\r\n");
    raw_expect(&raw, "+OK");
    raw_expect(&raw, "-ERR [AUTH]");
    raw_expect(&raw, "-ERR");
    raw_close(&raw);
    raw_close(&wilful.other);
}

static void stop_in_check(void *context, poplin_server *server, poplin_request request, poplin_slice user,
                          poplin_slice password) {
    struct wilful *wilful = context;
    (void)server, (void)request, (void)user, (void)password;
    served_stop(wilful->served);
}

static void accept_check(void *context, poplin_server *server, poplin_request request, poplin_slice user,
                         poplin_slice password) {
    (void)context, (void)user, (void)password;
    (void)poplin_server_accept(server, request);
}

static void open_two(void *context, poplin_server *server, poplin_request request, poplin_slice user) {
    poplin_listing listings[] = {{SLICE("a"), 3, false}, {SLICE("b"), 3, false}};
    (void)user;
    (void)poplin_server_open(server, request, context, listings, 2);
}

static void stop_when_released(void *context, const void *data) {
    struct wilful *wilful = context;
    (void)data;
    served_stop(wilful->served);
}

static void body_that_stops(void *context, poplin_server *server, poplin_request request, void *maildrop, size_t index,
                            poplin_slice unique_id) {
    (void)maildrop, (void)index, (void)unique_id;
    (void)poplin_server_body(server, request, "x\r\n", 3, stop_when_released, context);
}

static void stop_in_commit(void *context, poplin_server *server, poplin_request request, void *maildrop,
                           const size_t *indexes, const poplin_slice *unique_ids, size_t count) {
    struct wilful *wilful = context;
    (void)maildrop;
    assert_int_equal(count, 2);
    assert_int_equal(poplin_server_accept(server, request), POPLIN_OK);
    served_stop(wilful->served);
    assert_int_equal(indexes[1], 1); /* they live during the call */
    assert_memory_equal(unique_ids[1].data, "b", 1);
}

static void count_close(void *context, void *maildrop, const poplin_session_end *end) {
    struct wilful *wilful = context;
    assert_ptr_equal(maildrop, wilful);
    assert_memory_equal(end->user.data, "alice", 5);
    wilful->closed++;
    served_stop(wilful->served); /* it may be stopped in here as well */
}

/* Wherever the server is freed, the maildrop is closed once, and before the free has returned. */
static void test_a_callback_frees_the_server(void **state) {
    struct served *served = *state;
    static const char *const conversations[] = {"", "RETR 1\r\n", "DELE 1\r\nDELE 2\r\nQUIT\r\n", "QUIT\r\n"};
    for (size_t i = 0; i < COUNT_OF(conversations) + 1; i++) {
        struct wilful wilful = wilful_new(served);
        struct raw raw;
        wilful.backend.check = i < COUNT_OF(conversations) ? accept_check : stop_in_check;
        wilful.backend.maildrop = open_two;
        wilful.backend.body = body_that_stops;
        wilful.backend.commit = stop_in_commit;
        wilful.backend.close = count_close;
        served_start(served, &wilful.backend, &wilful);
        served_dial(served, &raw);
        raw_say(&raw, "USER alice\r\nPASS secret\r\n");
        raw_say(&raw, i < COUNT_OF(conversations) ? conversations[i] : "");
        if (i == 0) {
            raw_expect(&raw, "+OK");
            raw_expect(&raw, "+OK");
            raw_expect(&raw, "+OK");
            served_stop(served);
        }
        while (served->server != NULL)
            served_step(served);
        assert_int_equal(wilful.closed, i < COUNT_OF(conversations));
        raw_close(&raw);
    }
}

static void stop_and_see_the_close(void *context, const void *data) {
    struct wilful *wilful = context;
    (void)data;
    assert_int_equal(wilful->closed, 0);
    served_stop(wilful->served);
    assert_int_equal(wilful->closed, 1);
}

static char huge[16 << 20];

static void huge_body(void *context, poplin_server *server, poplin_request request, void *maildrop, size_t index,
                      poplin_slice unique_id) {
    (void)maildrop, (void)index, (void)unique_id;
    (void)poplin_server_body(server, request, huge, sizeof huge, stop_and_see_the_close, context);
}

/* The session is just ending, and gives back what it had borrowed, when the server goes. */
static void test_the_server_is_freed_while_a_session_ends(void **state) {
    struct served *served = *state;
    struct wilful wilful = wilful_new(served);
    struct raw raw;
    wilful.backend.check = accept_check;
    wilful.backend.maildrop = open_two;
    wilful.backend.body = huge_body;
    wilful.backend.close = count_close;
    memset(huge, 'x', sizeof huge);
    served_start(served, &wilful.backend, &wilful);
    served_dial(served, &raw);
    raw_login(&raw, "alice", "secret");
    raw_say(&raw, "RETR 1\r\n");
    raw_expect(&raw, "+OK");
    raw_reset(&raw);
    while (served->server != NULL)
        served_step(served);
    assert_int_equal(wilful.closed, 1);
}

static void close_and_step(void *context, void *maildrop, const poplin_session_end *end) {
    struct wilful *wilful = context;
    (void)maildrop, (void)end;
    raw_close(&wilful->other); /* the loop notices, while the connection is being stopped */
    raw_settle(wilful->served->loop);
    wilful->closed++;
}

/* holds: T-API-1 S */
static void test_a_close_steps_the_loop_while_the_server_is_freed(void **state) {
    struct served *served = *state;
    struct wilful wilful = wilful_new(served);
    wilful.backend.check = accept_check;
    wilful.backend.maildrop = open_two;
    wilful.backend.close = close_and_step;
    served_start(served, &wilful.backend, &wilful);
    served_login(served, &wilful.other);
    served_stop(served);
    assert_int_equal(wilful.closed, 1);
}

static void count_close_only(void *context, void *maildrop, const poplin_session_end *end) {
    struct wilful *wilful = context;
    (void)maildrop, (void)end;
    wilful->closed++;
}

static void body_in_pieces(void *context, poplin_server *server, poplin_request request, void *maildrop, size_t index,
                           poplin_slice unique_id) {
    (void)maildrop, (void)index, (void)unique_id;
    assert_int_equal(poplin_server_body_pieces(server, request, context), POPLIN_OK);
}

static void one_piece(void *context, poplin_server *server, poplin_request request, void *maildrop, void *pieces) {
    (void)maildrop, (void)pieces;
    (void)poplin_server_piece(server, request, "x\n", 2, true, stop_and_see_the_close, context);
}

static void count_pieces_done(void *context, void *maildrop, void *pieces) {
    struct wilful *wilful = context;
    (void)maildrop, (void)pieces;
    assert_int_equal(wilful->closed, 0);
    wilful->depth++;
}

static void no_piece(void *context, poplin_server *server, poplin_request request, void *maildrop, void *pieces) {
    (void)context, (void)server, (void)request, (void)maildrop, (void)pieces;
}

static void pieces_done_before_the_close(void *context, void *maildrop, void *pieces) {
    struct wilful *wilful = context;
    (void)maildrop, (void)pieces;
    wilful->depth++;
    stop_and_see_the_close(context, NULL);
}

/* The last piece comes back, then the pieces, then the maildrop, all of it before the server is freed. */
static void test_the_server_is_freed_when_a_piece_comes_back(void **state) {
    struct served *served = *state;
    struct wilful wilful = wilful_new(served);
    struct raw raw;
    wilful.backend.check = accept_check;
    wilful.backend.maildrop = open_two;
    wilful.backend.body = body_in_pieces;
    wilful.backend.piece = one_piece;
    wilful.backend.pieces_done = count_pieces_done;
    wilful.backend.close = count_close_only;
    served_start(served, &wilful.backend, &wilful);
    served_login(served, &raw);
    raw_say(&raw, "RETR 1\r\n");
    while (served->server != NULL)
        served_step(served);
    assert_int_equal(wilful.depth, 1);
    assert_int_equal(wilful.closed, 1);
    raw_close(&raw);
}

/* The client goes before the first piece came: the session ends on its own, and the pieces go first. */
static void test_the_server_is_freed_when_the_pieces_go(void **state) {
    struct served *served = *state;
    struct wilful wilful = wilful_new(served);
    struct unix_address address;
    struct raw raw;
    wilful.backend.check = accept_check;
    wilful.backend.maildrop = open_two;
    wilful.backend.body = body_in_pieces;
    wilful.backend.piece = no_piece;
    wilful.backend.pieces_done = pieces_done_before_the_close;
    wilful.backend.close = count_close_only;
    served->config.path = unix_address_new(&address);
    served_start(served, &wilful.backend, &wilful);
    raw_dial_unix(&raw, served->loop, address.path);
    raw_login(&raw, "alice", "secret");
    (void)raw_fill(&raw);
    raw_say(&raw, "RETR 1\r\n");
    raw_settle(served->loop);
    raw_close(&raw);
    while (served->server != NULL)
        served_step(served);
    assert_int_equal(wilful.depth, 1);
    assert_int_equal(wilful.closed, 1);
    unix_address_free(&address, served);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED_TEST(test_an_answer_counts_once),
        SERVED_TEST(test_numbers_are_never_used_again),
        SERVED_TEST(test_answers_for_a_session_that_is_gone),
        SERVED_TEST(test_an_answer_from_another_thread),
        SERVED_TEST(test_a_delivery_from_another_thread),
        SERVED_TEST(test_a_message_from_a_file),
        SERVED_TEST(test_what_is_no_file_is_refused),
        SERVED_TEST(test_a_file_that_cannot_be_read),
        SERVED_TEST(test_a_message_in_pieces),
        SERVED_TEST(test_pieces_that_are_refused),
        SERVED_TEST(test_a_wrong_size_is_told_to_the_owner),
        SERVED_TEST(test_a_callback_steps_its_own_loop),
        SERVED_TEST(test_a_callback_frees_the_server),
        SERVED_TEST(test_the_server_is_freed_while_a_session_ends),
        SERVED_TEST(test_a_close_steps_the_loop_while_the_server_is_freed),
        SERVED_TEST(test_the_server_is_freed_when_a_piece_comes_back),
        SERVED_TEST(test_the_server_is_freed_when_the_pieces_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
