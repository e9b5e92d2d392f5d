/*
 * poplin/memory.h - maildrops in memory, as a backend: for tests, demonstrations and small servers.
 *
 * Users are added with their passwords, messages delivered to them; each message gets a unique-id that is never
 * used again. A session sees the messages that were there when it opened; a message that is removed during a
 * session is refused when it is asked for.
 *
 * It has a lock of its own: every function but poplin_memory_free may be called from any thread, while servers use it.
 */
#ifndef POPLIN_MEMORY_H
#define POPLIN_MEMORY_H

#include <poplin/server.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct poplin_memory poplin_memory;

/* Makes one without users. IO: the system has no random numbers for the unique-ids; NOMEM. */
POPLIN_API int poplin_memory_new(poplin_memory **memory);

/* Frees all. The servers that use it must have been freed before. NULL is allowed. */
POPLIN_API void poplin_memory_free(poplin_memory *memory);

/* The backend to give to poplin_server_new, with memory as context. */
POPLIN_API const poplin_backend *poplin_memory_backend(void);

/* The same for servers where users may also log in with OAuth 2 tokens, those that poplin_memory_set_token gave them. */
POPLIN_API const poplin_backend *poplin_memory_token_backend(void);

/*
 * The largest message that is taken from now on (default 256 MiB): a program under test that delivers without end, or a wrong
 * path, fails instead of filling the machine.
 */
POPLIN_API void poplin_memory_limit(poplin_memory *memory, size_t octets);

/*
 * From now on a message that was delivered so many days ago, by the loop's clock, is removed when a session opens its maildrop, but
 * never while another has it open. What is there already counts as delivered now. 0 days, POPLIN_EXPIRE_NEVER, no loop: none is, as at
 * first. The loop must not be freed before the memory, or before another call of this function. Give it the loop of the server, and
 * what that announces (poplin_session_config.expire).
 */
POPLIN_API void poplin_memory_expire(poplin_memory *memory, poplin_loop *loop, uint32_t days);

/* Adds a user. The strings are copied. STATE: there is one of this name; NOMEM. */
POPLIN_API int poplin_memory_add_user(poplin_memory *memory, poplin_slice user, poplin_slice password);

/*
 * The user's token from now on, copied; {NULL, 0}: none. Tokens tell users apart, so no two should have the same. REFUSED: no such user;
 * NOMEM.
 */
POPLIN_API int poplin_memory_set_token(poplin_memory *memory, poplin_slice user, poplin_slice token);

/*
 * Removes a user and the messages. Sessions that have the maildrop open go on, with every message gone. REFUSED: no such
 * user.
 */
POPLIN_API int poplin_memory_remove_user(poplin_memory *memory, poplin_slice user);

/*
 * Delivers a message, copied; its line ends may be LF or CRLF. unique_id (may be NULL) gets what it is known by,
 * ended by NUL. REFUSED: no such user; LIMIT: too large; NOMEM.
 */
POPLIN_API int poplin_memory_deliver(poplin_memory *memory, poplin_slice user, const void *data, size_t size,
                                     char unique_id[POPLIN_UNIQUE_ID_MAX + 1]);

/*
 * A user's messages as they are at one moment, or some of them, in the order of delivery. A list holds on to its messages
 * until it is freed, whatever becomes of them and of the maildrops; it belongs to one thread at a time.
 */
typedef struct poplin_memory_list poplin_memory_list;

typedef struct poplin_memory_message {
    const char *unique_id; /* the list's, as is data */
    uint64_t octets;       /* as sent by POP3 */
    poplin_slice data;     /* as delivered */
} poplin_memory_message;

/*
 * Delivers what is at path: a file with one message; an mbox (a file that begins with "From ": RFC 4155, its ">From "
 * lines unquoted as in mboxrd); a Maildir (new and cur); any other folder, each of its regular files a message, links to
 * such files too, but for names that begin with a dot. In the order of names (octet by octet) in a folder, cur before new
 * in a Maildir, of the file in an mbox. All or nothing. *delivered (may be NULL) gets the messages.
 * REFUSED: no such user; IO: it cannot be read, *error (may be NULL) says what and why; LIMIT; NOMEM.
 */
POPLIN_API int poplin_memory_load(poplin_memory *memory, poplin_slice user, const char *path,
                                  poplin_memory_list **delivered, poplin_error *error);

/* Removes a message now, whoever has it open. REFUSED: no such user or message. */
POPLIN_API int poplin_memory_remove(poplin_memory *memory, poplin_slice user, poplin_slice unique_id);

/* How many messages the user has now; 0 as well where there is no such user. */
POPLIN_API size_t poplin_memory_count(poplin_memory *memory, poplin_slice user);

/* Takes the list. REFUSED: no such user; NOMEM. */
POPLIN_API int poplin_memory_list_new(poplin_memory *memory, poplin_slice user, poplin_memory_list **list);
POPLIN_API size_t poplin_memory_list_count(const poplin_memory_list *list);
POPLIN_API poplin_memory_message poplin_memory_list_get(const poplin_memory_list *list, size_t index);
/* NULL is allowed as list. */
POPLIN_API void poplin_memory_list_free(poplin_memory_list *list);

#ifdef __cplusplus
}
#endif
#endif
