/*
 * test_header.c - fields and values of headers: RFC 2047's own examples, what senders make of it, and what was never meant
 * to be read.
 */
#include "failing.h"

#include <poplin/header.h>

#include "header/words.h"
#include "wire/grammar.h"
#include "wire/utf8.h"

#include <stdio.h>

/* ---- fields ---- */

static void assert_slice(poplin_slice slice, const char *text) {
    assert_int_equal(slice.size, strlen(text));
    if (slice.size > 0)
        assert_memory_equal(slice.data, text, slice.size);
}

/* All fields of a message as "name=value|" with raw values. */
static void list_fields(poplin_slice message, char *list, size_t size) {
    poplin_slice header;
    poplin_field field;
    size_t used = 0;

    assert_int_equal(poplin_header_of(message, &header), POPLIN_OK);
    while (poplin_header_next(&header, &field) == POPLIN_OK) {
        assert_true(used + field.name.size + field.value.size + 3 < size);
        memcpy(list + used, field.name.data, field.name.size);
        used += field.name.size;
        list[used++] = '=';
        if (field.value.size > 0)
            memcpy(list + used, field.value.data, field.value.size);
        used += field.value.size;
        list[used++] = '|';
    }
    list[used] = '\0';
}

static void a_header_is_cut_into_fields(void **state) {
    (void)state;
    static const struct {
        poplin_slice message;
        const char *fields;
    } cases[] = {
        {SLICE("A: 1\r\nB:2\r\n\r\nC: 3\r\n"), "A= 1|B=2|"},
        {SLICE("A: 1\nB: 2\n\nC: 3\n"), "A= 1|B= 2|"},
        {SLICE("A: 1\r\nB: 2"), "A= 1|B= 2|"},
        {SLICE("A: 1\r\n\tfolded\r\n  twice\r\nB:\r\n"), "A= 1\r\n\tfolded\r\n  twice|B=|"},
        {SLICE("A: 1\n \n x\nB: 2\n"), "A= 1\n \n x|B= 2|"},
        {SLICE("A:\r\n"), "A=|"},
        {SLICE("A:b:c\r\n"), "A=b:c|"},
        {SLICE("A \t: 1\r\n"), "A= 1|"},
        {SLICE("From a@b Tue Oct  1 10:00:00 2024\nA: 1\n"), "A= 1|"},
        {SLICE(">From a@b Tue Oct  1 10:00:00 2024\r\n of: more\r\nA: 1\r\n"), "A= 1|"},
        {SLICE("no colon\r\n  but: one here\r\nA: 1\r\n"), "A= 1|"},
        {SLICE(" lost: line\r\nA: 1\r\n"), "A= 1|"},
        {SLICE(": nobody\r\n : no\r\nA: 1\r\n"), "A= 1|"},
        {SLICE("A b: no\r\nA\0: no\r\n\xC3\xBC: no\r\nA: 1\r\n"), "A= 1|"},
        {SLICE("A: 1\rB: 2\r\r\nC: 3\r\n"), "A= 1\rB: 2\r|C= 3|"},
        {SLICE("\r\nA: 1\r\n"), ""},
        {SLICE("\nA: 1\n"), ""},
        {SLICE(""), ""},
        {{NULL, 0}, ""},
        {SLICE("\r"), ""},
        {SLICE("\0"), ""},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char list[200];

        list_fields(cases[i].message, list, sizeof list);
        assert_string_equal(list, cases[i].fields);
    }
}

static void fields_are_found_by_name(void **state) {
    (void)state;
    poplin_slice header = SLICE("Received: 1\r\nSubject: s\r\nRECEIVED: 2\r\nReceivedx: 3\r\n\r\nreceived: 4\r\n");
    poplin_slice rest = header;
    poplin_field field;

    assert_int_equal(poplin_header_find(&rest, "received", &field), POPLIN_OK);
    assert_slice(field.value, " 1");
    assert_int_equal(poplin_header_find(&rest, "received", &field), POPLIN_OK);
    assert_slice(field.name, "RECEIVED");
    assert_slice(field.value, " 2");
    assert_int_equal(poplin_header_find(&rest, "received", &field), POPLIN_END);
    rest = header;
    assert_int_equal(poplin_header_find(&rest, "Subjec", &field), POPLIN_END);
}

