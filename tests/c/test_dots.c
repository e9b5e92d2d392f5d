/*
 * test_dots.c - dot-stuffing and its undoing, held against plain octet-by-octet models, over every short content and many
 * random ones, cut everywhere.
 */
#include "support.h"

#include "wire/dots.h"
#include "wire/grammar.h"

enum { MOST = 4096 };

typedef struct octets {
    char data[MOST];
    size_t size;
} octets;

static void add(octets *to, const char *data, size_t size) {
    assert_true(to->size + size <= sizeof to->data);
    memcpy(to->data + to->size, data, size);
    to->size += size;
}

static void assert_octets(const octets *actual, const octets *expected) {
    assert_int_equal(actual->size, expected->size);
    assert_memory_equal(actual->data, expected->data, expected->size);
}

/* ---- the models ---- */

/* The content as a client shall see it: LF becomes CRLF, a missing last line end is added (POP-ML-7, -8). */
static void model_content(poplin_slice stored, octets *content) {
    content->size = 0;
    for (size_t i = 0; i < stored.size; i++) {
        if (stored.data[i] == '\n' && (i == 0 || stored.data[i - 1] != '\r'))
            add(content, "\r", 1);
        add(content, stored.data + i, 1);
    }
    if (content->size > 0 && content->data[content->size - 1] != '\n')
        add(content, "\r\n", 2);
}

/* The header, the empty line and so many lines of what follows. */
static void model_top(const octets *content, uint64_t lines, octets *top) {
    bool body = false;
    size_t start = 0;

    top->size = 0;
    for (size_t i = 0; i < content->size && !(body && lines == 0); i++) {
        if (content->data[i] != '\n')
            continue;
        add(top, content->data + start, i + 1 - start);
        if (body)
            lines--;
        body = body || i + 1 - start == 2;
        start = i + 1;
    }
}

/* Content that is all CRLF, as it goes over the wire. */
static void model_wire(const octets *content, octets *wire) {
    wire->size = 0;
    for (size_t i = 0; i < content->size; i++) {
        if (content->data[i] == '.' && (i == 0 || content->data[i - 1] == '\n'))
            add(wire, ".", 1);
        add(wire, content->data + i, 1);
    }
    add(wire, ".\r\n", 3);
}

/* ---- what is tested, driven with cuts ---- */

/* The end of the next piece: every octet alone, one cut at a place, or at random. */
struct cuts {
    enum { WHOLE, EACH, ONE, RANDOM } how;
    size_t at;
    uint64_t seed;
};

static size_t next_cut(struct cuts *cuts, size_t from, size_t size) {
    if (cuts->how == EACH)
        return from + 1;
    if (cuts->how == ONE && from < cuts->at && cuts->at < size)
        return cuts->at;
    if (cuts->how == RANDOM)
        return from + 1 + random_below(&cuts->seed, size - from);
    return size;
}

/* Stuffs stored with at most limit octets of output kept; returns the octets counted. */
static uint64_t stuff(poplin_slice stored, poplin_stuffer writer, struct cuts cuts, size_t limit, octets *wire) {
    poplin_buffer output = {0};
    int result = POPLIN_OK;

    wire->size = 0;
    for (size_t from = 0; from < stored.size && result != POPLIN_END;) {
        size_t to = next_cut(&cuts, from, stored.size);
        const char *cursor = stored.data + from;

        while ((result = poplin_stuff(&writer, &cursor, stored.data + to, &output, limit)) == POPLIN_WAITING) {
            assert_in_range(output.size, limit, limit + 2);
            add(wire, poplin_buffer_slice(&output).data, output.size);
            poplin_buffer_consume(&output, output.size);
        }
        if (result == POPLIN_OK)
            assert_ptr_equal(cursor, stored.data + to);
        from = to;
    }
    assert_int_equal(poplin_stuff_end(&writer, &output), POPLIN_OK);
    add(wire, poplin_buffer_slice(&output).data, output.size);
    poplin_buffer_free(&output);
    return writer.octets;
}

static uint64_t count(poplin_slice stored, poplin_stuffer writer, struct cuts cuts) {
    int result = POPLIN_OK;

    for (size_t from = 0; from < stored.size && result == POPLIN_OK;) {
        size_t to = next_cut(&cuts, from, stored.size);
        const char *cursor = stored.data + from;

        result = poplin_stuff(&writer, &cursor, stored.data + to, NULL, 0);
        from = to;
    }
    assert_int_equal(poplin_stuff_end(&writer, NULL), POPLIN_OK);
    return writer.octets;
}

