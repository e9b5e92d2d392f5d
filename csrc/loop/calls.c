/* loop/calls.c - see calls.h; and the deletions that nobody waits for. */
#include "loop/calls.h"
#include "loop/link.h"
#include "wire/grammar.h"

#include <stdio.h>

void poplin_calls_add(poplin_asker *asker) {
    poplin_calls *calls = &asker->link->calls;

    asker->next = calls->askers;
    asker->place = &calls->askers;
    if (asker->next)
        asker->next->place = &asker->next;
    calls->askers = asker;
}

void poplin_calls_remove(poplin_asker *asker) {
    *asker->place = asker->next;
    if (asker->next)
        asker->next->place = asker->place;
}

/* Everything that still points into the receive buffer is copied out of it. */
static int keep_all(const poplin_calls *calls) {
    int status = POPLIN_OK;

    for (poplin_asker *asker = calls->askers; asker && status == POPLIN_OK; asker = asker->next)
        status = asker->keep(asker);
    return status;
}

/* Events without a tag, the greeting and the like, are the link's: it has seen to them. */
static int give(const poplin_client_event *event, const poplin_asker *asked) {
    poplin_asker *asker = (poplin_asker *)(uintptr_t)event->tag;

    return asker ? asker->take(asker, event, asker == asked) : POPLIN_OK;
}

int poplin_calls_route(poplin_link *link, const poplin_asker *asker) {
    poplin_client_event event;
    int status = poplin_link_pull(link, &event);

    if (status == POPLIN_WAITING)
        status = keep_all(&link->calls);
    else if (status == POPLIN_OK)
        status = give(&event, asker);
    else
        return status;
    if (status == POPLIN_ERR_NOMEM)
        poplin_link_fail(link, status, "out of memory for what the server sends");
    else if (status == POPLIN_ERR_LIMIT)
        poplin_link_fail(link, status,
                         "more content came in while another command was waited for than may be kept; "
                         "take the messages first");
    return status;
}

/* ---- commands that nobody waits for ---- */

static int take_dele(poplin_asker *asker, const poplin_client_event *event, bool asked) {
    const poplin_reply reply = {
        .status = event->status, .code = event->code, .text = event->text, .number = event->number};
    poplin_calls *calls = &asker->link->calls;

    (void)asked;
    if (event->status == POPLIN_OK || calls->refusal_is_new)
        return POPLIN_OK; /* of several refusals the first tells more: the others often follow from it */
    poplin_link_describe(asker->link, event->verb, &reply, &calls->refusal);
    calls->refusal_is_new = true;
    return POPLIN_OK;
}

int poplin_link_dele(poplin_link *link, uint32_t number) {
    const poplin_command command = {.verb = POPLIN_DELE, .number = number};
    poplin_asker *deles = &link->calls.deles;

    *deles = (poplin_asker){.link = link, .take = take_dele};
    return poplin_link_submit(link, &command, (uint64_t)(uintptr_t)deles);
}

int poplin_calls_refused(poplin_link *link) {
    if (!link->calls.refusal_is_new)
        return POPLIN_OK;
    link->calls.refusal_is_new = false;
    return link->calls.refusal.status;
}

const poplin_error *poplin_link_refusal(const poplin_link *link) {
    return link->calls.refusal.status == POPLIN_OK ? NULL : &link->calls.refusal;
}

void poplin_link_describe(const poplin_link *link, enum poplin_verb verb, const poplin_reply *reply,
                          poplin_error *error) {
    *error = (poplin_error){.status = reply->status, .code = reply->code};
    if (reply->number > 0)
        snprintf(error->doing, sizeof error->doing, "%s %u", poplin_verb_name(verb), (unsigned)reply->number);
    else
        snprintf(error->doing, sizeof error->doing, "%s", verb == POPLIN_NO_VERB ? "login" : poplin_verb_name(verb));
    snprintf(error->host, sizeof error->host, "%s", link->where);
    snprintf(error->reason, sizeof error->reason, "%s", poplin_status_text(reply->status));
    poplin_visible(reply->text, error->peer, sizeof error->peer);
}

void poplin_calls_free(poplin_link *link) {
    while (link->calls.askers) {
        poplin_asker *asker = link->calls.askers;
        poplin_calls_remove(asker);
        asker->destroy(asker);
    }
}