static void a_header_is_bounded(void **state) {
    (void)state;
    size_t size = POPLIN_HEADER_MAX + 16;
    char *text = malloc(size);
    poplin_slice header;

    assert_non_null(text);
    memset(text, 'x', size);
    for (size_t end = POPLIN_HEADER_MAX - 1; end <= POPLIN_HEADER_MAX + 1; end++) {
        memcpy(text + end - 1, "\n\r\n", 3);
        int status = poplin_header_of((poplin_slice){text, size}, &header);

        assert_int_equal(status, end <= POPLIN_HEADER_MAX ? POPLIN_OK : POPLIN_ERR_LIMIT);
        if (status == POPLIN_OK)
            assert_int_equal(header.size, end);
        memset(text + end - 1, 'x', 3);
    }
    assert_int_equal(poplin_header_of((poplin_slice){text, POPLIN_HEADER_MAX}, &header), POPLIN_OK);
    assert_int_equal(poplin_header_of((poplin_slice){text, POPLIN_HEADER_MAX + 1}, &header), POPLIN_ERR_LIMIT);
    assert_int_equal(poplin_header_of((poplin_slice){text, size}, &header), POPLIN_ERR_LIMIT);
    free(text);
}

/* ---- values ---- */

static void assert_decoded(poplin_decoder *decoder, poplin_slice value, const char *expected) {
    poplin_slice text;

    assert_int_equal(poplin_decoder_value(decoder, value, &text), POPLIN_OK);
    assert_slice(text, expected);
}

typedef struct value_case {
    poplin_slice value;
    const char *text;
} value_case;

/* Each with a decoder of its own, and all with one. */
static void assert_all_decoded(const value_case *cases, size_t count) {
    poplin_decoder *common = NULL;

    assert_int_equal(poplin_decoder_new(&common), POPLIN_OK);
    for (size_t i = 0; i < count; i++) {
        poplin_decoder *own = NULL;

        assert_int_equal(poplin_decoder_new(&own), POPLIN_OK);
        assert_decoded(own, cases[i].value, cases[i].text);
        assert_decoded(common, cases[i].value, cases[i].text);
        poplin_decoder_free(own);
    }
    poplin_decoder_free(common);
    poplin_decoder_free(NULL);
}

static void the_examples_of_rfc_2047_are_read(void **state) {
    (void)state;
    static const value_case cases[] = {
        {SLICE(" =?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>"), "Keith Moore <moore@cs.utk.edu>"},
        {SLICE(" =?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>"), "Keld J\xC3\xB8rn Simonsen <keld@dkuug.dk>"},
        {SLICE(" =?ISO-8859-1?Q?Andr=E9?= Pirard <PIRARD@vm1.ulg.ac.be>"),
         "Andr\xC3\xA9 Pirard <PIRARD@vm1.ulg.ac.be>"},
        {SLICE(" =?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n"
               " =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?="),
         "If you can read this you understand the example."},
        {SLICE("Nathaniel Borenstein <nsb@thumper.bellcore.com>\r\n (=?iso-8859-8?b?7eXs+SDv4SDs6Pjv?=)"),
         "Nathaniel Borenstein <nsb@thumper.bellcore.com> "
         "(\xD7\x9D\xD7\x95\xD7\x9C\xD7\xA9 \xD7\x9F\xD7\x91 \xD7\x9C\xD7\x98\xD7\xA8\xD7\x9F)"},
        {SLICE("(=?ISO-8859-1?Q?a?=)"), "(a)"},
        {SLICE("(=?ISO-8859-1?Q?a?= b)"), "(a b)"},
        {SLICE("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)"), "(ab)"},
        {SLICE("(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)"), "(ab)"},
        {SLICE("(=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=)"), "(ab)"},
        {SLICE("(=?ISO-8859-1?Q?a_b?=)"), "(a b)"},
        {SLICE("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)"), "(a b)"},
    };

    assert_all_decoded(cases, COUNT_OF(cases));
}

#define FFFD "\xEF\xBF\xBD"
#define UE "\xC3\xBC" /* u with two dots */

