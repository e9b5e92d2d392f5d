/*
 * poplin/places.h - the places that one fetch delivers to: any number of Maildirs, and the program itself.
 *
 *     poplin_places_new(&places); poplin_places_add(places, inbox); poplin_places_add(places, archive);
 *     ...
 *     else if (poplin_places_serve(places, fetch, &event))
 *         continue;
 *     else if (event.kind == POPLIN_FETCH_DELIVER)
 *         poplin_places_answer(places, fetch, POPLIN_OK, NULL);
 *
 * Each message goes to all of them, unless the program says otherwise before it begins; also where one has failed with it. It
 * counts as delivered where none has: else the next fetch delivers it to all of them again, and no Maildir has it twice.
 *
 * Any number of Maildirs will do: those that had no message for long are settled and closed, and opened again when they get
 * one, so that about a quarter of the descriptors that the process may have are used (RLIMIT_NOFILE, when places were made); more
 * only where a single message goes to so many Maildirs at once.
 *
 * Places belong to one thread at a time, with what was added to them.
 */
#ifndef POPLIN_PLACES_H
#define POPLIN_PLACES_H

#include <poplin/delivery.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct poplin_places poplin_places;

/* None. NOMEM. */
POPLIN_API int poplin_places_new(poplin_places **places);

/* Abandons what was begun. The deliveries stay as they are, the program's to settle and to free. NULL is allowed. */
POPLIN_API void poplin_places_free(poplin_places *places);

/* ---- where messages go ---- */

/*
 * From the next message on the delivery gets each; one that was added before keeps its index. It is borrowed: where it is freed
 * first, the messages that it would get fail with STATE, and so does SETTLE where it took others since the last. NOMEM; STATE: it
 * is NULL, or other places have it.
 */
POPLIN_API int poplin_places_add(poplin_places *places, poplin_delivery *delivery);

/* From the next message on no delivery gets any, until it is added again. */
POPLIN_API void poplin_places_clear(poplin_places *places);

/* From the next message on its octets are collected, for the program; at first they are not. */
POPLIN_API void poplin_places_collect(poplin_places *places, bool collects);

/* ---- the engine's events ---- */

/*
 * Does what the event asks for, and answers it: BEGIN, PIECE, ABANDON, SETTLE. True: that was all. A failure with a message is
 * told once nobody is left who would get the rest of it, else at its end, or, where it does not get into its Maildir when that is settled,
 * before SETTLE is answered (poplin_fetch_unsettled). DELIVER is done as well, but false, for the program to
 * do its part and to answer. False for the other events too, which are left alone.
 */
POPLIN_API bool poplin_places_serve(poplin_places *places, poplin_fetch *fetch, const poplin_fetch_event *event);

/*
 * DELIVER, served: answers it, with the program's failure, or else the first of a delivery, or else POPLIN_OK. *error (may be NULL)
 * tells the program's. Where that is a failure, the deliveries that took the message are settled at once, since for the engine there
 * is nothing to settle. What poplin_fetch_answer returns. The octets and names are gone afterwards.
 */
POPLIN_API int poplin_places_answer(poplin_places *places, poplin_fetch *fetch, int status, const poplin_error *error);

/* ---- from when DELIVER was served until it is answered ---- */

/* The message, with CRLF line ends; data is NULL where they were not collected. */
POPLIN_API poplin_slice poplin_places_octets(const poplin_places *places);

/* How many deliveries were ever added, those freed among them; they stand in the order in which they were. */
POPLIN_API size_t poplin_places_count(const poplin_places *places);

/* As poplin_delivery_end tells it. NULL: this one does not get the message, or has failed with it, or was freed. */
POPLIN_API const char *poplin_places_name(const poplin_places *places, size_t index);

/* Why it will not count as delivered: the first failure of a delivery. NULL: none has failed. */
POPLIN_API const poplin_error *poplin_places_failure(const poplin_places *places);

#ifdef __cplusplus
}
#endif
#endif
