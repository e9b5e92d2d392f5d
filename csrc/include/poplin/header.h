/*
 * poplin/header.h - the header of a message (RFC 5322 section 2.2): its fields one after the other or by name, and their
 * values as a person reads them: unfolded, with the encoded words of RFC 2047 decoded to UTF-8.
 *
 * Here end the message's own octets, which anybody may have written: nothing fails because a header is odd. What is no
 * field is passed over; what cannot be decoded stays as it stands. All takes time in proportion to the octets.
 *
 * Nothing here interprets a field: From is text like Subject. Decode after taking an address field apart, never before: a
 * decoded name may hold commas and angle brackets.
 */
#ifndef POPLIN_HEADER_H
#define POPLIN_HEADER_H

#include <poplin/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The longest header, and the longest value, that is looked at: octets. */
#define POPLIN_HEADER_MAX 1048576

/* Of so many charsets the words of one header are decoded; those of further ones stay as they stand. */
#define POPLIN_HEADER_CHARSETS 16

/* One field, as it stands in the message. The slices point into what was read. */
typedef struct poplin_field {
    poplin_slice name;  /* as written, "Subject"; one or more of the octets 0x21-0x7E, no colon among them */
    poplin_slice value; /* all behind the colon, line ends of its folding included, without the last line end */
} poplin_field;

/*
 * The header of a message, of what TOP brought, or of a header alone: all before the first empty line, or everything where
 * there is none. Lines end in CRLF or LF. *header points into message, and is empty where there is no header. LIMIT: it
 * is longer than POPLIN_HEADER_MAX.
 */
POPLIN_API int poplin_header_of(poplin_slice message, poplin_slice *header);

/*
 * Takes the next field from the front of *header, which is left behind it. POPLIN_END: there is none before the end or an
 * empty line. Passed over, together with the lines that continue them: a line without a colon, one whose name holds
 * a space or an octet outside 0x21-0x7E (a mailbox's "From " line; blanks right before the colon are let through and left
 * out: RFC 5322 section 4.5), one without a name, and continuation lines that nothing stands before.
 */
POPLIN_API int poplin_header_next(poplin_slice *header, poplin_field *field);

/*
 * The same for the next field of this name, in upper or lower case. POPLIN_END: there is none. Called again it finds the
 * next of the same name: with the header anew, the first.
 */
POPLIN_API int poplin_header_find(poplin_slice *header, const char *name, poplin_field *field);

/* What decodes values: it keeps converters and memory between them. Make one for each header; one thread at a time. */
typedef struct poplin_decoder poplin_decoder;

/* NOMEM. */
POPLIN_API int poplin_decoder_new(poplin_decoder **decoder);

/* Frees the decoder and its last text; NULL is fine. */
POPLIN_API void poplin_decoder_free(poplin_decoder *decoder);

/*
 * A field's value as one line of well-formed UTF-8, without NUL, CR and LF. *text lives until the next call with this
 * decoder. NOMEM; LIMIT: the value is longer than POPLIN_HEADER_MAX. The decoder can be used after either.
 *
 * - Line ends are taken out, their blanks stay (RFC 5322 section 2.2.3); blanks at both ends of the value go.
 * - Encoded words (RFC 2047; with a language, RFC 2231 section 5) are decoded wherever they stand, in the midst of other
 *   text and in quotation marks too, since senders put them there; blanks inside one are forgiven. Blanks between two
 *   of them go; a character that is cut between two of one charset is put together.
 * - Charsets are those that mail is written in, by the names that it calls them by, with or without "x-": UTF-8, -7 and
 *   -16, ASCII, ISO-8859, Windows and DOS code pages, KOI8, ISO-2022-JP and -KR, EUC, Shift_JIS (read as CP932), GB 2312
 *   (read as GBK), GBK, GB 18030, Big5, KS C 5601 (read as CP949), TIS-620. No other name gets to iconv(3), nor do slashes
 *   behind one.
 * - A word stays as it stands, and counts as text, where its charset is another or iconv(3) does not have it, its encoding is
 *   neither Q nor B, it has no end, a "?" stands in its text, or its base64 has one letter too many. Otherwise bad base64
 *   and bad Q are read as far as they go: letters outside the alphabet are skipped, a "=" without two digits is itself.
 * - Octets that are none of the word's charset become U+FFFD. ASCII and unknown-8bit (RFC 1428) are read as UTF-8 is.
 * - Raw octets above 0x7F are taken as UTF-8 (RFC 6532) where they are; each that is not, or each beginning of a
 *   character that breaks off, becomes U+FFFD.
 * - A CR or LF that comes out of a word, or a CR alone, becomes a space, a NUL U+FFFD: no value can smuggle in a line.
 *   Other control characters stay; a terminal should not get them.
 */
POPLIN_API int poplin_decoder_value(poplin_decoder *decoder, poplin_slice value, poplin_slice *text);

#ifdef __cplusplus
}
#endif
#endif