static void words_are_read_as_senders_write_them(void **state) {
    (void)state;
    static const value_case cases[] = {
        {SLICE("=?utf-8*de?q?f=C3=BCr?="), "f" UE "r"},
        {SLICE("=?UTF-8?Q?=3D=41_=5F=7a?="), "=A _z"},
        {SLICE("x=?utf-8?q?a?=y=?utf-8?q?b?=z"), "xaybz"},
        {SLICE("=?utf-8?q?a?==?utf-8?q?b?="), "ab"},
        {SLICE("\"=?utf-8?q?a?=\" =?utf-8?q?b?="), "\"a\" b"},
        {SLICE("=?utf-8?q?a b\r\n c?="), "a b c"},
        {SLICE("=?utf-8?q?\?="), ""},
        {SLICE("a =?utf-8?q?\?= b"), "a  b"},
        {SLICE("=?utf-8?q?_?="), " "},
        {SLICE("=?utf-8?q?=C3?= =?utf-8?q?=BC?="), UE},
        {SLICE("=?utf-8?q?=C3?= =?utf-8?b?vA==?="), UE},
        {SLICE("=?utf-8?q?=C3?= x =?utf-8?q?=BC?="), FFFD " x " FFFD},
        {SLICE("=?utf-8?q?=C3?= =?iso-8859-1?q?=BC?="), FFFD "\xC2\xBC"},
        {SLICE("=?iso-2022-jp?b?GyRCRnxLXBsoQg==?= =?iso-2022-jp?b?GyRCOGwbKEI=?="),
         "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E"},
        {SLICE("=?gb2312?b?1g==?= =?gb2312?b?0LPM?="), "\xE4\xB8\xAD\xE7\xA8\x8B"},
        {SLICE("=?gb2312?b?1tCz?="), "\xE4\xB8\xAD" FFFD},
        {SLICE("=?windows-1252?q?=80=81?="), "\xE2\x82\xAC" FFFD},
        {SLICE("=?utf-8?b?w7w?= =?utf-8?b?w7w=x?= =?utf-8?b?w_7 w?="), UE UE UE},
        {SLICE("=?utf-8?q?=zz=C=?= =?utf-8?q?=\xC3\xBC?="), "=zz=C==" UE},
        {SLICE("=?us-ascii?q?=C3=BC=FF?="), UE FFFD},
        {SLICE("=?unknown-8bit?q?=C3=BC?="), UE},
        {SLICE("=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3F=3D?="), "=?utf-8?q?a?="},
        {SLICE("=?utf-8?q?a?b?= =?utf-8?q?c?="), "=?utf-8?q?a?b?= c"},
    };

    assert_all_decoded(cases, COUNT_OF(cases));
}

static void charsets_have_several_names(void **state) {
    (void)state;
    static const value_case cases[] = {
        {SLICE("=?ISO-8859-8-I?q?=F9?="), "\xD7\xA9"},
        {SLICE("=?iso-8859-8-e?q?=F9?="), "\xD7\xA9"},
        {SLICE("=?iso-8859-6-i?q?=C7?="), "\xD8\xA7"},
        {SLICE("=?unicode-1-1-utf-7?q?+AOQ-?="), "\xC3\xA4"},
        {SLICE("=?x-mac-roman?q?=8A?="), "\xC3\xA4"},
        {SLICE("=?x-sjis?b?gqA=?="), "\xE3\x81\x82"},
        {SLICE("=?X-GBK?b?gUA=?="), "\xE4\xB8\x82"},
        {SLICE("=?gb2312?b?gUA=?="), "\xE4\xB8\x82"},
        {SLICE("=?ks_c_5601-1987?b?gUE=?="), "\xEA\xB0\x82"},
        {SLICE("=?euc-kr?b?gUE=?="), "\xEA\xB0\x82"},
        {SLICE("=?ISO_8859-1:1987?q?=FC?="), UE},
        {SLICE("=?latin1?q?=FC?="), UE},
        {SLICE("=?Windows-1252?q?=FC?="), UE},
        {SLICE("=?cp-850?q?=81?="), UE},
        {SLICE("=?KOI8-R?q?=C1?="), "\xD0\xB0"},
        {SLICE("=?Shift_JIS?b?gqA=?="), "\xE3\x81\x82"},
        {SLICE("=?Shift_JIS?b?XH6HQA==?="), "\\~\xE2\x91\xA0"},
        {SLICE("=?ansi_x3.4-1968?q?=C3=BC?="), UE},
        {SLICE("=?csISO88598I?q?=F9?="), "\xD7\xA9"},
        {SLICE("=?win-1251?q?=E0?="), "\xD0\xB0"},
        {SLICE("=?l9?q?=A4?="), "\xE2\x82\xAC"},
        {SLICE("=?x-x-big5?b?pEA=?="), "\xE4\xB8\x80"},
        {SLICE("=?iso-2022-jp?b?GyRCJCIbKEI=?="), "\xE3\x81\x82"},
        {SLICE("=?ks_c_5601-1987?b?sKE=?="), "\xEA\xB0\x80"},
        {SLICE("=?gb2312?b?gQ==?= =?GBK?b?QA==?="), "\xE4\xB8\x82"},
        {SLICE("=?x-internal?q?abcd?="), "=?x-internal?q?abcd?="},
        {SLICE("=?x-?q?a?="), "=?x-?q?a?="},
        {SLICE("=?x-x-gbk?q?a?="), "=?x-x-gbk?q?a?="},
    };

    assert_all_decoded(cases, COUNT_OF(cases));
}

