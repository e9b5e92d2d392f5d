/*
 * fetch/delivery_names.c - the names of files that are delivered. Nothing of the server's stands in them but hashed.
 *
 *     tmp    SECONDS.M123456P4711Q1R0123456789abcdef-poplin.HOST    the time, microseconds, process, a counter, random octets
 *     new    SECONDS.HASH.HOST                                      when it was first seen, and what message it is
 *            SECONDS.HASH~2.HOST                                    where the name before belongs to other content
 */
#include <errno.h>
#include <gnutls/crypto.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fetch/delivery.h"
#include "wire/failure.h"

enum { SHA256_SIZE = 32, HASH_DIGITS = 32, HOST_MAX = 256 };

static const char MARK[] = "-poplin.";

/* ---- making ---- */

static bool is_plain(char letter) {
    return letter > ' ' && letter < 0x7F && strchr("/:,\\", letter) == NULL;
}

/* The host's name, with a backslash and three octal digits for what no name may hold, cut where there is no more room. */
static void escape_host(const char *host, char escaped[POPLIN_DELIVERY_HOST_SIZE]) {
    size_t used = 0;
    for (; *host != '\0'; host++) {
        size_t size = is_plain(*host) ? 1 : 4;
        if (used + size >= POPLIN_DELIVERY_HOST_SIZE)
            break;
        if (size == 1)
            escaped[used] = *host;
        else
            snprintf(escaped + used, size + 1, "\\%03o", (unsigned)(unsigned char)*host);
        used += size;
    }
    escaped[used] = '\0';
}

int poplin_delivery_names_init(poplin_delivery *delivery, poplin_error *error) {
    char host[HOST_MAX];
    if (gethostname(host, sizeof host) != 0 || host[0] == '\0')
        strcpy(host, "localhost");
    host[sizeof host - 1] = '\0';
    escape_host(host, delivery->host);
    if (gnutls_rnd(GNUTLS_RND_NONCE, &delivery->random, sizeof delivery->random) < 0)
        return poplin_fail(error, POPLIN_ERR_IO, poplin_delivery_doing, "the system gives no random octets");
    return POPLIN_OK;
}

static uint64_t read_number(const unsigned char *octets) {
    uint64_t number = 0;
    for (size_t i = 0; i < sizeof number; i++)
        number = number << 8 | octets[i];
    return number;
}

/* A header alone is another message than the whole: who has had the one has not had the other. */
int poplin_delivery_make_key(poplin_delivery *delivery, const char *account, const poplin_fetch_message *message) {
    const poplin_seen_record *record = message->record;
    unsigned char digest[SHA256_SIZE];
    char copy[32];
    int size =
        snprintf(copy, sizeof copy, "%c%" PRIu32 "%s", '\0', record->copy, message->headers_only ? " header" : "");
    poplin_buffer *hashed = &delivery->hashed;
    poplin_buffer_consume(hashed, hashed->size);
    int status = poplin_buffer_append(hashed, account, strlen(account) + 1);
    if (status == POPLIN_OK)
        status = poplin_buffer_append(hashed, record->uid.data, record->uid.size);
    if (status == POPLIN_OK)
        status = poplin_buffer_append(hashed, copy, (size_t)size);
    poplin_slice all = poplin_buffer_slice(hashed);
    if (status != POPLIN_OK || gnutls_hash_fast(GNUTLS_DIG_SHA256, all.data, all.size, digest) < 0)
        return POPLIN_ERR_NOMEM; /* no policy forbids this hash */
    delivery->file.key.hash = (poplin_delivery_hash){read_number(digest), read_number(digest + sizeof(uint64_t))};
    delivery->file.key.seconds = record->first_seen > 0 ? record->first_seen : 0;
    return POPLIN_OK;
}

void poplin_delivery_name_temporary(poplin_delivery *delivery) {
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    snprintf(delivery->file.temporary, sizeof delivery->file.temporary,
             "%lld.M%06ldP%ldQ%" PRIu64 "R%016" PRIx64 "%s%s", (long long)now.tv_sec, now.tv_nsec / 1000,
             (long)getpid(), ++delivery->counter, delivery->random, MARK, delivery->host);
}

void poplin_delivery_name_final(const poplin_delivery *delivery, poplin_delivery_file *file, int turn) {
    char mark[16] = "";
    file->turn = turn;
    if (turn > 1)
        snprintf(mark, sizeof mark, "~%d", turn);
    snprintf(file->name, sizeof file->name, "%" PRId64 ".%016" PRIx64 "%016" PRIx64 "%s.%s", file->key.seconds,
             file->key.hash.high, file->key.hash.low, mark, delivery->host);
}

/* ---- reading ---- */

/* Takes a decimal number of at most 18 digits off the front. */
static bool take_number(poplin_slice *text, int64_t *number) {
    size_t digits = 0;
    *number = 0;
    for (; digits < text->size && text->data[digits] >= '0' && text->data[digits] <= '9'; digits++) {
        if (digits == 18)
            return false;
        *number = *number * 10 + (text->data[digits] - '0');
    }
    text->data += digits;
    text->size -= digits;
    return digits > 0;
}

static bool take_letter(poplin_slice *text, char letter) {
    if (text->size == 0 || text->data[0] != letter)
        return false;
    text->data++;
    text->size--;
    return true;
}

/* Takes 16 hexadecimal digits. */
static bool take_hash(poplin_slice *text, uint64_t *number) {
    static const char DIGITS[] = "0123456789abcdef";
    *number = 0;
    if (text->size < HASH_DIGITS / 2)
        return false;
    for (size_t i = 0; i < HASH_DIGITS / 2; i++) {
        const char *digit = memchr(DIGITS, text->data[i], sizeof DIGITS - 1);
        if (digit == NULL)
            return false;
        *number = *number << 4 | (uint64_t)(digit - DIGITS);
    }
    text->data += HASH_DIGITS / 2;
    text->size -= HASH_DIGITS / 2;
    return true;
}

bool poplin_delivery_parse(poplin_slice base, poplin_delivery_key *key) {
    int64_t turn;
    return take_number(&base, &key->seconds) && take_letter(&base, '.') && take_hash(&base, &key->hash.high) &&
           take_hash(&base, &key->hash.low) && (!take_letter(&base, '~') || take_number(&base, &turn)) &&
           take_letter(&base, '.');
}

bool poplin_delivery_is_temporary(const char *name) {
    poplin_slice rest = {name, strlen(name)};
    int64_t number;
    uint64_t random;
    return take_number(&rest, &number) && take_letter(&rest, '.') && take_letter(&rest, 'M') &&
           take_number(&rest, &number) && take_letter(&rest, 'P') && take_number(&rest, &number) &&
           take_letter(&rest, 'Q') && take_number(&rest, &number) && take_letter(&rest, 'R') &&
           take_hash(&rest, &random) && strncmp(rest.data, MARK, sizeof MARK - 1) == 0;
}
