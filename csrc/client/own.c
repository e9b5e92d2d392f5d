/*
 * client/own.c - command lines of the host's own: queued among the others and answered in order, but with no meaning for the
 * machine, which neither knows what they are for nor believes what is answered.
 */
#include "client/machine.h"

#include "wire/mask.h"

#include <stdlib.h>
#include <string.h>

enum { OWN_LINE_MAX = 65536 }; /* octets of a line: a token in base64 may be one */

static poplin_slice line_of(const poplin_pending *command) {
    return (poplin_slice){command->line, command->line_size};
}

/* What stands before the first SP, or all. */
static poplin_slice keyword_of(poplin_slice line) {
    const char *space = line.size > 0 ? memchr(line.data, ' ', line.size) : NULL;
    return space != NULL ? (poplin_slice){line.data, (size_t)(space - line.data)} : line;
}

/* PASS and APOP hold a secret, and AUTH does where more than the mechanism follows. */
static bool holds_secret(poplin_slice line, enum poplin_verb verb) {
    size_t from = keyword_of(line).size + 1;
    return verb == POPLIN_PASS || verb == POPLIN_APOP ||
           (verb == POPLIN_AUTH && from < line.size && memchr(line.data + from, ' ', line.size - from) != NULL);
}

int poplin_client_command(poplin_client *client, poplin_slice line, bool multiline, bool secret, uint64_t tag) {
    bool behind_quit = client->quitting && !client->challenged; /* a response goes before a QUIT that waits */
    if (client->phase == 0 || client->opening.active || behind_quit)
        return POPLIN_ERR_STATE;
    enum poplin_verb verb = client->challenged ? POPLIN_NO_VERB : poplin_verb_parse(keyword_of(line));
    if (verb == POPLIN_STLS || verb == POPLIN_QUIT || (line.size > 0 && !poplin_line_is_clean(line)))
        return POPLIN_ERR_PROTOCOL;
    if (line.size > OWN_LINE_MAX)
        return POPLIN_ERR_LIMIT;
    secret |= client->challenged || holds_secret(line, verb);
    bool alone = secret || verb == POPLIN_AUTH;
    if (alone && poplin_opening_wants_tls(client)) /* T-SASL-12 */
        return POPLIN_ERR_TLS;
    poplin_pending pending = {
        .tag = tag,
        .own = true,
        .multiline = multiline,
        .secret = secret,
        .alone = alone,
        .line = malloc(line.size + 1),
        .line_size = line.size,
        .charge = multiline ? poplin_step_charge(client, 0) : 0,
    };
    if (pending.line == NULL)
        return POPLIN_ERR_NOMEM;
    if (line.size > 0)
        memcpy(pending.line, line.data, line.size);
    int status = client->challenged ? poplin_step_queue_first(client, &pending) : poplin_step_queue(client, &pending);
    if (status < 0)
        poplin_own_forget(&pending);
    else
        client->challenged = false;
    return status;
}

int poplin_own_write(poplin_client *client, const poplin_pending *command) {
    client->output_secret |= command->secret;
    int status = poplin_buffer_append(&client->output, command->line, command->line_size);
    return status == POPLIN_OK ? poplin_buffer_append(&client->output, "\r\n", 2) : status;
}

void poplin_own_forget(poplin_pending *command) {
    if (command->line != NULL)
        poplin_wipe(command->line, command->line_size);
    free(command->line);
    command->line = NULL;
    command->line_size = 0;
}

void poplin_own_describe(const poplin_pending *command, char *doing, size_t size) {
    if (!poplin_mask(line_of(command), false, doing, size) && command->secret)
        poplin_mask(line_of(command), true, doing, size);
}

/* ---- secrets that the server repeats ---- */

static bool holds(poplin_slice words, poplin_slice secret) {
    return secret.size > 0 && words.size > 0 && memmem(words.data, words.size, secret.data, secret.size) != NULL;
}

/* The secret is what follows the keyword, or only the last word of that; or the line, where it is one word. */
bool poplin_own_repeated(const poplin_pending *command, poplin_slice words) {
    if (!command->own || !command->secret)
        return false;
    poplin_slice line = line_of(command);
    size_t from = keyword_of(line).size;
    from = from < line.size ? from + 1 : 0;
    const poplin_slice rest = {line.data + from, line.size - from};
    size_t last = rest.size;
    while (last > 0 && rest.data[last - 1] != ' ')
        last--;
    return holds(words, rest) || holds(words, (poplin_slice){rest.data + last, rest.size - last});
}
