/*
 * wire/discover.c - servers by SRV records: which count, and in which order they are to be tried (RFC 2782, RFC 6186).
 */
#include <poplin/discover.h>

#include "wire/grammar.h"
#include "wire/utf8.h"

#include <stdio.h>
#include <string.h>

enum { NAME_MAX_SIZE = 253, LABEL_MAX = 63 };

/* ---- names ---- */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_label_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '-' || c == '_';
}

/* Decimal digits, or hexadecimal ones behind 0x. */
static bool is_number(poplin_slice label) {
    static const char DIGITS[] = "0123456789abcdefABCDEF";
    bool hexadecimal = label.size > 2 && label.data[0] == '0' && (label.data[1] | 0x20) == 'x';
    size_t i = hexadecimal ? 2 : 0;
    while (i < label.size && memchr(DIGITS, label.data[i], hexadecimal ? sizeof DIGITS - 1 : 10) != NULL)
        i++;
    return i == label.size;
}

/*
 * Labels of 1 to 63 letters, digits, "-" and "_", with dots between them; none begins with "-", the last has no dot behind
 * it, and is no number: 192.0.2.1 is an address, and so is 0xC0000201 to most that look it up.
 */
static bool is_host_name(poplin_slice name) {
    size_t label = 0; /* how far into one */
    if (name.size == 0 || name.size > NAME_MAX_SIZE)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        if (c == '.' ? label == 0 : !is_label_char(c) || (c == '-' && label == 0))
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > LABEL_MAX)
            return false;
    }
    return label > 0 && !is_number((poplin_slice){name.data + name.size - label, label});
}

static poplin_slice without_final_dot(poplin_slice name) {
    if (name.size > 0 && name.data[name.size - 1] == '.')
        name.size--;
    return name;
}

/* True for the domain itself and for what is below it. */
static bool is_in_domain(poplin_slice host, const char *domain) {
    size_t size = strlen(domain);
    if (size == 0 || host.size < size)
        return false;
    poplin_slice end = {host.data + host.size - size, size};
    return poplin_slice_equal_nocase(end, domain) && (host.size == size || end.data[-1] == '.');
}

/* ---- the account ---- */

static int refuse(poplin_error *error, const char *reason) {
    if (error != NULL) {
        *error = (poplin_error){.status = POPLIN_ERR_PROTOCOL, .doing = "discovery"};
        (void)snprintf(error->reason, sizeof error->reason, "%s", reason);
    }
    return POPLIN_ERR_PROTOCOL;
}

static void copy_text(char *to, poplin_slice from) {
    memcpy(to, from.data, from.size);
    to[from.size] = '\0';
}

static bool is_user(poplin_slice user) {
    for (size_t i = 0; i < user.size; i++)
        if ((unsigned char)user.data[i] < 0x20 || user.data[i] == 0x7F)
            return false;
    return poplin_is_utf8(user);
}

int poplin_account_parse(const char *text, size_t size, poplin_account *account, poplin_error *error) {
    const char *at = size > 0 ? memrchr(text, '@', size) : NULL;
    size_t local = at != NULL ? (size_t)(at - text) : 0;
    size_t skipped = at != NULL ? local + 1 : 0;
    poplin_slice domain = {skipped < size ? text + skipped : "", size - skipped};
    *account = (poplin_account){0};
    domain = without_final_dot(domain);
    if (!is_host_name(domain) || domain.size + strlen("_pop3s._tcp.") > NAME_MAX_SIZE)
        return refuse(error, "the domain is empty, too long, or holds what no ASCII host name does (write it as "
                             "xn--...); what is wanted is an address, alice@example.org, or a domain");
    if (at != NULL) {
        poplin_slice address = {text, skipped + domain.size};
        if (local == 0 || address.size >= sizeof account->users[0] || !is_user(address))
            return refuse(error,
                          "what stands before the @ is empty, too long, not UTF-8, or holds a control character");
        copy_text(account->users[0], address);
        copy_text(account->users[1], (poplin_slice){text, local});
        account->user_count = 2;
    }
    copy_text(account->domain, domain);
    (void)snprintf(account->pop3s_name, sizeof account->pop3s_name, "_pop3s._tcp.%s", account->domain);
    (void)snprintf(account->pop3_name, sizeof account->pop3_name, "_pop3._tcp.%s", account->domain);
    return POPLIN_OK;
}

