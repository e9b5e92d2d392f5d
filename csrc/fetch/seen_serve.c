/*
 * fetch/seen_serve.c - the seen store as the host of a fetch: RECALL and RECORD, answered from the file.
 */
#include <poplin/seen.h>

static int tell(void *context, const poplin_seen_record *record) {
    return poplin_fetch_recall(context, record);
}

bool poplin_seen_serve(poplin_seen *seen, poplin_fetch *fetch, const poplin_fetch_event *event) {
    poplin_error error = {.status = POPLIN_OK};
    int status;
    if (event->kind == POPLIN_FETCH_RECALL)
        status = poplin_seen_recall(seen, event->account, tell, fetch, &error);
    else if (event->kind == POPLIN_FETCH_RECORD)
        status = poplin_seen_record_all(seen, event->account, event->records, event->count, &error);
    else
        return false;
    (void)poplin_fetch_answer(fetch, status, error.status == POPLIN_OK ? NULL : &error);
    return true;
}
