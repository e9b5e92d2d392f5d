/*
 * poplin/delivery.h - delivery into a Maildir (maildir(5)): a message is there whole, once, and safe, or not at all.
 *
 *     begin, write..., end    a message is written under a name of its own in tmp, every write checked, and waits there
 *     ... and so on           more messages
 *     settle                  all that wait are flushed to the disk (fsync), then each is moved into new, then new is flushed
 *
 * A disk is told of many files at once, since that takes it little longer than one. Before it is flushed no file stands in new; and
 * only what was settled may be forgotten elsewhere: what is stopped before, by a kill or a power failure, leaves of a message
 * nothing but a file in tmp, or in new the message itself, which is found when it is delivered again.
 *
 * A file is moved (or linked, where the file system cannot) so that none is ever replaced. Its name is
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
 * It holds descriptors only from the first message on. IO: it cannot be made or opened, or is no folder; NOMEM. *error (may be
 * NULL) says which and why.
 */
POPLIN_API int poplin_delivery_open(const char *path, bool crlf, poplin_delivery **delivery, poplin_error *error);

/* Removes what was begun, and what is not settled and stands in tmp still. NULL is allowed. */
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
 * That was all: it waits in tmp for poplin_delivery_settle, or was found. It has the name (without flags; name may be NULL), which the
 * next call on delivery may free; but for the ~2 that it gets where another program puts other content under that name meanwhile.
 * IO: it does not wait, and is abandoned; LIMIT.
 *
 * At most 64 wait, and fewer where the process has opened half of the files that it may: then those before it move into new now. That
 * they could not is told by poplin_delivery_settle.
 */
POPLIN_API int poplin_delivery_end(poplin_delivery *delivery, const char **name, poplin_error *error);

/* Removes what was begun; peaceful where nothing is. What waits is not touched. */
POPLIN_API void poplin_delivery_abandon(poplin_delivery *delivery);

/*
 * Moves what waits into new. What was delivered, or found, since the last time is safe from a power failure now. IO: not all of it,
 * and *error says why, of the first: deliver all again, so that those are found that stand there. A message that did not get
 * there is removed, the others did.
 */
POPLIN_API int poplin_delivery_settle(poplin_delivery *delivery, poplin_error *error);

#ifdef __cplusplus
}
#endif
#endif
