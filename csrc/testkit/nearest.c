/*
 * testkit/nearest.c - edit distance, in which a letter too many, one missing, a wrong one and two that were swapped count 1
 * each (optimal string alignment).
 */
#include "testkit/nearest.h"

#include <string.h>

enum { LONGEST = 40 };

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t distance(const char *a, const char *b) {
    size_t rows = strlen(a), columns = strlen(b);
    size_t table[LONGEST + 1][LONGEST + 1];

    for (size_t i = 0; i <= rows; i++)
        for (size_t j = 0; j <= columns; j++) {
            size_t *cell = &table[i][j];

            if (i == 0 || j == 0) {
                *cell = i + j;
                continue;
            }
            *cell = table[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            *cell = smaller(*cell, smaller(table[i - 1][j], table[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                *cell = smaller(*cell, table[i - 2][j - 2] + 1);
        }
    return table[rows][columns];
}

const char *poplin_nearest(const char *name, const char *(*name_at)(size_t index)) {
    size_t size = strlen(name), best = size / 3 + 1;
    const char *nearest = NULL, *other;

    if (size > LONGEST)
        return NULL;
    for (size_t i = 0; (other = name_at(i)) != NULL; i++) {
        size_t away = strlen(other) <= LONGEST ? distance(name, other) : best;

        if (away < best) {
            best = away;
            nearest = other;
        }
    }
    return nearest;
}
