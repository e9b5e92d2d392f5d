/*
 * wire/reply.c - what a server answers: status lines with their response codes, and listings (RFC 1939 sections 3
 * and 5, RFC 2449 section 8, RFC 3206).
 */
#include "wire/grammar.h"

#include <string.h>

/* Takes indicator and the SP behind it, if any; false where another octet follows the indicator. */
static bool take_indicator(poplin_slice *text, const char *indicator) {
    size_t size = strlen(indicator);
    if (text->size < size || memcmp(text->data, indicator, size) != 0)
        return false;
    if (text->size > size && text->data[size] != ' ')
        return false;
    size_t taken = text->size > size ? size + 1 : size;
    text->data += taken;
    text->size -= taken;
    return true;
}

/* True where inner is code, or code with deeper levels behind it: SYS/TEMP/DISK acts as SYS/TEMP (POP-RESP-2). */
static bool code_matches(poplin_slice inner, const char *code) {
    size_t size = strlen(code);
    if (inner.size > size && inner.data[size] == '/')
        inner.size = size;
    return poplin_slice_equal_nocase(inner, code);
}

static enum poplin_code well_known_code(poplin_slice inner) {
#define MATCH(name, text, status) \
    if (code_matches(inner, text)) \
        return POPLIN_CODE_##name;
    POPLIN_CODE_TABLE(MATCH)
#undef MATCH
    return POPLIN_CODE_NONE;
}

/* Splits "[CODE] words" where CODE is well known. */
static void take_code(poplin_status_line *status) {
    poplin_slice text = status->text;
    const char *close = text.size > 0 && text.data[0] == '[' ? memchr(text.data, ']', text.size) : NULL;
    if (close == NULL)
        return;
    poplin_slice inner = {text.data + 1, (size_t)(close - text.data) - 1};
    status->code = well_known_code(inner);
    if (status->code == POPLIN_CODE_NONE)
        return;
    size_t taken = inner.size + 2;
    if (taken < text.size && text.data[taken] == ' ')
        taken++;
    status->rest = (poplin_slice){text.data + taken, text.size - taken};
}

int poplin_status_parse(poplin_slice line, poplin_status_line *status) {
    *status = (poplin_status_line){0};
    status->text = line;
    status->ok = take_indicator(&status->text, "+OK");
    if (!status->ok && !take_indicator(&status->text, "-ERR")) {
        status->challenge = take_indicator(&status->text, "+");
        if (!status->challenge)
            return POPLIN_ERR_PROTOCOL;
        if (line.size == 1)
            status->text = (poplin_slice){NULL, 0};
    }
    status->rest = status->text;
    if (!status->challenge)
        take_code(status);
    return POPLIN_OK;
}

int poplin_code_status(enum poplin_code code) {
    switch (code) {
#define STATUS(name, text, status) \
    case POPLIN_CODE_##name: \
        return status;
        POPLIN_CODE_TABLE(STATUS)
#undef STATUS
    case POPLIN_CODE_NONE:
        break;
    }
    return POPLIN_ERR_REFUSED;
}

/* Takes "first SP second", the second ended by SP or the end of the text. */
static bool take_pair(poplin_slice text, uint32_t *first, uint64_t *second) {
    uint64_t number;
    if (poplin_number_take(&text, POPLIN_NUMBER_MAX, &number) < 0)
        return false;
    if (text.size == 0 || text.data[0] != ' ')
        return false;
    text.data++;
    text.size--;
    if (poplin_number_take(&text, INT64_MAX, second) < 0)
        return false;
    *first = (uint32_t)number;
    return text.size == 0 || text.data[0] == ' ';
}

int poplin_stat_parse(poplin_slice text, uint32_t *count, uint64_t *octets) {
    return take_pair(text, count, octets) ? POPLIN_OK : POPLIN_ERR_PROTOCOL;
}

int poplin_listing_parse(poplin_slice line, uint32_t *number, uint64_t *octets) {
    return take_pair(line, number, octets) && *number > 0 ? POPLIN_OK : POPLIN_ERR_PROTOCOL;
}

/* True for 1 to longest octets of 0x21 to last, DEL excluded. */
static bool id_octets(poplin_slice id, size_t longest, unsigned char last) {
    for (size_t i = 0; i < id.size; i++) {
        unsigned char octet = (unsigned char)id.data[i];
        if (octet < 0x21 || octet > last || octet == 0x7F)
            return false;
    }
    return id.size > 0 && id.size <= longest;
}

bool poplin_unique_id_valid(poplin_slice unique_id) {
    return id_octets(unique_id, POPLIN_UNIQUE_ID_MAX, 0x7E);
}

int poplin_unique_id_parse(poplin_slice line, bool strict, uint32_t *number, poplin_slice *unique_id) {
    enum { LENIENT_MAX = 512 };
    uint64_t value;
    if (poplin_number_take(&line, POPLIN_NUMBER_MAX, &value) < 0 || value == 0)
        return POPLIN_ERR_PROTOCOL;
    if (line.size == 0 || line.data[0] != ' ')
        return POPLIN_ERR_PROTOCOL;
    *number = (uint32_t)value;
    *unique_id = (poplin_slice){line.data + 1, line.size - 1};
    bool valid = strict ? poplin_unique_id_valid(*unique_id) : id_octets(*unique_id, LENIENT_MAX, 0xFF);
    return valid ? POPLIN_OK : POPLIN_ERR_PROTOCOL;
}
