/*
 * header/words.h - encoded words: =?charset?encoding?text?= (RFC 2047 section 2).
 */
#ifndef POPLIN_HEADER_WORDS_H
#define POPLIN_HEADER_WORDS_H

#include "wire/buffer.h"

/* A word that has the right form. The slices point into what was read. */
typedef struct poplin_word {
    poplin_slice charset; /* without the language behind it */
    poplin_slice text;
    bool base64;
    size_t size; /* octets of the whole */
} poplin_word;

/* Reads the word that text, which begins with "=?", begins with. False: it is none. */
bool poplin_word_read(poplin_slice text, poplin_word *word);

/* Appends the octets that a word stands for. OK; PROTOCOL: for none, output is then as it was; NOMEM. */
int poplin_word_decode(const poplin_word *word, poplin_buffer *output);

#endif
