/*
 * fetch/order.c - what is taken in a session, how much of it, and in which order.
 *
 * A fetch is finite, whatever the server lists from session to session: it begins as many messages as the first listing had for it to
 * take. And what ends the session each time, or fails, keeps no others from being taken, nor from being deleted: it waits until
 * these have had their turn, and, where that session has something to delete, until it has ended by QUIT.
 */
#include "fetch/fetch.h"

#include <stdlib.h>

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

/* The first session's order bounds the fetch: what comes later is for the next one. */
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
            fetch->order[fetch->order_count++] = index;
        tried = item->tried > tried ? item->tried : tried;
    }
    fetch->tried = poplin_fetch_later_than(fetch, tried);
    if (fetch->order_count > 0)
        qsort_r(fetch->order, fetch->order_count, sizeof *fetch->order, by_turn, fetch);
    if (!fetch->planned)
        fetch->most = limit != 0 && limit < fetch->order_count ? limit : (uint32_t)fetch->order_count;
    fetch->planned = true;
    return status;
}

/* How many messages a session takes at most, before it ends so that deletions are made. */
static uint32_t commit_every(const poplin_fetch *fetch) {
    const uint32_t every = fetch->config.commit_every;
    const bool one_session = fetch->config.dry_run || fetch->by_number || fetch->login_delay_ms > DELAY_MAX_MS;
    return every == 0 || one_session ? UINT32_MAX : every;
}

uint32_t poplin_fetch_room(const poplin_fetch *fetch) {
    const uint32_t room = fetch->most - fetch->taken, every = commit_every(fetch);
    return every < room ? every : room;
}

/* Whether another session may be begun for what was tried before: once, so that the fetch comes to its end. */
static bool may_put_off(const poplin_fetch *fetch) {
    return !fetch->retries && !fetch->config.dry_run && fetch->login_delay_ms <= RETRY_DELAY_MAX_MS;
}

void poplin_fetch_close_order(poplin_fetch *fetch) {
    const uint32_t room = poplin_fetch_room(fetch), most = fetch->most - fetch->taken;
    const bool patient = may_put_off(fetch);
    bool deletes = fetch->doomed_count > 0;
    size_t kept = 0, put_off = 0, left = 0;
    fetch->octets_left = 0;
    for (size_t place = 0; place < fetch->order_count; place++) {
        poplin_item *item = &fetch->items[fetch->order[place]];
        if (!is_candidate(item) || item->result != POPLIN_RESULT_NONE)
            continue;
        if (kept + left < most)
            fetch->octets_left += poplin_fetch_expected(item);
        const bool fits = kept + put_off < room && (!fetch->config.filter || item->accepted);
        const bool waits = fits && patient && deletes && item->resumed;
        put_off += waits;
        if (fits && !waits) {
            fetch->order[kept++] = fetch->order[place];
            deletes = deletes || (!item->resumed && poplin_fetch_is_due(fetch, item));
        } else {
            item->plan = POPLIN_PLAN_LEAVE;
            left++;
        }
    }
    fetch->order_count = kept;
    fetch->taken += (uint32_t)kept;
    fetch->retries = fetch->retries || put_off > 0;
    fetch->cut_short = kept + put_off > 0 && left > 0 && fetch->taken < fetch->most && fetch->aside.size <= ASIDE_MAX;
    fetch->progress.messages_to_do =
        fetch->progress.messages_done + (uint32_t)(kept + left < most ? kept + left : most);
}