static void what_cannot_be_decoded_stays(void **state) {
    (void)state;
    static const char *const values[] = {
        "=?",
        "=?=",
        "=??q?a?=",
        "=?utf-8?q?a",
        "=?utf-8?q?a?",
        "=?utf-8?q?a? =",
        "=?utf-8?qq?a?=",
        "=?utf-8?x?a?=",
        "=?utf-8??a?=",
        "=?utf 8?q?a?=",
        "=?utf-8*?",
        "=?no-such-charset?q?a?=",
        "=?no-such-charset?q?a?= =?no-such-charset?q?b?=",
        "=?utf-8//TRANSLIT?q?a?=",
        "=?../../x?q?a?=",
        "=?wchar_t?q?aaaa?=",
        "=?INTERNAL?q?aaaa?=",
        "=?gbk//IGNORE?q?a?=",
        "=?gbk/?q?a?=",
        "=?iso-2022-cn-ext?q?a?=",
        "=?IBM1390?q?a?=",
        "=?UCS-4?q?aaaa?=",
        "=?utf-8 utf-8?q?a?=",
        "=?x-?q?a?=",
        "=?8859-1?q?a?=",
        "=?latin1gbk?q?a?=",
        "=?-?q?a?=",
        "=?utf-8?b?A?=",
        "=?utf-8?b?AAAAA?=",
        "=?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?q?a?=",
    };
    poplin_decoder *decoder = NULL;

    assert_int_equal(poplin_decoder_new(&decoder), POPLIN_OK);
    for (size_t i = 0; i < COUNT_OF(values); i++)
        assert_decoded(decoder, poplin_slice_of(values[i]), values[i]);
    poplin_decoder_free(decoder);
}

static void a_value_is_one_line_of_utf8(void **state) {
    (void)state;
    static const value_case cases[] = {
        {SLICE(""), ""},
        {{NULL, 0}, ""},
        {SLICE(" \t\r\n \r\n\t "), ""},
        {SLICE(" a\r\n b\n\tc "), "a b\tc"},
        {SLICE("a  b"), "a  b"},
        {SLICE("a\r\nb"), "ab"},
        {SLICE("a\rb\r\r\n c"), "a b  c"},
        {SLICE("a\0b"), "a" FFFD "b"},
        {SLICE("\0"), FFFD},
        {SLICE("=?utf-8?q?a=0D=0ABcc:_b=00?="), "a  Bcc: b" FFFD},
        {SLICE("=?iso-8859-1?q?a=0D=0ABcc:_b=00?="), "a  Bcc: b" FFFD},
        {SLICE("=?utf-16be?b?AA0ACgAA?="), "  " FFFD},
        {SLICE("\xC3\xBC"), UE},
        {SLICE("f\xFCr"), "f" FFFD "r"},
        {SLICE("\xE2\x82 \xC0\x80 \xED\xA0\x80 \xF5"), FFFD " " FFFD FFFD " " FFFD FFFD FFFD " " FFFD},
        {SLICE("\xE2\x82"), FFFD},
        {SLICE("\xF0\x9F\x98\x80\xE2\x82\xAC"), "\xF0\x9F\x98\x80\xE2\x82\xAC"},
        {SLICE("=?utf-7?q?+-?="), "+"},
        {SLICE("=?shift_jis?b?gQ==?="), FFFD},
        {SLICE("=?big5?q?=A4?=x"), FFFD "x"},
    };

    assert_all_decoded(cases, COUNT_OF(cases));
}

