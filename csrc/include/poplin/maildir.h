/*
 * poplin/maildir.h - a Maildir as a maildrop: what a session sees of the folder that other programs deliver to, read and
 * sort at the same time.
 *
 * A Maildir is three folders, of which new and cur hold the messages, one a file (maildir(5)). What stands before the ":"
 * in a file's name is the message's for ever and names it; the rest are flags, and programs that read mail change those,
 * and the folder, at any time. So a message is known here by the first part, and is looked for again where it is not
 * found under its last name.
 *
 *     poplin_maildir_expire   in the backend's maildrop, where mail does not stay for ever
 *     poplin_maildir_open     in the backend's maildrop: the session's snapshot (RFC 1939 section 4)
 *     poplin_maildir_get      each message, for poplin_server_open
 *     poplin_maildir_message  in body: a descriptor, for poplin_server_body_file
 *     poplin_maildir_remove   in commit
 *     poplin_maildir_free     in close
 *
 * Every function but get, count and find asks the file system, and may wait for it. One Maildir object belongs to one
 * thread at a time; any number of objects may stand for the same folder.
 */
#ifndef POPLIN_MAILDIR_H
#define POPLIN_MAILDIR_H

#include <poplin/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct poplin_maildir poplin_maildir;

/*
 * Takes the snapshot: the messages that are in new and cur now. What is delivered later does not appear in it, and what is
 * removed later keeps its place. Nothing is changed on the disk, and no message is opened.
 *
 * Messages are regular files whose name does not begin with a dot; links, pipes and folders are none. They stand in the
 * order of the number that their name begins with, which is the time of delivery, and where that is the same, of the
 * name, octet by octet: so in the same order in each session. A message that a program moves meanwhile, and one that
 * stands in both folders, is there once.
 *
 * path is copied; links in it are followed, but new and cur must be folders themselves. Until it is freed the object holds
 * a descriptor of each, so that it goes on with these whatever becomes of the path.
 * IO: there is no such folder, it is no Maildir (new or cur is missing or no folder), or it cannot be read; LIMIT: more
 * than 1,000,000 messages in one of them; NOMEM. *error (may be NULL) says which and why.
 */
POPLIN_API int poplin_maildir_open(const char *path, poplin_maildir **maildir, poplin_error *error);

/*
 * Removes the messages that have been there for so many days, as poplin_maildir_remove does: before poplin_maildir_open, so that no
 * snapshot of this session's has them. POPLIN_EXPIRE_NEVER and 0 days remove nothing: 0 is for what was fetched, which is the
 * session's to know (poplin_session_config.expire).
 *
 * A message's age is its file's: the time of modification, which delivery sets by writing and which neither a change of flags nor a
 * move to cur changes, as they do the time of change; the number that a name begins with is any program's to choose. A copy counts
 * from when it was made, unless it keeps times. A file from the future is young, and what is no message is left alone.
 *
 * Whether another session has the Maildir open is not known here: to that one the messages are gone, as if any program had removed
 * them. A server that locks (POPLIN_LOCK_EXCLUSIVE) lets nobody in at the same time.
 * IO: one could not be removed, which stays, as does whatever could not be looked at; or as poplin_maildir_open. LIMIT, NOMEM: as
 * there. None of these keeps the Maildir from being opened and served. *error (may be NULL) names the first that failed, and why.
 */
POPLIN_API int poplin_maildir_expire(const char *path, uint32_t days, poplin_error *error);

/* Frees all and closes the descriptors; those that poplin_maildir_message gave stay open. NULL is allowed. */
POPLIN_API void poplin_maildir_free(poplin_maildir *maildir);

/* How many messages the snapshot has; the same as long as it lives. */
POPLIN_API size_t poplin_maildir_count(const poplin_maildir *maildir);

/*
 * The message of an index below the count. Its unique-id is the first part of the file's name where that can be one
 * (RFC 1939 section 7: 1 to 70 octets of 0x21-0x7E), else "~" and the SHA-256 of it in hexadecimal digits; a name of that
 * form is hashed too. It lives as long as the maildir and is the same in each session. The octets are unknown: nothing
 * but reading the message tells how many it will be on the wire, whatever programs write into names.
 */
POPLIN_API poplin_listing poplin_maildir_get(const poplin_maildir *maildir, size_t index);

/* The index of a unique-id. REFUSED: the snapshot has no such message. */
POPLIN_API int poplin_maildir_find(const poplin_maildir *maildir, poplin_slice unique_id, size_t *index);

/*
 * Opens the message of an index below the count for reading, at its start, under whatever name it has by now; the
 * descriptor is the caller's, and of a regular file. It holds what that file holds, its line ends LF or CRLF.
 * REFUSED: the message is no longer there, which is all that *error says, so that it may be told to a client; IO: it
 * cannot be opened, or the folders cannot be read; NOMEM. *error may be NULL.
 */
POPLIN_API int poplin_maildir_message(poplin_maildir *maildir, size_t index, int *descriptor, poplin_error *error);

/*
 * Deletes the messages of these indexes, each below the count, under whatever names they have by now; one that is gone
 * already counts as deleted. When this returns OK they are gone from the disk too, not from its cache only (fsync of the
 * folders). No other message is touched, whatever happens.
 * IO: one could not be removed, or what was done is not safe on the disk: the others are deleted all the same, and the
 * same call may be tried again. NOMEM. *error (may be NULL) names the first that failed, and why.
 */
POPLIN_API int poplin_maildir_remove(poplin_maildir *maildir, const size_t *indexes, size_t count, poplin_error *error);

#ifdef __cplusplus
}
#endif
#endif
