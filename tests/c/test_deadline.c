/*
 * test_deadline.c - the heap of deadlines, held against a list that is searched.
 */
#include "loop/deadline.h"

#include "support.h"

enum { OWNERS = 300, ROUNDS = 20000, SPAN_MS = 100000 };

struct owner {
    poplin_ready ready;
    poplin_deadline deadline;
};

static void never(void *context) {
    (void)context;
}

static uint64_t earliest(const struct owner *owners) {
    uint64_t due = UINT64_MAX;
    for (size_t i = 0; i < OWNERS; i++)
        if (owners[i].deadline.set && owners[i].deadline.due < due)
            due = owners[i].deadline.due;
    return due;
}

static void change(struct owner *owner, uint64_t *seed) {
    if (random_below(seed, 4) == 0)
        poplin_deadline_clear(&owner->deadline);
    else
        poplin_deadline_set(&owner->deadline, random_below(seed, SPAN_MS));
}

/* Exactly those that were due have expired. */
static void let_time_pass(poplin_loop *loop, struct owner *owners, uint64_t milliseconds) {
    uint64_t before[OWNERS];
    for (size_t i = 0; i < OWNERS; i++)
        before[i] = owners[i].deadline.set ? owners[i].deadline.due : UINT64_MAX;
    poplin_loop_advance(loop, milliseconds);
    uint64_t from = poplin_loop_now(loop);
    poplin_deadlines_expire(loop);
    uint64_t to = poplin_loop_now(loop);
    for (size_t i = 0; i < OWNERS; i++) {
        if (before[i] <= from)
            assert_true(owners[i].deadline.expired && !owners[i].deadline.set);
        if (before[i] > to && before[i] != UINT64_MAX)
            assert_true(owners[i].deadline.set && !owners[i].deadline.expired);
    }
}

static void test_the_first_is_always_known(void **state) {
    static struct owner owners[OWNERS];
    poplin_loop *loop;
    uint64_t seed = 11;
    (void)state;
    assert_int_equal(poplin_loop_new(&loop), POPLIN_OK);
    for (size_t i = 0; i < OWNERS; i++) {
        poplin_ready_init(&owners[i].ready, loop, never, NULL);
        poplin_deadline_init(&owners[i].deadline, &owners[i].ready);
    }
    for (int round = 0; round < ROUNDS; round++) {
        change(&owners[random_below(&seed, OWNERS)], &seed);
        if (random_below(&seed, 50) == 0)
            let_time_pass(loop, owners, random_below(&seed, SPAN_MS / 20));
        assert_true(poplin_deadlines_next(loop) == earliest(owners));
    }
    let_time_pass(loop, owners, SPAN_MS);
    assert_true(poplin_deadlines_next(loop) == UINT64_MAX);
    for (size_t i = 0; i < OWNERS; i++) {
        poplin_ready_remove(&owners[i].ready);
        assert_false(owners[i].deadline.set);
    }
    poplin_loop_free(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_first_is_always_known)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
