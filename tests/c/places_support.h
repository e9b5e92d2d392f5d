/*
 * places_support.h - what the tests of places share: three Maildirs, the engine's events as a test makes them, what was answered,
 * and steps of a delivery that fail where a test says. The linker puts the functions below in the place of the library's
 * (CMakeLists.txt names the tests for which it does).
 */
#ifndef PLACES_SUPPORT_H
#define PLACES_SUPPORT_H

#include <poplin/places.h>

#include "delivery_support.h"

enum { MAILDIRS = 3 };

struct placed {
    struct mail *mail;
    poplin_places *places;
    poplin_delivery *deliveries[MAILDIRS]; /* into a, b and c */
};

/* ---- the engine ---- */

static struct {
    size_t count;
    int status;
    char reason[320];
    size_t unsettled; /* messages; the last of them: */
    uint32_t number;
    char missed[320];
} answered;

int __wrap_poplin_fetch_answer(poplin_fetch *fetch, int status, const poplin_error *error);
int __wrap_poplin_fetch_answer(poplin_fetch *fetch, int status, const poplin_error *error) {
    assert_null(fetch);
    answered.count++;
    answered.status = status;
    copy_text(answered.reason, sizeof answered.reason, error == NULL ? "" : error->reason);
    return POPLIN_OK;
}

int __wrap_poplin_fetch_unsettled(poplin_fetch *fetch, uint32_t number, int status, const poplin_error *error);
int __wrap_poplin_fetch_unsettled(poplin_fetch *fetch, uint32_t number, int status, const poplin_error *error) {
    assert_null(fetch);
    assert_int_equal(answered.count, 0);
    assert_int_equal(status, error->status);
    answered.unsettled++;
    answered.number = number;
    copy_text(answered.missed, sizeof answered.missed, error->reason);
    return POPLIN_OK;
}

/* An event of the message with this unique-id, which is its number. */
static inline bool serve(poplin_places *places, enum poplin_fetch_event_kind kind, const char *uid, poplin_slice text) {
    poplin_fetch_event event = {.kind = kind, .account = "a", .text = text};
    event.message = letter(uid, FIRST_SEEN, false);
    answered.count = answered.unsettled = 0;
    return poplin_places_serve(places, NULL, &event);
}

/* The event is answered, once, with that. */
static inline void expect_answer(poplin_places *places, enum poplin_fetch_event_kind kind, const char *uid,
                                 const char *text, int status) {
    assert_true(serve(places, kind, uid, slice_of(text)));
    assert_int_equal(answered.count, 1);
    if (answered.status != status)
        fail_msg("%d, not %d: %s", answered.status, status, answered.reason);
}

/* A message up to DELIVER, which is served and not answered. */
static inline void bring(poplin_places *places, const char *uid, const char *text) {
    expect_answer(places, POPLIN_FETCH_BEGIN, uid, "", POPLIN_OK);
    expect_answer(places, POPLIN_FETCH_PIECE, uid, text, POPLIN_OK);
    assert_false(serve(places, POPLIN_FETCH_DELIVER, uid, SLICE("")));
    assert_int_equal(answered.count, 0);
}

static inline void expect_delivered(poplin_places *places, int status) {
    answered.count = 0;
    assert_int_equal(poplin_places_answer(places, NULL, POPLIN_OK, NULL), POPLIN_OK);
    assert_int_equal(answered.count, 1);
    assert_int_equal(answered.status, status);
}

static inline void expect_settled(poplin_places *places, int status) {
    expect_answer(places, POPLIN_FETCH_SETTLE, "", "", status);
}

/* ---- deliveries that fail ---- */

enum step { BEGIN = 1, WRITE, END, SETTLE };

static struct {
    const poplin_delivery *delivery; /* NULL: any */
    enum step step;                  /* 0: none */
    size_t settled;                  /* calls */
} failing_delivery;

static inline bool fails(const poplin_delivery *delivery, enum step step, poplin_error *error) {
    failing_delivery.settled += step == SETTLE;
    if (failing_delivery.step != step || (failing_delivery.delivery != NULL && failing_delivery.delivery != delivery))
        return false;
    error->status = POPLIN_ERR_IO;
    strcpy(error->reason, "the disk is full");
    return true;
}

