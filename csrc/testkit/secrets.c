/*
 * testkit/secrets.c - the forms of a secret, and texts without them.
 *
 * A secret has several forms: its octets; the same made visible; and what the base64 of any string has in it that
 * contains the secret, one form for each of the three places in a group of octets where the secret can begin. A form of
 * base64 is only the middle of a longer run, so the whole run is masked with it.
 */
#include "testkit/secrets.h"

#include <stdlib.h>
#include <string.h>

#include "wire/base64.h"
#include "wire/grammar.h"

enum { TELLING = 4 }; /* octets from which on a secret is not in a text by chance */

struct poplin_secret_form {
    poplin_secret_form *next;
    bool base64;
    bool telling;
    size_t size;
    char octets[];
};

static const char mask[] = "****";

/* ---- forms ---- */

static int add_form(poplin_secrets *secrets, poplin_slice octets, bool base64, bool telling) {
    poplin_secret_form **place = &secrets->first[(unsigned char)octets.data[0]];

    for (; *place != NULL && (*place)->size >= octets.size; place = &(*place)->next)
        if (poplin_slice_equal((poplin_slice){(*place)->octets, (*place)->size}, octets))
            return POPLIN_OK;
    poplin_secret_form *form = malloc(sizeof *form + octets.size);
    if (form == NULL)
        return POPLIN_ERR_NOMEM;
    *form = (poplin_secret_form){.next = *place, .base64 = base64, .telling = telling, .size = octets.size};
    memcpy(form->octets, octets.data, octets.size);
    *place = form;
    return POPLIN_OK;
}

static int add_visible(poplin_secrets *secrets, poplin_slice secret) {
    poplin_buffer visible = {0};
    size_t size = 4 * secret.size + 1;
    char *text = poplin_buffer_reserve(&visible, size);
    if (text == NULL)
        return POPLIN_ERR_NOMEM;
    poplin_visible(secret, text, size);
    int status = add_form(secrets, poplin_slice_of(text), false, secret.size >= TELLING);
    poplin_buffer_free(&visible);
    return status;
}

/* What base64 makes of the secret behind so many octets that nobody knows, without the characters that they, or those behind, decide. */
static int add_base64(poplin_secrets *secrets, poplin_slice secret, size_t before) {
    static const size_t undecided[] = {0, 2, 3};
    poplin_buffer octets = {0}, text = {0};
    int status = poplin_buffer_append(&octets, "\0\0", before);
    if (status == POPLIN_OK)
        status = poplin_buffer_append(&octets, secret.data, secret.size);
    if (status == POPLIN_OK)
        status = poplin_base64_encode(poplin_buffer_slice(&octets), &text);
    if (status == POPLIN_OK) {
        size_t decided = (before + secret.size) * 8 / 6;
        poplin_slice middle = {text.memory + undecided[before], decided - undecided[before]};
        status = add_form(secrets, middle, true, true);
    }
    poplin_buffer_free(&octets);
    poplin_buffer_free(&text);
    return status;
}

int poplin_secrets_add(poplin_secrets *secrets, poplin_slice secret) {
    if (secret.size == 0)
        return POPLIN_OK;
    if (secret.size > SIZE_MAX / 8)
        return POPLIN_ERR_NOMEM;
    int status = add_form(secrets, secret, false, secret.size >= TELLING);
    if (status == POPLIN_OK)
        status = add_visible(secrets, secret);
    for (size_t before = 0; status == POPLIN_OK && secret.size >= TELLING && before < 3; before++)
        status = add_base64(secrets, secret, before);
    return status;
}

void poplin_secrets_free(poplin_secrets *secrets) {
    for (size_t i = 0; i < sizeof secrets->first / sizeof *secrets->first; i++) {
        while (secrets->first[i] != NULL) {
            poplin_secret_form *form = secrets->first[i];
            secrets->first[i] = form->next;
            poplin_wipe(form->octets, form->size);
            free(form);
        }
    }
}

/* ---- texts ---- */

/* The longest form at the start of text; with cut, also one of which text holds only the beginning. NULL: none. */
static const poplin_secret_form *form_at(const poplin_secrets *secrets, poplin_slice text, bool cut) {
    const poplin_secret_form *form = secrets->first[(unsigned char)text.data[0]];

    for (; form != NULL; form = form->next) {
        size_t size = form->size <= text.size ? form->size : cut ? text.size : 0;
        if (size > 0 && memcmp(form->octets, text.data, size) == 0)
            return form;
    }
    return NULL;
}

bool poplin_secrets_turn_up(const poplin_secrets *secrets, poplin_slice line) {
    for (; line.size > 0; line.data++, line.size--)
        for (const poplin_secret_form *form = secrets->first[(unsigned char)line.data[0]]; form; form = form->next)
            if (form->telling && form->size <= line.size && memcmp(form->octets, line.data, form->size) == 0)
                return true;
    return false;
}

static bool is_base64(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/' ||
           c == '=';
}

/* Takes back the end of masked, down to floor, that belongs to a run of base64. */
static void take_back(poplin_buffer *masked, size_t floor) {
    while (masked->size > floor && is_base64(masked->memory[masked->start + masked->size - 1]))
        masked->size--;
}

static void drop(poplin_slice *text, size_t size) {
    text->data += size;
    text->size -= size;
}

static size_t run_of_base64(poplin_slice text) {
    size_t size = 0;
    while (size < text.size && is_base64(text.data[size]))
        size++;
    return size;
}

/* Where the next form stands, or the text's end; *form is NULL there. */
static size_t find_form(const poplin_secrets *secrets, poplin_slice text, bool cut, const poplin_secret_form **form) {
    size_t at = 0;

    for (*form = NULL; at < text.size; at++)
        if ((*form = form_at(secrets, (poplin_slice){text.data + at, text.size - at}, cut)) != NULL)
            break;
    return at;
}

int poplin_secrets_mask(const poplin_secrets *secrets, poplin_slice text, bool cut, poplin_buffer *masked) {
    const poplin_secret_form *form;
    size_t floor = masked->size;

    for (;;) {
        size_t plain = find_form(secrets, text, cut, &form);
        if (poplin_buffer_append(masked, text.data, plain) != POPLIN_OK)
            return POPLIN_ERR_NOMEM;
        if (form == NULL)
            return POPLIN_OK;
        drop(&text, plain);
        drop(&text, form->size < text.size ? form->size : text.size);
        if (form->base64) {
            take_back(masked, floor);
            drop(&text, run_of_base64(text));
        }
        if (poplin_buffer_append(masked, mask, strlen(mask)) != POPLIN_OK)
            return POPLIN_ERR_NOMEM;
    }
}
