/*
 * tables.c - the core's tables as dictionaries of the module: what the package documents, offers and checks by.
 *
 * QUIRKS, ATTACKS, BLEMISHES: name to meaning. FAULT_SETTINGS: name to (kind, meaning). OUTCOMES, STEPS: word to number.
 * SEEN_STATEMENTS: name to SQL. SEEN_PROBLEMS: name to what to do. SEEN_CODES: SQLite's result code to the problem's name.
 * SEEN_LIMITS: name to number.
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

static int fill_steps(PyObject *table) {
    for (int number = POPLIN_STEP_TAKEN; number <= POPLIN_STEP_CONFIRMED; number++) {
        if (add_row(table, poplin_step_name((enum poplin_step)number), PyLong_FromLong(number)) < 0) {
            return -1;
        }
    }
    return 0;
}

static int fill_seen_statements(PyObject *table) {
    for (int number = 0; number < POPLIN_SEEN_STATEMENTS; number++) {
        const enum poplin_seen_statement statement = (enum poplin_seen_statement)number;
        PyObject *sql = PyUnicode_FromString(poplin_seen_statement(statement));
        if (add_row(table, poplin_seen_statement_name(statement), sql) < 0) {
            return -1;
        }
    }
    return 0;
}

static int fill_seen_problems(PyObject *table) {
    for (int number = 0; number < POPLIN_SEEN_PROBLEMS; number++) {
        const enum poplin_seen_problem problem = (enum poplin_seen_problem)number;
        PyObject *text = PyUnicode_FromString(poplin_seen_problem_text(problem));
        if (add_row(table, poplin_seen_problem_name(problem), text) < 0) {
            return -1;
        }
    }
    return 0;
}

/* SQLite's primary result codes that are errors: 1 to 26. */
static int fill_seen_codes(PyObject *table) {
    for (int code = 1; code <= 26; code++) {
        PyObject *key = PyLong_FromLong(code);
        PyObject *name = PyUnicode_FromString(poplin_seen_problem_name(poplin_seen_problem_of(code)));
        int status = key == NULL || name == NULL ? -1 : PyDict_SetItem(table, key, name);
        Py_XDECREF(key);
        Py_XDECREF(name);
        if (status < 0) {
            return -1;
        }
    }
    return 0;
}

static int fill_seen_limits(PyObject *table) {
    static const struct {
        const char *name;
        long long limit;
    } limits[] = {{"version", POPLIN_SEEN_SCHEMA_VERSION},
                  {"account", POPLIN_SEEN_ACCOUNT_MAX},
                  {"uid", POPLIN_SEEN_UID_MAX},
                  {"time", POPLIN_SEEN_TIME_MAX},
                  {"rows", POPLIN_SEEN_ROWS_MAX},
                  {"length", POPLIN_SEEN_LENGTH_MAX}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (add_row(table, limits[i].name, PyLong_FromLongLong(limits[i].limit)) < 0) {
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
              {"OUTCOMES", fill_outcomes},
              {"STEPS", fill_steps},
              {"SEEN_STATEMENTS", fill_seen_statements},
              {"SEEN_PROBLEMS", fill_seen_problems},
              {"SEEN_CODES", fill_seen_codes},
              {"SEEN_LIMITS", fill_seen_limits}};

int poplin_py_add_tables(PyObject *module) {
    int status = 0;
    for (size_t i = 0; status == 0 && i < sizeof tables / sizeof *tables; i++) {
        PyObject *table = PyDict_New();
        status = table == NULL || tables[i].fill(table) < 0 ? -1 : PyModule_AddObjectRef(module, tables[i].name, table);
        Py_XDECREF(table);
    }
    return status;
}