/* Unstuffs wire; returns how many octets it took until the terminator, or 0 if there was none. */
static size_t unstuff(poplin_slice wire, struct cuts cuts, octets *content) {
    poplin_unstuffer reader = {0};

    content->size = 0;
    for (size_t from = 0; from < wire.size;) {
        size_t to = next_cut(&cuts, from, wire.size);
        const char *cursor = wire.data + from;
        poplin_slice slice;
        int result;

        while ((result = poplin_unstuff(&reader, &cursor, wire.data + to, &slice)) == POPLIN_OK) {
            assert_true(slice.size > 0);
            add(content, slice.data, slice.size);
        }
        if (result == POPLIN_END) {
            assert_int_equal(reader.place, POPLIN_AT_LINE_START);
            return (size_t)(cursor - wire.data);
        }
        assert_ptr_equal(cursor, wire.data + to);
        from = to;
    }
    return 0;
}

/* Both ways for one content and one way to cut it. */
static void check(poplin_slice stored, struct cuts cuts, size_t limit) {
    octets content, wire, made, back;

    model_content(stored, &content);
    model_wire(&content, &wire);
    assert_int_equal(stuff(stored, (poplin_stuffer){0}, cuts, limit, &made), content.size);
    assert_octets(&made, &wire);
    assert_int_equal(count(stored, (poplin_stuffer){0}, cuts), content.size);

    add(&wire, "+OK next", 8);
    assert_int_equal(unstuff((poplin_slice){wire.data, wire.size}, cuts, &back), wire.size - 8);
    assert_octets(&back, &content);
}

static void check_top(poplin_slice stored, uint64_t lines, struct cuts cuts, size_t limit) {
    const poplin_stuffer writer = {.top = true, .body_lines_left = lines};
    octets content, top, wire, made;

    model_content(stored, &content);
    model_top(&content, lines, &top);
    model_wire(&top, &wire);
    assert_int_equal(stuff(stored, writer, cuts, limit, &made), top.size);
    assert_octets(&made, &wire);
    assert_int_equal(count(stored, writer, cuts), top.size);
}

/* ---- the tests ---- */

/* The number-th string of so many letters of ".", CR, LF, "x". */
static poplin_slice short_string(size_t number, size_t size, char *buffer) {
    for (size_t i = 0; i < size; i++, number /= 4)
        buffer[i] = ".\r\nx"[number % 4];
    return (poplin_slice){buffer, size};
}

/* holds: POP-ML-2 S, POP-ML-7 S, POP-ML-8 S */
static void every_short_content_at_every_cut(void **state) {
    char buffer[8];

    (void)state;
    for (size_t size = 0; size <= 6; size++)
        for (size_t number = 0; number < (size_t)1 << 2 * size; number++) {
            poplin_slice stored = short_string(number, size, buffer);

            check(stored, (struct cuts){.how = EACH}, 1);
            for (size_t at = 0; at < size + 3; at++)
                check(stored, (struct cuts){.how = ONE, .at = at}, MOST);
        }
}

/* holds: POP-TOP-1 S, POP-SIZE-4 S */
static void top_of_every_short_content(void **state) {
    char buffer[8];

    (void)state;
    for (size_t size = 0; size <= 6; size++)
        for (size_t number = 0; number < (size_t)1 << 2 * size; number++)
            for (uint64_t lines = 0; lines < 3; lines++) {
                poplin_slice stored = short_string(number, size, buffer);

                check_top(stored, lines, (struct cuts){.how = WHOLE}, MOST);
                check_top(stored, lines, (struct cuts){.how = EACH}, 1);
            }
}

/* Reads a wire form octet by octet, as RFC 1939 section 3 has it. Returns as unstuff. */
static size_t model_unstuff(poplin_slice wire, octets *content) {
    size_t start = 0;

    content->size = 0;
    for (size_t i = 0; i <= wire.size; i++) {
        bool line_end = i >= start + 2 && wire.data[i - 1] == '\n' && wire.data[i - 2] == '\r';

        if (line_end && i - start == 3 && wire.data[start] == '.')
            return i;
        if (line_end || i == wire.size) {
            bool dot = i > start && wire.data[start] == '.';
            bool maybe_end = i == wire.size && (i - start == 1 || (i - start == 2 && wire.data[i - 1] == '\r'));

            if (!(dot && maybe_end && !line_end))
                add(content, wire.data + start + dot, i - start - dot);
            start = i;
        }
    }
    return 0;
}

/* holds: POP-ML-3 C, POP-ML-5 C, POP-ML-6 C */
static void every_short_wire_form_at_every_cut(void **state) {
    char buffer[10];

    (void)state;
    for (size_t size = 0; size <= 8; size++)
        for (size_t number = 0; number < (size_t)1 << 2 * size; number++) {
            poplin_slice wire = short_string(number, size, buffer);
            octets expected, content;
            size_t end = model_unstuff(wire, &expected);

            for (size_t at = 0; at < size; at++) {
                assert_int_equal(unstuff(wire, (struct cuts){.how = ONE, .at = at}, &content), end);
                assert_octets(&content, &expected);
            }
            assert_int_equal(unstuff(wire, (struct cuts){.how = EACH}, &content), end);
            assert_octets(&content, &expected);
        }
}

