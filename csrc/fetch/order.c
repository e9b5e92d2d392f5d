/*
 * fetch/order.c - what is taken in a session, how much of it, in which order, and what at once.
 *
 * A fetch is finite, whatever the server lists from session to session: it begins as many messages as the first listing had for it to
 * take. And what ends the session each time, or fails, keeps no others from being taken, nor from being deleted: it waits until
 * these have had their turn, and, where that session has something to delete, until it has ended by QUIT.
 *
 * So a session has rounds. The first takes all that was not tried before. What was is taken in rounds of one message, two, four
 * and so on, each when the one before is on record: so one at which the fetch is killed each time, or the server hangs up
 * without what it has not sent yet of those before, or before the filter has seen others, is soon told from these.
 */
#include "fetch/fetch.h"

#include <stdlib.h>
#include <string.h>

/*
 * What a server may ask for between two logins, for sessions that were asked for and for one that was not, and the octets of keys
 * that are set aside, for another session to follow.
 */
enum { DELAY_MAX_MS = 60 * 60 * 1000, RETRY_DELAY_MAX_MS = 60 * 1000, ASIDE_MAX = 64 << 20 };

static bool is_candidate(const poplin_item *item) {
    return item->plan == POPLIN_PLAN_TAKE || item->plan == POPLIN_PLAN_HEADERS;
}

uint64_t poplin_fetch_expected(const poplin_item *item) {
    static const uint64_t most = (uint64_t)1 << 40;
    if (item->plan != POPLIN_PLAN_TAKE || item->octets == POPLIN_OCTETS_UNKNOWN)
        return 0;
    return item->octets < most ? item->octets : most;
}

/* What was not tried before goes first, then what was tried longest ago. */
static int by_turn(const void *left, const void *right, void *context) {
    const poplin_fetch *fetch = context;
    const poplin_item *a = &fetch->items[*(const size_t *)left], *b = &fetch->items[*(const size_t *)right];
    if (a->tried != b->tried)
        return a->tried < b->tried ? -1 : 1;
    return (a->number > b->number) == fetch->config.newest_first ? -1 : 1;
}

/* What an item that is not taken is told as, or that it is not told again. */
static int settle_result(poplin_fetch *fetch, poplin_item *item) {
    if (item->key_size == 0)
        item->result = POPLIN_RESULT_NO_ID;
    if (item->aside) {
        item->plan = POPLIN_PLAN_LEAVE;
        item->result = POPLIN_RESULT_NONE;
    } else if (item->result == POPLIN_RESULT_NO_ID || item->result == POPLIN_RESULT_TOO_LARGE) {
        return poplin_fetch_note_error(fetch, item, item->result, NULL);
    }
    return POPLIN_OK;
}

/* The first session's queue bounds the fetch: what comes later is for the next one. */
int poplin_fetch_arrange(poplin_fetch *fetch) {
    const uint32_t limit = fetch->config.limit;
    int64_t tried = 0;
    int status = POPLIN_OK;
    for (size_t index = 0; index < fetch->item_count && status == POPLIN_OK; index++) {
        poplin_item *item = &fetch->items[index];
        status = settle_result(fetch, item);
        if (item->plan == POPLIN_PLAN_DELETE)
            fetch->doomed[fetch->doomed_count++] = index;
        else if (is_candidate(item))
            fetch->queue[fetch->queue_count++] = index;
        tried = item->tried > tried ? item->tried : tried;
    }
    fetch->tried = poplin_fetch_later_than(fetch, tried);
    if (fetch->queue_count > 0)
        qsort_r(fetch->queue, fetch->queue_count, sizeof *fetch->queue, by_turn, fetch);
    if (!fetch->planned)
        fetch->most = limit != 0 && limit < fetch->queue_count ? limit : (uint32_t)fetch->queue_count;
    fetch->planned = true;
    fetch->queue_open = fetch->queue_count;
    fetch->portion = 1;
    (void)poplin_fetch_begin_round(fetch);
    return status;
}

/* How many messages a session takes at most, before it ends so that deletions are made. */
static uint32_t commit_every(const poplin_fetch *fetch) {
    const uint32_t every = fetch->config.commit_every;
    const bool one_session = fetch->config.dry_run || fetch->by_number || fetch->login_delay_ms > DELAY_MAX_MS;
    return every == 0 || one_session ? UINT32_MAX : every;
}