/* ---- the choice ---- */

static bool comes_before(const poplin_candidate *a, const poplin_candidate *b) {
    if (a->record->pop3s != b->record->pop3s)
        return a->record->pop3s;
    if (a->record->priority != b->record->priority)
        return a->record->priority < b->record->priority;
    return a->record->weight == 0 && b->record->weight != 0;
}

static bool is_same_group(const poplin_candidate *a, const poplin_candidate *b) {
    return a->record->pop3s == b->record->pop3s && a->record->priority == b->record->priority;
}

/* Puts a candidate in its place among those before it, behind its equals: they are few, as a rule. */
static void insert(poplin_candidate *candidates, size_t count, poplin_candidate candidate) {
    size_t place = count;
    while (place > 0 && comes_before(&candidate, &candidates[place - 1]))
        place--;
    memmove(candidates + place + 1, candidates + place, (count - place) * sizeof *candidates);
    candidates[place] = candidate;
}

/*
 * Orders candidates of one priority: again and again a number from 0 to the sum of the weights, and the first is taken at
 * which the running sum reaches it (RFC 2782). Those of weight 0 stand in front, and so are taken by a 0 alone.
 */
static void choose_by_weight(const poplin_discovery *discovery, poplin_candidate *group, size_t count) {
    for (; count > 1; group++, count--) {
        uint32_t sum = 0, running = 0;
        size_t chosen = 0;
        for (size_t i = 0; i < count; i++)
            sum += group[i].record->weight; /* at most 1000 times 65535 */
        uint32_t wanted = discovery->random(discovery->context, sum);
        for (size_t i = 0; i < count; i++) {
            chosen = i;
            running += group[i].record->weight;
            if (running >= wanted)
                break;
        }
        poplin_candidate first = group[chosen];
        memmove(group + 1, group, chosen * sizeof *group);
        group[0] = first;
    }
}

static bool make_candidate(const poplin_discovery *discovery, const poplin_srv *record, poplin_candidate *candidate) {
    poplin_slice host = without_final_dot(record->target);
    if (record->port == 0 || !is_host_name(host))
        return false;
    *candidate = (poplin_candidate){
        .record = record,
        .host = host,
        .tls = record->pop3s ? POPLIN_TLS_IMPLICIT : POPLIN_TLS_STLS,
        .verified = record->is_signed || is_in_domain(host, discovery->domain),
    };
    return true;
}

/* Lists the pop3 servers again behind all others, to be used without TLS. Returns how many candidates there are then. */
static size_t add_cleartext(poplin_candidate *candidates, size_t count) {
    size_t all = count;
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].tls != POPLIN_TLS_STLS)
            continue;
        candidates[all] = candidates[i];
        candidates[all++].tls = POPLIN_TLS_NEVER;
    }
    return all;
}

void poplin_discover(const poplin_discovery *discovery, const poplin_srv *records, size_t count,
                     poplin_candidate *candidates, size_t *found) {
    poplin_candidate candidate;
    size_t usable = 0;
    for (size_t i = 0; i < count && usable < POPLIN_DISCOVER_MAX; i++)
        if (make_candidate(discovery, &records[i], &candidate))
            insert(candidates, usable++, candidate);
    for (size_t first = 0, end; first < usable; first = end) {
        for (end = first + 1; end < usable && is_same_group(&candidates[first], &candidates[end]);)
            end++;
        choose_by_weight(discovery, candidates + first, end - first);
    }
    *found = discovery->cleartext ? add_cleartext(candidates, usable) : usable;
}
