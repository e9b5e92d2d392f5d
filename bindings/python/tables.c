/*
 * tables.c - the core's tables as dictionaries of the module: what the package documents, offers and checks by.
 *
 * QUIRKS, ATTACKS, BLEMISHES: name to meaning. FAULT_SETTINGS: name to (kind, meaning). OUTCOMES: word to number.
 */
#include "core.h"

/* Adds a row, whose value it takes over; a value that is NULL fails. */
static int add_row(PyObject *table, const char *name, PyObject *value) {
    int status = value == NULL ? -1 : PyDict_SetItemString(table, name, value);
    Py_XDECREF(value);
    return status;
}

static int fill_profiles(PyObject *table, const poplin_profile *profile) {
    for (; profile->name != NULL; profile++) {
        if (add_row(table, profile->name, PyUnicode_FromString(profile->meaning)) < 0) {
            return -1;
        }
    }
    return 0;
}

static int fill_quirks(PyObject *table) {
    return fill_profiles(table, poplin_testkit_quirks());
}

static int fill_attacks(PyObject *table) {
    return fill_profiles(table, poplin_testkit_attacks());
}

static int fill_blemishes(PyObject *table) {
    for (int number = 0; number < POPLIN_BLEMISH_COUNT; number++) {
        const enum poplin_blemish blemish = (enum poplin_blemish)number;
        if (add_row(table, poplin_blemish_word(blemish), PyUnicode_FromString(poplin_blemish_meaning(blemish))) < 0) {
            return -1;
        }
    }
    return 0;
}

static const char *kind_word(enum poplin_setting_kind kind) {
    switch (kind) {
    case POPLIN_SETTING_FLAG:
        return "flag";
    case POPLIN_SETTING_NUMBER:
        return "number";
    case POPLIN_SETTING_SIGNED:
        return "signed";
    case POPLIN_SETTING_SECONDS:
        return "seconds";
    case POPLIN_SETTING_SHARE:
        return "share";
    case POPLIN_SETTING_TEXT:
        return "text";
    case POPLIN_SETTING_OCTETS:
        return "octets";
    case POPLIN_SETTING_WORD:
        break;
    }
    return "word";
}

static int fill_fault_settings(PyObject *table) {
    for (const poplin_setting_row *row = poplin_testkit_settings(); row->name != NULL; row++) {
        if (add_row(table, row->name, Py_BuildValue("ss", kind_word(row->kind), row->meaning)) < 0) {
            return -1;
        }
    }
    return 0;
}

static int fill_outcomes(PyObject *table) {
    for (int number = POPLIN_COMMITTED; number <= POPLIN_FAILED; number++) {
        if (add_row(table, poplin_outcome_word((enum poplin_outcome)number), PyLong_FromLong(number)) < 0) {
            return -1;
        }
    }
    return 0;
}

static const struct {
    const char *name;
    int (*fill)(PyObject *table);
} tables[] = {{"QUIRKS", fill_quirks},
              {"ATTACKS", fill_attacks},
              {"BLEMISHES", fill_blemishes},
              {"FAULT_SETTINGS", fill_fault_settings},
              {"OUTCOMES", fill_outcomes}};

int poplin_py_add_tables(PyObject *module) {
    int status = 0;
    for (size_t i = 0; status == 0 && i < sizeof tables / sizeof *tables; i++) {
        PyObject *table = PyDict_New();
        status = table == NULL || tables[i].fill(table) < 0 ? -1 : PyModule_AddObjectRef(module, tables[i].name, table);
        Py_XDECREF(table);
    }
    return status;
}
