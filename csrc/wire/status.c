/*
 * wire/status.c - names and phrases for statuses and response codes, and a failure put into words.
 */
#include <poplin/status.h>

#include <stdio.h>

const char *poplin_status_text(int status) {
    switch (status) {
    case POPLIN_OK:
        return "success";
    case POPLIN_NEED_INPUT:
        return "more input is needed";
    case POPLIN_WAITING:
        return "waiting for the host";
    case POPLIN_INTERRUPTED:
        return "interrupted by a signal";
    case POPLIN_END:
        return "no more elements";
#define TEXT(name, value, text) \
    case value: \
        return text;
        POPLIN_STATUS_TABLE(TEXT)
#undef TEXT
    default:
        return "unknown status";
    }
}

const char *poplin_status_name(int status) {
    switch (status) {
    case POPLIN_OK:
        return "OK";
    case POPLIN_NEED_INPUT:
        return "NEED_INPUT";
    case POPLIN_WAITING:
        return "WAITING";
    case POPLIN_INTERRUPTED:
        return "INTERRUPTED";
    case POPLIN_END:
        return "END";
#define NAME(name, value, text) \
    case value: \
        return #name;
        POPLIN_STATUS_TABLE(NAME)
#undef NAME
    default:
        return NULL;
    }
}

const char *poplin_code_text(enum poplin_code code) {
    switch (code) {
#define TEXT(name, text, status) \
    case POPLIN_CODE_##name: \
        return text;
        POPLIN_CODE_TABLE(TEXT)
#undef TEXT
    case POPLIN_CODE_NONE:
        break;
    }
    return NULL;
}

size_t poplin_error_format(const poplin_error *error, char *buffer, size_t size) {
    if (size == 0)
        return 0;
    const char *reason = error->reason[0] != '\0' ? error->reason : poplin_status_text(error->status);
    const char *at = error->host[0] == '\0' ? "" : error->doing[0] != '\0' ? " at " : "";
    const char *colon = error->doing[0] != '\0' || error->host[0] != '\0' ? ": " : "";
    const char *said = error->peer[0] != '\0' ? "; the peer said: " : "";
    int length =
        snprintf(buffer, size, "%s%s%s%s%s%s%s", error->doing, at, error->host, colon, reason, said, error->peer);
    if (length < 0) {
        buffer[0] = '\0';
        return 0;
    }
    return (size_t)length < size ? (size_t)length : size - 1;
}

const char *poplin_version(void) {
    return "0.1.0";
}
