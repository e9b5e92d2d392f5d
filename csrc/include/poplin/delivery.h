/*
 * poplin/delivery.h - delivery into a Maildir (maildir(5)): a message is there whole, once, and safe, or not at all.
 *
 * A message is written under a name of its own in tmp, every write checked, flushed to the disk (fsync), and only then moved (or
 * linked, where the file system cannot) into new, where no file is ever replaced. Its name is
 *
 *     SECONDS.HASH.HOST       1763800000.4f1d...(32 hexadecimal digits).mail
 *
 * or SECONDS.HASH~2.HOST, and so on up to 9, where that name belongs to other content.
 *
 * SECONDS is when it was first seen, HASH is of account, unique-id and copy, and of whether it is the header alone: never
 * octets of the server's. So what is delivered a second time, since a fetch was stopped before it could remember, is found under
 * its name, in new or cur and whatever its host and flags, and is not delivered twice. Where only HASH is the same the
 * contents are compared, as they are stored, since a server may use a unique-id again; without the fields of the header that
 * servers add to what they keep (Status, X-Status, X-UID, X-UIDL, X-Keywords, X-IMAP, X-IMAPbase).
 *
 * One delivery belongs to one thread at a time; any number of programs may deliver to the same Maildir.
 */
#ifndef POPLIN_DELIVERY_H
#define POPLIN_DELIVERY_H

#include <poplin/fetch.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct poplin_delivery poplin_delivery;

/*
 * Opens the Maildir at path, and makes it, or what is missing of its three folders, with mode 0700. crlf: store line ends as they come,
 * else as LF. Files in tmp that nobody has touched for 36 hours and whose name is of a delivery of this kind are removed.
 * IO: it cannot be made or opened, or is no folder; NOMEM. *error (may be NULL) says which and why.
 */
POPLIN_API int poplin_delivery_open(const char *path, bool crlf, poplin_delivery **delivery, poplin_error *error);

/* Abandons what was begun. NULL is allowed. */
POPLIN_API void poplin_delivery_free(poplin_delivery *delivery);

/*
 * Begins a message, and looks whether it is there already (the folders are read once, with the first message): under its full name, where
 * message->resumed says that this is it, what is written is dropped; under its HASH, what is written is compared. _end
 * then finds it delivered. STATE: another is begun; IO; NOMEM; LIMIT: a folder holds more than 1,000,000 messages.
 */
POPLIN_API int poplin_delivery_begin(poplin_delivery *delivery, const char *account,
                                     const poplin_fetch_message *message, poplin_error *error);

/* The next octets, CRLF line ends. IO: the disk is full, say; the message is abandoned; LIMIT: 24 hours are over. */
POPLIN_API int poplin_delivery_write(poplin_delivery *delivery, poplin_slice octets, poplin_error *error);

/*
 * That was all: it stands in new now, or where it was found, under the name (without flags; name may be NULL), which the next call
 * on delivery may free. IO: it does not, and is abandoned; LIMIT.
 */
POPLIN_API int poplin_delivery_end(poplin_delivery *delivery, const char **name, poplin_error *error);

/* Removes what was begun; peaceful where nothing is. */
POPLIN_API void poplin_delivery_abandon(poplin_delivery *delivery);

/* What was delivered, or found, since the last time is safe from a power failure (fsync of the folder). IO. */
POPLIN_API int poplin_delivery_settle(poplin_delivery *delivery, poplin_error *error);

/*
 * Does what one of the engine's events asks for and answers it: BEGIN, PIECE, DELIVER, ABANDON, SETTLE. Returns whether the event was of these.
 */
POPLIN_API bool poplin_delivery_serve(poplin_delivery *delivery, poplin_fetch *fetch, const poplin_fetch_event *event);

#ifdef __cplusplus
}
#endif
#endif
