/*
 * fetch/progress.c - how far a fetch is, for a host that tells: not with each piece, since telling takes time too.
 */
#include <poplin/fetch.h>

/* Octets of one message after which progress is told, though the message has not ended. */
enum { TELL_OCTETS = 1 << 20 };

bool poplin_fetch_has_news(const poplin_fetch *fetch, poplin_fetch_progress *told) {
    poplin_fetch_progress now;
    poplin_fetch_progress_now(fetch, &now);
    if (now.messages_done == told->messages_done && now.messages_to_do == told->messages_to_do &&
        now.deleted == told->deleted && now.known == told->known && now.octets_done - told->octets_done < TELL_OCTETS)
        return false;
    *told = now;
    return true;
}
