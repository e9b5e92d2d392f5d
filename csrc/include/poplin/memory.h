/*
 * poplin/memory.h - maildrops in memory, as a backend: for tests, demonstrations and small servers.
 *
 * Users are added with their passwords, messages delivered to them; each message gets a unique-id that is never
 * used again. A session sees the messages that were there when it opened; a message that is removed during a
 * session is refused when it is asked for. It all belongs to the loop's thread (from another: poplin_loop_post).
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

/* Adds a user. The strings are copied. STATE: there is one of this name; NOMEM. */
POPLIN_API int poplin_memory_add_user(poplin_memory *memory, const char *user, const char *password);

/*
 * Delivers a message, copied; its line ends may be LF or CRLF. unique_id (may be NULL) gets what it is known by,
 * ended by NUL. REFUSED: no such user; NOMEM.
 */
POPLIN_API int poplin_memory_deliver(poplin_memory *memory, const char *user, const void *data, size_t size,
                                     char unique_id[POPLIN_UNIQUE_ID_MAX + 1]);

/* How many messages the user has now; 0 as well where there is no such user. */
POPLIN_API size_t poplin_memory_count(const poplin_memory *memory, const char *user);

#ifdef __cplusplus
}
#endif
#endif
