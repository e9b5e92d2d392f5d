/*
 * header/decode.c - a field's value as a person reads it: unfolded, its words decoded.
 *
 * The value is looked through once, for "=?". The words that stand beside each other gather their octets in pending, so that
 * a character may be cut between them.
 */
#include <poplin/header.h>

#include "header/charsets.h"
#include "header/words.h"

#include <stdlib.h>
#include <string.h>

struct poplin_decoder {
    poplin_charsets charsets;
    poplin_charset *charset; /* of the word that stands right before; NULL: text does */
    poplin_buffer line;      /* the value, unfolded */
    poplin_buffer octets;    /* of a word that is being read */
    poplin_buffer pending;   /* octets that are not converted yet, in that charset */
    poplin_buffer text;
};

int poplin_decoder_new(poplin_decoder **decoder) {
    *decoder = calloc(1, sizeof **decoder);
    return *decoder != NULL ? POPLIN_OK : POPLIN_ERR_NOMEM;
}

void poplin_decoder_free(poplin_decoder *decoder) {
    if (decoder == NULL)
        return;
    poplin_charsets_free(&decoder->charsets);
    poplin_buffer_free(&decoder->line);
    poplin_buffer_free(&decoder->octets);
    poplin_buffer_free(&decoder->pending);
    poplin_buffer_free(&decoder->text);
    free(decoder);
}

/* Empties a buffer without wiping all of it, which for each word would take too long. */
static void empty(poplin_buffer *buffer) {
    poplin_buffer_consume(buffer, buffer->size);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static bool all_blank(poplin_slice text) {
    for (size_t i = 0; i < text.size; i++)
        if (!is_blank(text.data[i]))
            return false;
    return true;
}

static poplin_slice trimmed(poplin_slice text) {
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    while (text.size > 0 && is_blank(*text.data)) {
        text.data++;
        text.size--;
    }
    return text;
}

/* Takes the line ends out (RFC 5322 section 2.2.3). */
static int unfold(poplin_slice value, poplin_buffer *line) {
    const char *end;
    int status = POPLIN_OK;

    while (status == POPLIN_OK && value.size > 0 && (end = memchr(value.data, '\n', value.size)) != NULL) {
        size_t size = (size_t)(end - value.data);

        status = poplin_buffer_append(line, value.data, size > 0 && end[-1] == '\r' ? size - 1 : size);
        value = (poplin_slice){end + 1, value.size - size - 1};
    }
    return status == POPLIN_OK ? poplin_buffer_append(line, value.data, value.size) : status;
}

/* Ends the words that stand beside each other. */
static int end_words(poplin_decoder *decoder) {
    poplin_charset *charset = decoder->charset;

    decoder->charset = NULL;
    return charset != NULL ? poplin_charset_convert(charset, &decoder->pending, true, &decoder->text) : POPLIN_OK;
}

static int put_text(poplin_decoder *decoder, poplin_slice text) {
    size_t used;
    int status = end_words(decoder);

    return status == POPLIN_OK ? poplin_put_utf8(text, true, &decoder->text, &used) : status;
}

/* Reads the word at the front of text into octets. *charset is NULL where there is none, or none that can be decoded. */
static int read_word(poplin_decoder *decoder, poplin_slice text, poplin_word *word, poplin_charset **charset) {
    *charset = NULL;
    if (!poplin_word_read(text, word))
        return POPLIN_OK;
    int status = poplin_charsets_find(&decoder->charsets, word->charset, charset);

    if (status != POPLIN_OK || *charset == NULL)
        return status;
    empty(&decoder->octets);
    status = poplin_word_decode(word, &decoder->octets);
    if (status == POPLIN_ERR_PROTOCOL) {
        *charset = NULL;
        return POPLIN_OK;
    }
    return status;
}

/* Puts the word whose octets were read, with what stands between it and the word before, if that counts. */
static int put_word(poplin_decoder *decoder, poplin_slice between, poplin_charset *charset) {
    int status = POPLIN_OK;

    if (decoder->charset == NULL || !all_blank(between))
        status = put_text(decoder, between);
    else if (decoder->charset != charset)
        status = end_words(decoder);
    decoder->charset = charset;
    if (status == POPLIN_OK)
        status =
            poplin_buffer_append(&decoder->pending, poplin_buffer_slice(&decoder->octets).data, decoder->octets.size);
    return status == POPLIN_OK ? poplin_charset_convert(charset, &decoder->pending, false, &decoder->text) : status;
}

static int decode(poplin_decoder *decoder, poplin_slice line) {
    size_t done = 0, at = 0; /* what is put; from where words are looked for */
    int status = POPLIN_OK;

    while (status == POPLIN_OK && at < line.size) {
        const char *found = memmem(line.data + at, line.size - at, "=?", 2);
        poplin_charset *charset;
        poplin_word word;

        if (found == NULL)
            break;
        at = (size_t)(found - line.data);
        status = read_word(decoder, (poplin_slice){found, line.size - at}, &word, &charset);
        if (status == POPLIN_OK && charset != NULL) {
            status = put_word(decoder, (poplin_slice){line.data + done, at - done}, charset);
            at = done = at + word.size;
        } else {
            at += 2;
        }
    }
    if (status == POPLIN_OK && line.size > done)
        status = put_text(decoder, (poplin_slice){line.data + done, line.size - done});
    return status == POPLIN_OK ? end_words(decoder) : status;
}

int poplin_decoder_value(poplin_decoder *decoder, poplin_slice value, poplin_slice *text) {
    *text = (poplin_slice){NULL, 0};
    if (value.size > POPLIN_HEADER_MAX)
        return POPLIN_ERR_LIMIT;
    decoder->charset = NULL;
    empty(&decoder->line);
    empty(&decoder->pending);
    empty(&decoder->text);
    int status = unfold(value, &decoder->line);

    if (status == POPLIN_OK)
        status = decode(decoder, trimmed(poplin_buffer_slice(&decoder->line)));
    if (status == POPLIN_OK)
        *text = poplin_buffer_slice(&decoder->text);
    return status;
}