int __real_poplin_delivery_begin(poplin_delivery *delivery, const char *account, const poplin_fetch_message *message,
                                 poplin_error *error);
int __wrap_poplin_delivery_begin(poplin_delivery *delivery, const char *account, const poplin_fetch_message *message,
                                 poplin_error *error);
int __wrap_poplin_delivery_begin(poplin_delivery *delivery, const char *account, const poplin_fetch_message *message,
                                 poplin_error *error) {
    return fails(delivery, BEGIN, error) ? POPLIN_ERR_IO
                                         : __real_poplin_delivery_begin(delivery, account, message, error);
}

int __real_poplin_delivery_write(poplin_delivery *delivery, poplin_slice octets, poplin_error *error);
int __wrap_poplin_delivery_write(poplin_delivery *delivery, poplin_slice octets, poplin_error *error);
int __wrap_poplin_delivery_write(poplin_delivery *delivery, poplin_slice octets, poplin_error *error) {
    if (!fails(delivery, WRITE, error))
        return __real_poplin_delivery_write(delivery, octets, error);
    poplin_delivery_abandon(delivery);
    return POPLIN_ERR_IO;
}

int __real_poplin_delivery_end(poplin_delivery *delivery, const char **name, poplin_error *error);
int __wrap_poplin_delivery_end(poplin_delivery *delivery, const char **name, poplin_error *error);
int __wrap_poplin_delivery_end(poplin_delivery *delivery, const char **name, poplin_error *error) {
    if (!fails(delivery, END, error))
        return __real_poplin_delivery_end(delivery, name, error);
    poplin_delivery_abandon(delivery);
    return POPLIN_ERR_IO;
}

/* It fails for all; for one message of several it does where new is removed. */
int __real_poplin_delivery_settle_each(poplin_delivery *delivery, size_t *missed, poplin_error *error);
int __wrap_poplin_delivery_settle_each(poplin_delivery *delivery, size_t *missed, poplin_error *error);
int __wrap_poplin_delivery_settle_each(poplin_delivery *delivery, size_t *missed, poplin_error *error) {
    if (!fails(delivery, SETTLE, error))
        return __real_poplin_delivery_settle_each(delivery, missed, error);
    *missed = 0;
    return POPLIN_ERR_IO;
}

static inline void fail_in(const poplin_delivery *delivery, enum step step) {
    failing_delivery.delivery = delivery;
    failing_delivery.step = step;
}

/* ---- the Maildirs ---- */

/* So many messages are in new, and none in tmp. */
static inline void expect_in(const struct placed *placed, char maildir, size_t count) {
    const char fresh[] = {maildir, '/', 'n', 'e', 'w', '\0'}, temporary[] = {maildir, '/', 't', 'm', 'p', '\0'};
    assert_int_equal(count_files(placed->mail, fresh, NULL), count);
    assert_int_equal(count_files(placed->mail, temporary, NULL), 0);
}

static inline int placed_set_up(void **state) {
    struct placed *placed = calloc(1, sizeof *placed);
    void *mail = NULL;
    memset(&failing_delivery, 0, sizeof failing_delivery);
    assert_int_equal(mail_set_up(&mail), 0);
    placed->mail = mail;
    assert_int_equal(poplin_places_new(&placed->places), POPLIN_OK);
    for (size_t i = 0; i < MAILDIRS; i++) {
        const char name[] = {(char)('a' + i), '\0'};
        assert_int_equal(poplin_delivery_open(mail_path(placed->mail, name), false, &placed->deliveries[i], NULL), 0);
        assert_int_equal(poplin_places_add(placed->places, placed->deliveries[i]), POPLIN_OK);
    }
    *state = placed;
    return 0;
}

static inline void placed_close(struct placed *placed, size_t i) {
    poplin_delivery_free(placed->deliveries[i]);
    placed->deliveries[i] = NULL;
}

static inline int placed_tear_down(void **state) {
    struct placed *placed = *state;
    void *mail = placed->mail;
    poplin_places_free(placed->places);
    for (size_t i = 0; i < MAILDIRS; i++)
        placed_close(placed, i);
    free(placed);
    return mail_tear_down(&mail);
}

#define PLACES_TEST(function) cmocka_unit_test_setup_teardown(function, placed_set_up, placed_tear_down)

#endif