/* holds: POP-ML-3 C */
static void a_leading_dot_is_found_at_every_distance(void **state) {
    (void)state;
    for (size_t distance = 1; distance < 1500; distance++) {
        octets wire = {.size = 0}, expected = {.size = 0}, content;

        for (size_t i = 0; i < distance; i++)
            add(&wire, i % 3 == 0 ? "." : "a", 1);
        wire.data[0] = 'a';
        add(&expected, wire.data, wire.size);
        add(&wire, "\r\n..b\r\n.\r\n", 10);
        add(&expected, "\r\n.b\r\n", 6);
        assert_int_equal(unstuff((poplin_slice){wire.data, wire.size}, (struct cuts){.how = WHOLE}, &content),
                         wire.size);
        assert_octets(&content, &expected);
    }
}

/* holds: POP-SIZE-1 S, POP-SIZE-2 S, POP-SIZE-3 S */
static void random_contents_come_back_as_counted(void **state) {
    uint64_t seed = 1939;

    (void)state;
    for (size_t round = 0; round < 20000; round++) {
        char buffer[600];
        size_t size = random_below(&seed, sizeof buffer), kinds = 1 + random_below(&seed, 12);
        poplin_slice stored = {buffer, size};

        for (size_t i = 0; i < size; i++)
            buffer[i] = "\n.\r\0a\xff"
                        "bcdefg"[random_below(&seed, kinds)];
        check(stored, (struct cuts){.how = RANDOM, .seed = seed}, 1 + random_below(&seed, 700));
        check_top(stored, random_below(&seed, 5), (struct cuts){.how = RANDOM, .seed = seed},
                  1 + random_below(&seed, 700));
    }
}

/* holds: POP-ML-2 S, POP-SIZE-2 S, VEC-STUFF-1 S */
static void the_vector(void **state) {
    const poplin_slice stored = SLICE("From: a@b\r\n\r\n.\r\n..x\r\nline\r\n");
    const poplin_slice wire = SLICE("From: a@b\r\n\r\n..\r\n...x\r\nline\r\n.\r\n");
    octets made;

    (void)state;
    assert_int_equal(stuff(stored, (poplin_stuffer){0}, (struct cuts){.how = WHOLE}, MOST, &made), 27);
    assert_true(poplin_slice_equal((poplin_slice){made.data, made.size}, wire));
}

/* holds: POP-ML-4 C, T-FRM-6 C, T-FRM-8 C */
static void only_crlf_dot_crlf_ends(void **state) {
    const struct {
        poplin_slice wire, content;
    } rows[] = {
        {SLICE(".\r\n"), SLICE("")},
        {SLICE("..\r\n...\r\n....x\r\n.\r\n"), SLICE(".\r\n..\r\n...x\r\n")},
        {SLICE("a\n.\r\n+OK\r\n.\n\r.\r\n.\r\n"), SLICE("a\n.\r\n+OK\r\n\n\r.\r\n")},
        {SLICE("a\r.\r\nb\n.\nc\r\n.\rx\r\n.\r\r\n.\r\n"), SLICE("a\r.\r\nb\n.\nc\r\n\rx\r\n\r\r\n")},
        {SLICE(".text\r\n.\r\n"), SLICE("text\r\n")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        octets content;

        assert_int_equal(unstuff(rows[i].wire, (struct cuts){.how = EACH}, &content), rows[i].wire.size);
        assert_true(poplin_slice_equal((poplin_slice){content.data, content.size}, rows[i].content));
        assert_int_equal(unstuff(rows[i].wire, (struct cuts){.how = WHOLE}, &content), rows[i].wire.size);
        assert_true(poplin_slice_equal((poplin_slice){content.data, content.size}, rows[i].content));
    }
}

/* holds: T-FRM-4 C */
static void half_a_terminator_is_no_end(void **state) {
    octets content;

    (void)state;
    assert_int_equal(unstuff(SLICE("a\r\n."), (struct cuts){.how = WHOLE}, &content), 0);
    assert_int_equal(unstuff(SLICE("a\r\n.\r"), (struct cuts){.how = WHOLE}, &content), 0);
    assert_int_equal(unstuff(SLICE("a\r\n.\n"), (struct cuts){.how = WHOLE}, &content), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_short_content_at_every_cut),
        cmocka_unit_test(top_of_every_short_content),
        cmocka_unit_test(every_short_wire_form_at_every_cut),
        cmocka_unit_test(a_leading_dot_is_found_at_every_distance),
        cmocka_unit_test(random_contents_come_back_as_counted),
        cmocka_unit_test(the_vector),
        cmocka_unit_test(only_crlf_dot_crlf_ends),
        cmocka_unit_test(half_a_terminator_is_no_end),
    };

    return cmocka_run_group_tests_name("dots", tests, NULL, NULL);
}
