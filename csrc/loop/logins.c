/*
 * loop/logins.c - the last logins: a table by name, and a list by time, from whose front those go whose delay is over.
 */
#include "loop/logins.h"

/* A user's last login. */
struct poplin_login {
    poplin_named named;
    uint64_t time;
    uint64_t delay; /* the user's own */
    struct poplin_login *next, *previous;
};

static void take_out(poplin_logins *logins, struct poplin_login *login) {
    *(login->previous != NULL ? &login->previous->next : &logins->first) = login->next;
    *(login->next != NULL ? &login->next->previous : &logins->last) = login->previous;
}

static void append(poplin_logins *logins, struct poplin_login *login) {
    login->next = NULL;
    login->previous = logins->last;
    *(logins->last != NULL ? &logins->last->next : &logins->first) = login;
    logins->last = login;
}

static void forget_old(poplin_logins *logins, uint64_t now) {
    for (struct poplin_login *login; (login = logins->first) != NULL && now - login->time >= logins->delay;) {
        take_out(logins, login);
        poplin_names_remove(&logins->names, &login->named);
    }
}

static struct poplin_login *find(const poplin_logins *logins, poplin_slice user) {
    return (struct poplin_login *)(void *)poplin_names_find(&logins->names, user);
}

uint64_t poplin_logins_wait(poplin_logins *logins, poplin_slice user, uint64_t now) {
    forget_old(logins, now);
    const struct poplin_login *login = find(logins, user);
    return login != NULL && login->time + login->delay > now ? login->time + login->delay - now : 0;
}

void poplin_logins_note(poplin_logins *logins, poplin_slice user, uint64_t delay, uint64_t now) {
    if (logins->delay == 0)
        return;
    forget_old(logins, now);
    struct poplin_login *login = find(logins, user);
    if (login != NULL) /* two asked for the maildrop at the same time, and both got it */
        take_out(logins, login);
    else
        login = (struct poplin_login *)(void *)poplin_names_enter(&logins->names, user, sizeof *login);
    if (login == NULL)
        return;
    login->time = now;
    login->delay = delay;
    append(logins, login);
}

void poplin_logins_free(poplin_logins *logins) {
    poplin_names_free(&logins->names);
    logins->first = logins->last = NULL;
}
