/*
 * listing.c - the type listing: what LIST and UIDL said of the messages, in one block of memory that Lua owns.
 *
 * A maildrop may hold many thousand messages, and Lua's collector looks at every table that lives, again and again. So
 * a listing stays in C, and a message becomes a table only when it is handed to the script.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

typedef struct listing {
    size_t count;
    poplin_line lines[]; /* the unique-ids stand behind them */
} listing;

static listing *check_listing(lua_State *L, int index) {
    return luaL_checkudata(L, index, POPLIN_LUA_LISTING);
}

/* An empty listing with room for count lines and for size octets of unique-ids, pushed. *text is where those go. */
static listing *new_listing(lua_State *L, size_t count, size_t size, char **text) {
    listing *self = lua_newuserdatauv(L, sizeof *self + count * sizeof(poplin_line) + size, 0);
    self->count = 0;
    luaL_setmetatable(L, POPLIN_LUA_LISTING);
    *text = (char *)&self->lines[count];
    return self;
}

static void add_line(listing *self, poplin_line line, char **text) {
    if (line.unique_id.data != NULL) {
        memcpy(*text, line.unique_id.data, line.unique_id.size);
        line.unique_id.data = *text;
        *text += line.unique_id.size;
    }
    self->lines[self->count++] = line;
}

void poplin_lua_push_listing(lua_State *L, const poplin_line *lines, size_t count) {
    size_t size = 0;
    char *text;
    for (size_t i = 0; i < count; i++) {
        size += lines[i].unique_id.size;
    }
    listing *self = new_listing(L, count, size, &text);
    for (size_t i = 0; i < count; i++) {
        add_line(self, lines[i], &text);
    }
}

const poplin_line *poplin_lua_check_listing(lua_State *L, int index, size_t *count) {
    const listing *self = check_listing(L, index);
    *count = self->count;
    return self->lines;
}

void poplin_lua_push_message(lua_State *L, const poplin_line *line, int metatable) {
    metatable = lua_absindex(L, metatable);
    lua_createtable(L, 0, 4); /* with the data */
    lua_pushinteger(L, line->number);
    lua_setfield(L, -2, "number");
    lua_pushinteger(L, (lua_Integer)line->octets);
    lua_setfield(L, -2, "octets");
    if (line->unique_id.data != NULL) {
        poplin_lua_push_slice(L, line->unique_id);
        lua_setfield(L, -2, "uid");
    }
    lua_pushvalue(L, metatable);
    lua_setmetatable(L, -2);
}

/* The index of the line behind that of this unique-id; 0 where none has it. */
static size_t line_behind(const listing *self, const char *unique_id, size_t size) {
    for (size_t i = 0; i < self->count; i++) {
        const poplin_slice known = self->lines[i].unique_id;
        if (known.data != NULL && known.size == size && memcmp(known.data, unique_id, size) == 0) {
            return i + 1;
        }
    }
    return 0;
}

/*
 * listing:messages(metatable, since_uid or nil, newest_first): an array of messages; those behind the one of that
 * unique-id, where it is there; the last one first.
 */
static int listing_messages(lua_State *L) {
    const listing *self = check_listing(L, 1);
    size_t size = 0;
    const char *since = luaL_optlstring(L, 3, NULL, &size);
    const bool newest_first = lua_toboolean(L, 4);
    const size_t begin = since == NULL ? 0 : line_behind(self, since, size);
    lua_createtable(L, (int)(self->count - begin), 0);
    const int messages = lua_gettop(L);
    for (size_t i = begin; i < self->count; i++) {
        poplin_lua_push_message(L, &self->lines[i], 2);
        lua_rawseti(L, messages, (lua_Integer)(newest_first ? self->count - i : i - begin + 1));
    }
    return 1;
}

static int compare_numbers(const void *a, const void *b) {
    const poplin_line *const *first = a;
    const poplin_line *const *second = b;
    return ((*first)->number > (*second)->number) - ((*first)->number < (*second)->number);
}

/*
 * listing:pick(numbers): a listing of these messages, each once, in this order; one that is not listed is there without
 * unique-id.
 */
static int listing_pick(lua_State *L) {
    const listing *self = check_listing(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    size_t wanted = lua_rawlen(L, 2);
    const poplin_line **sorted = lua_newuserdatauv(L, (self->count + 1) * sizeof *sorted, 0);
    bool *taken = lua_newuserdatauv(L, self->count + 1, 0);
    size_t size = 0;
    char *text;
    for (size_t i = 0; i < self->count; i++) {
        sorted[i] = &self->lines[i];
        size += self->lines[i].unique_id.size;
    }
    memset(taken, 0, self->count + 1);
    qsort(sorted, self->count, sizeof *sorted, compare_numbers);
    listing *picked = new_listing(L, wanted, size, &text);
    for (size_t i = 0; i < wanted; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        const poplin_line asked = {.number = poplin_lua_number(L, -1)};
        const poplin_line *key = &asked;
        lua_pop(L, 1);
        const poplin_line **found = bsearch(&key, sorted, self->count, sizeof *sorted, compare_numbers);
        if (found == NULL) {
            add_line(picked, asked, &text);
        } else if (!taken[found - sorted]) {
            taken[found - sorted] = true;
            add_line(picked, **found, &text);
        }
    }
    return 1;
}

void poplin_lua_listing_type(lua_State *L) {
    static const luaL_Reg methods[] = {{"messages", listing_messages}, {"pick", listing_pick}, {NULL, NULL}};
    poplin_lua_type(L, POPLIN_LUA_LISTING, methods);
}