/* ---- hostile ones ---- */

/* Reads all of a header that lies in a block of its own. */
static void read_all(poplin_slice message) {
    char *copy = malloc(message.size > 0 ? message.size : 1);
    poplin_decoder *decoder = NULL;
    poplin_slice header, text;
    poplin_field field;

    assert_non_null(copy);
    memcpy(copy, message.data, message.size);
    assert_int_equal(poplin_decoder_new(&decoder), POPLIN_OK);
    assert_int_equal(poplin_header_of((poplin_slice){copy, message.size}, &header), POPLIN_OK);
    while (poplin_header_next(&header, &field) == POPLIN_OK) {
        assert_int_equal(poplin_decoder_value(decoder, field.value, &text), POPLIN_OK);
        assert_true(poplin_is_utf8(text));
        for (size_t i = 0; i < text.size; i++)
            assert_null(memchr("\r\n", text.data[i], 3));
    }
    poplin_decoder_free(decoder);
    free(copy);
}

static void a_header_may_be_cut_anywhere(void **state) {
    (void)state;
    static const char text[] =
        "From x Mon 1 1:1\r\nSubject: =?utf-8?b?w7w=?= =?utf-8*de?q?=C3?=\r\n =?UTF-8?Q?=BC_x=4?=\r\n"
        "X \t: =?iso-2022-jp?b?GyRCRnxLXBsoQg==?= =?gb2312?b?1g==?=\n\t=?gb2312?b?0A==?= \xE2\x82\xAC\r\n"
        "Y: =?utf-16?b?/v8A/A==?= =?no?q?x?= =?koi8-r?B?8tXT?= \0 \r =?cp1255?q?=E5=C1?=\r\n\r\nbody";

    for (size_t end = 0; end < sizeof text; end++)
        read_all((poplin_slice){text, end});
    for (size_t start = 0; start < sizeof text; start++)
        read_all((poplin_slice){text + start, sizeof text - start});
}

static void nothing_behind_a_word_is_looked_at(void **state) {
    (void)state;
    poplin_slice all = poplin_slice_of("=?utf-8*de?b?w7w=?=");
    poplin_word word;

    for (size_t end = 0; end < all.size; end++)
        assert_false(poplin_word_read((poplin_slice){all.data, end}, &word));
    assert_true(poplin_word_read(all, &word));
    assert_int_equal(word.size, all.size);
    assert_slice(word.charset, "utf-8");
    assert_slice(word.text, "w7w=");
}

/* As much of the pieces, over and over, as a header may have. */
static poplin_slice repeated(const char *piece) {
    size_t length = strlen(piece), size = POPLIN_HEADER_MAX / length * length;
    char *text = malloc(size);

    assert_non_null(text);
    for (size_t at = 0; at < size; at += length)
        memcpy(text + at, piece, length);
    return (poplin_slice){text, size};
}

/* Each of them a header, a value, and what a quadratic reader would not be done with before the test's time is over. */
static void long_headers_are_read(void **state) {
    (void)state;
    static const char *const pieces[] = {
        "=?",
        "=?utf-8?q?",
        "=?a?b?",
        "=?utf-8?q?\xC3?= ",
        "=?utf-8?b?A",
        "?=",
        "?",
        "=?x?q?a?= ",
        "=?big5?q?\xA4?=",
        "\r",
        "\xF0\x9F",
        " ",
        "a:\n",
        "\r\n ",
        ":",
        "=?utf-8?b?AAAA?=\r\n ",
        "=",
        "=?gbk?b?1g?= =?gbk?q?=D0?= ",
    };

    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        poplin_slice made = repeated(pieces[i]), text;
        poplin_decoder *decoder = NULL;

        read_all(made);
        assert_int_equal(poplin_decoder_new(&decoder), POPLIN_OK);
        assert_int_equal(poplin_decoder_value(decoder, made, &text), POPLIN_OK);
        assert_true(poplin_is_utf8(text));
        assert_true(text.size <= made.size * 3);
        made.size++; /* not looked at */
        if (made.size > POPLIN_HEADER_MAX)
            assert_int_equal(poplin_decoder_value(decoder, made, &text), POPLIN_ERR_LIMIT);
        assert_decoded(decoder, SLICE("=?utf-8?q?a?="), "a");
        poplin_decoder_free(decoder);
        free((char *)made.data);
    }
}