uint32_t poplin_fetch_room(const poplin_fetch *fetch) {
    const uint32_t room = fetch->most - fetch->taken, every = commit_every(fetch) - fetch->session_taken;
    return every < room ? every : room;
}

/* ---- rounds ---- */

static bool was_tried(const poplin_item *item) {
    return item->tried != 0 && !item->again;
}

/*
 * Another session is begun for what was tried before, where this one has something to delete and has not tried any of that yet: once,
 * so that the fetch comes to its end.
 */
static bool has_to_put_off(const poplin_fetch *fetch) {
    return fetch->doomed_count > 0 && fetch->portion == 1 && !fetch->retries && !fetch->config.dry_run &&
           fetch->login_delay_ms <= RETRY_DELAY_MAX_MS;
}

/* Begins no more of them; another session follows where this one leaves something, and has taken something or put it off. */
static bool end_rounds(poplin_fetch *fetch) {
    const bool waits = fetch->queue_open < fetch->queue_count;
    const bool leaves = fetch->left || fetch->queue_begun < fetch->queue_count;
    fetch->cut_short =
        (waits || (fetch->session_taken > 0 && leaves)) && fetch->taken < fetch->most && fetch->aside.size <= ASIDE_MAX;
    return false;
}

/* Puts what was tried to the queue's end, where this session does not come; the order is empty, and lends its room. */
static void put_off(poplin_fetch *fetch) {
    size_t open = fetch->queue_begun, waiting = 0;
    for (size_t place = open; place < fetch->queue_count; place++) {
        const size_t index = fetch->queue[place];
        if (fetch->items[index].resumed)
            fetch->order[waiting++] = index;
        else
            fetch->queue[open++] = index;
    }
    memcpy(fetch->queue + open, fetch->order, waiting * sizeof *fetch->order);
    fetch->queue_open = open;
    fetch->retries = waiting > 0;
}

static bool is_first_round(const poplin_fetch *fetch, size_t place) {
    return fetch->config.dry_run || !was_tried(&fetch->items[fetch->queue[place]]);
}

bool poplin_fetch_begin_round(poplin_fetch *fetch) {
    fetch->order_count = fetch->order_ended = 0;
    fetch->order_taken = false;
    if (has_to_put_off(fetch))
        put_off(fetch);
    const size_t open = fetch->queue_open;
    size_t begun = fetch->queue_begun;
    if (begun == open || poplin_fetch_room(fetch) == 0)
        return end_rounds(fetch);
    while (begun < open && is_first_round(fetch, begun))
        fetch->order[fetch->order_count++] = fetch->queue[begun++];
    if (fetch->order_count == 0) {
        while (begun < open && fetch->order_count < fetch->portion)
            fetch->order[fetch->order_count++] = fetch->queue[begun++];
        fetch->portion *= 2;
    }
    fetch->queue_begun = begun;
    return true;
}

/* Octets of what other rounds, or sessions, may take behind so many messages. */
static uint64_t expect_more(const poplin_fetch *fetch, size_t messages, size_t most) {
    uint64_t octets = 0;
    for (size_t place = fetch->queue_begun; place < fetch->queue_count && messages < most; place++, messages++)
        octets += poplin_fetch_expected(&fetch->items[fetch->queue[place]]);
    return octets;
}

void poplin_fetch_close_order(poplin_fetch *fetch) {
    const uint32_t room = poplin_fetch_room(fetch), most = fetch->most - fetch->taken;
    size_t kept = 0, left = 0;
    fetch->octets_left = 0;
    for (size_t place = 0; place < fetch->order_count; place++) {
        poplin_item *item = &fetch->items[fetch->order[place]];
        if (!is_candidate(item) || item->result != POPLIN_RESULT_NONE)
            continue;
        if (kept + left < most)
            fetch->octets_left += poplin_fetch_expected(item);
        if (kept < room && (!fetch->config.filter || item->accepted)) {
            fetch->order[kept++] = fetch->order[place];
        } else {
            item->plan = POPLIN_PLAN_LEAVE;
            left++;
        }
    }
    fetch->order_count = kept;
    fetch->taken += (uint32_t)kept;
    fetch->session_taken += (uint32_t)kept;
    fetch->left = fetch->left || left > 0;
    fetch->octets_left += expect_more(fetch, kept + left, most);
    left += fetch->queue_count - fetch->queue_begun;
    fetch->progress.messages_to_do =
        fetch->progress.messages_done + (uint32_t)(kept + left < most ? kept + left : most);
}