static void few_charsets_are_opened(void **state) {
    (void)state;
    static const char *const others[] = {"iso-8859-2", "iso-8859-3", "iso-8859-4",   "iso-8859-5",   "iso-8859-6",
                                         "iso-8859-7", "iso-8859-9", "windows-1250", "windows-1251", "windows-1252",
                                         "koi8-u",     "cp437",      "cp850",        "cp866",        "iso-8859-10"};
    char value[40];
    poplin_decoder *decoder = NULL;

    assert_int_equal(poplin_decoder_new(&decoder), POPLIN_OK);
    assert_decoded(decoder, SLICE("=?koi8-r?q?=C1?="), "\xD0\xB0");
    assert_int_equal(COUNT_OF(others), POPLIN_HEADER_CHARSETS - 1);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        snprintf(value, sizeof value, "=?%s?q?x?=", others[i]);
        assert_decoded(decoder, SLICE("=?no-such?q?x?="), "=?no-such?q?x?=");
        assert_decoded(decoder, poplin_slice_of(value), "x");
    }
    assert_decoded(decoder, SLICE("=?iso-8859-1?q?=FC?="), "=?iso-8859-1?q?=FC?=");
    assert_decoded(decoder, SLICE("=?KOI8-R?q?=C1?="), "\xD0\xB0");
    poplin_decoder_free(decoder);
}

/* ---- memory ---- */

static int decode_growing(void) {
    poplin_decoder *decoder = NULL;
    int status = poplin_decoder_new(&decoder);

    for (size_t size = 10; size < 100000 && status == POPLIN_OK; size *= 10) {
        static const char word[] = "=?iso-8859-1?q?", end[] = "?= =?utf-8?q?=FC?= =?koi8-r?q?=C1?= x";
        char *value = __real_malloc(size + sizeof word + sizeof end);
        poplin_slice text;

        memcpy(value, word, sizeof word - 1);
        memset(value + sizeof word - 1, '\xFC', size);
        memcpy(value + sizeof word - 1 + size, end, sizeof end);
        status = poplin_decoder_value(decoder, poplin_slice_of(value), &text);
        if (status == POPLIN_OK)
            assert_int_equal(text.size, 2 * size + strlen(FFFD) + 4);
        free(value);
    }
    if (status == POPLIN_ERR_NOMEM && decoder != NULL)
        assert_decoded(decoder, SLICE("=?utf-8?q?=C3=BC?="), UE);
    poplin_decoder_free(decoder);
    return status;
}

/* holds: T-API-5 C */
static void a_decoder_tells_that_memory_ran_out(void **state) {
    (void)state;
    assert_told_at_each_allocation(decode_growing);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_cut_into_fields),
        cmocka_unit_test(fields_are_found_by_name),
        cmocka_unit_test(a_header_is_bounded),
        cmocka_unit_test(the_examples_of_rfc_2047_are_read),
        cmocka_unit_test(words_are_read_as_senders_write_them),
        cmocka_unit_test(charsets_have_several_names),
        cmocka_unit_test(what_cannot_be_decoded_stays),
        cmocka_unit_test(a_value_is_one_line_of_utf8),
        cmocka_unit_test(a_header_may_be_cut_anywhere),
        cmocka_unit_test(nothing_behind_a_word_is_looked_at),
        cmocka_unit_test(long_headers_are_read),
        cmocka_unit_test(few_charsets_are_opened),
        cmocka_unit_test(a_decoder_tells_that_memory_ran_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
