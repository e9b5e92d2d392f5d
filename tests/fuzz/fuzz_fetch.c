/*
 * fuzz_fetch.c - a maildrop that is fetched again and again, while everything fails that can.
 *
 * The fuzzer's octets decide what the server has, how it numbers, measures and refuses, where the line is cut, what fails in
 * the store and in the Maildir, where the fetch is killed or loses its power, and what is asked for. All are models in memory,
 * driven by the engine and the client's machine as they are. At no time is a message nowhere; in a Maildir it is never twice where the server's
 * unique-ids are good; a fetch ends; one message that ends each session, or fetch, keeps no other from coming; and a fetch that nothing
 * disturbs brings what is left. CONTRIBUTING.md says how it is built and run.
 */
#include "fetch_world.h"

/* ---- the server ---- */

static void tell_text(struct world *world, size_t letter, bool top) {
    char text[TEXT_MAX];
    const size_t size = text_of(world, letter, text);
    const char *end = top ? strstr(text, "\r\n\r\n") + 2 : text + size;
    played_tell(&world->link, "+OK\r\n");
    for (const char *line = text; line < end; line = strchr(line, '\n') + 1)
        played_tell(&world->link, "%s%.*s\r\n", *line == '.' ? "." : "", (int)strcspn(line, "\r"), line);
    played_tell(&world->link, "%s.\r\n", top ? "\r\n" : "");
}

static void list(struct world *world, bool ids) {
    char text[TEXT_MAX];
    played_tell(&world->link, "+OK\r\n");
    for (size_t i = 0; i < world->number_count; i++) {
        const size_t letter = world->numbers[i];
        const size_t lie = world->liar && !world->good ? choose(&world->tape, 3) : 0;
        if (ids && !world->letters[letter].nameless)
            played_tell(&world->link, "%zu %%id%zu\r\n", i + 1, world->letters[letter].id);
        else if (!ids)
            played_tell(&world->link, "%zu %zu\r\n", i + 1, text_of(world, letter, text) + lie);
    }
    played_tell(&world->link, ".\r\n");
}

static void quit(struct world *world) {
    const bool commits = !fails(world, 8);
    for (size_t i = 0; i < world->letter_count; i++) {
        struct letter *letter = &world->letters[i];
        if (commits && letter->marked)
            letter->there = fails(world, 8); /* some servers delete what they can */
    }
    world->link.hung_up = true;
    if (!fails(world, 8))
        played_tell(&world->link, commits ? "+OK\r\n" : "-ERR no\r\n");
}

static bool is_poisoned(const struct world *world, enum poplin_verb verb, size_t letter) {
    const size_t kind = verb == POPLIN_RETR   ? POISONS_RETR
                        : verb == POPLIN_TOP  ? POISONS_TOP
                        : verb == POPLIN_DELE ? POISONS_DELE
                                              : 0;
    return letter == world->poison && (world->poisons & kind) != 0;
}

static void answer(poplin_link *link, poplin_slice command) {
    struct world *world = link->context;
    poplin_parsed_command parsed = {0};
    (void)poplin_command_parse(command, &parsed);
    const size_t number = parsed.number;
    const bool known = number > 0 && number <= world->number_count;
    const bool refused = number > 0 && (!known || fails(world, 16));
    if (refused && parsed.verb == POPLIN_TOP && world->no_uidl)
        world->loose = true; /* where it is all that there is, the server seems to have no TOP */
    const bool poisoned = known && is_poisoned(world, parsed.verb, world->numbers[number - 1]);
    if (poisoned && world->forgets)
        link->filled = link->read + link->lent;
    if (poisoned || fails(world, 200))
        link->hung_up = true;
    else if (parsed.verb == POPLIN_CAPA)
        played_tell(link, "+OK\r\nUSER\r\nPIPELINING\r\n.\r\n");
    else if (refused || (parsed.verb == POPLIN_UIDL && world->no_uidl) || (parsed.verb == POPLIN_TOP && world->no_top))
        played_tell(link, "-ERR no\r\n");
    else if (parsed.verb == POPLIN_LIST || parsed.verb == POPLIN_UIDL)
        list(world, parsed.verb == POPLIN_UIDL);
    else if (parsed.verb == POPLIN_RETR || parsed.verb == POPLIN_TOP)
        tell_text(world, world->numbers[number - 1], parsed.verb == POPLIN_TOP);
    else if (parsed.verb == POPLIN_QUIT)
        quit(world);
    else
        played_tell(link, "+OK\r\n");
    if (parsed.verb == POPLIN_DELE && known && !refused && !poisoned)
        world->letters[world->numbers[number - 1]].marked = true;
}

static bool pauses(poplin_link *link) {
    struct world *world = link->context;
    return world->tape.size > 0 && flip(&world->tape);
}

static int connect_to(struct world *world) {
    played_close(&world->link);
    world->number_count = 0;
    for (size_t i = 0; i < world->letter_count; i++) {
        world->letters[i].marked = false;
        if (world->letters[i].there)
            world->numbers[world->number_count++] = i;
    }
    for (size_t i = 0; i < world->mail_count; i++)
        world->mail[i].number = 0;
    world->link = (poplin_link){
        .answer = answer,
        .pauses = pauses,
        .context = world,
        .said = world->said,
        .room = sizeof world->said,
        .portion = fails(world, 2) ? 1 + choose(&world->tape, 40) : SIZE_MAX,
        .drop_after = fails(world, 8) ? 50 + 4 * choose(&world->tape, 256) : SIZE_MAX,
    };
    return played_open(&world->link);
}

/* ---- a run ---- */

static enum poplin_choice choose_for(struct world *world, const poplin_fetch_event *event) {
    CHECK(event->text.size > 0 && memcmp(event->text.data, "Subject: ", 9) == 0);
    const size_t choice = world->good ? 0 : choose(&world->tape, 4);
    if (choice == 1)
        world->letters[world->numbers[event->message->number - 1]].excused = true;
    return choice == 1 ? POPLIN_CHOICE_REJECT : choice == 2 ? POPLIN_CHOICE_SKIP : POPLIN_CHOICE_TAKE;
}

/* Does what is asked for. What it answers. */
static int serve(struct world *world, const poplin_fetch_event *event) {
    switch (event->kind) {
    case POPLIN_FETCH_CONNECT: {
        int status = connect_to(world);
        return status == POPLIN_OK ? poplin_fetch_use(world->fetch, &world->link) : status;
    }
    case POPLIN_FETCH_RECALL:
        return recall(world);
    case POPLIN_FETCH_RECORD:
        CHECK(!world->config.dry_run && event->count > 0);
        for (size_t i = 0; i < event->count; i++)
            write_record(world, &event->records[i]);
        return POPLIN_OK;
    case POPLIN_FETCH_BEGIN:
        CHECK(!world->config.dry_run);
        begin(world, event->message);
        return POPLIN_OK;
    case POPLIN_FETCH_PIECE:
        append(world, event->text);
        return POPLIN_OK;
    case POPLIN_FETCH_DELIVER:
        deliver(world, event->message);
        return POPLIN_OK;
    case POPLIN_FETCH_SETTLE:
        settle(world);
        return POPLIN_OK;
    default:
        return POPLIN_OK;
    }
}

static void handle(struct world *world, const poplin_fetch_event *event) {
    if (event->kind == POPLIN_FETCH_ABANDON) {
        CHECK(world->writing);
        world->writing = false;
    } else if (event->kind == POPLIN_FETCH_RESULT) {
        CHECK(poplin_result_name(event->result) != NULL);
        CHECK((event->result != POPLIN_RESULT_REFUSED && event->result != POPLIN_RESULT_FAILED) ||
              event->error != NULL);
    } else if (fails(world, 100)) {
        if (event->kind == POPLIN_FETCH_PIECE || event->kind == POPLIN_FETCH_DELIVER)
            world->writing = false;
        CHECK(poplin_fetch_answer(world->fetch, POPLIN_ERR_IO, &(poplin_error){.status = POPLIN_ERR_IO}) == POPLIN_OK);
    } else if (event->kind == POPLIN_FETCH_FILTER) {
        CHECK(poplin_fetch_answer(world->fetch, POPLIN_OK, NULL) == POPLIN_ERR_STATE);
        CHECK(poplin_fetch_choose(world->fetch, choose_for(world, event)) == POPLIN_OK);
    } else {
        CHECK(poplin_fetch_answer(world->fetch, serve(world, event), NULL) == POPLIN_OK);
    }
}

static bool is_killed(const struct world *world, int status, const poplin_fetch_event *event) {
    return status == POPLIN_OK && (world->poisons & POISONS_BEGIN) != 0 && event->kind == POPLIN_FETCH_BEGIN &&
           world->numbers[event->message->number - 1] == world->poison;
}

/* One fetch, to its end or until it is stopped. */
static int run(struct world *world) {
    const size_t stop_at = fails(world, 2) ? choose(&world->tape, 256) : 0;
    poplin_fetch_progress progress;
    poplin_fetch_event event;
    int status;
    world->begun = 0;
    CHECK(poplin_fetch_new(&world->config, &world->fetch) == POPLIN_OK);
    for (size_t events = 1;; events++) {
        CHECK(events < EVENTS_MAX);
        status = poplin_fetch_next(world->fetch, &event);
        poplin_fetch_progress_now(world->fetch, &progress);
        CHECK(progress.octets_done <= progress.octets_to_do && progress.messages_done <= LETTERS);
        if (status != POPLIN_OK && status != POPLIN_NEED_INPUT)
            break;
        if (events == stop_at || is_killed(world, status, &event)) {
            status = POPLIN_INTERRUPTED;
            break;
        }
        if (status == POPLIN_OK)
            handle(world, &event);
    }
    CHECK(status == POPLIN_INTERRUPTED || !world->writing); /* what was begun was delivered or abandoned */
    CHECK((status == POPLIN_END || status == POPLIN_INTERRUPTED) == (poplin_fetch_error(world->fetch) == NULL) ||
          status == POPLIN_INTERRUPTED);
    CHECK(status != POPLIN_END || world->config.dry_run || progress.messages_done == progress.messages_to_do);
    poplin_fetch_free(world->fetch);
    played_close(&world->link);
    world->writing = false;
    if (status == POPLIN_INTERRUPTED && flip(&world->tape))
        lose_power(world);
    return status;
}

/* ---- what must be so ---- */

static void check(const struct world *world) {
    for (size_t i = 0; i < world->letter_count; i++) {
        const struct letter *letter = &world->letters[i];
        const size_t count = count_of(world, i);
        CHECK(letter->there || letter->excused || count > 0);
        CHECK(world->loose || count <= 1);
        CHECK(!letter->nameless || world->no_uidl || letter->there || letter->excused);
    }
}

static void check_dry_run(const struct world *world, const struct world *before) {
    CHECK(world->record_count == before->record_count);
    CHECK(world->mail_count <= before->mail_count); /* fewer: the power failed */
    for (size_t i = 0; i < world->letter_count; i++)
        CHECK(world->letters[i].there == before->letters[i].there);
}

/* Whether a message has come, and gone from the server where it should; where a deletion ends each session, what is new has come. */
static bool is_done(const struct world *world, size_t i) {
    const struct letter *letter = &world->letters[i];
    const bool blocked = (world->poisons & POISONS_DELE) != 0;
    const struct record *record = record_of(world, letter->id);
    const bool tried = record != NULL && record->record.step == POPLIN_STEP_TAKEN;
    if (letter->excused || letter->nameless || (blocked && tried))
        return true;
    return count_of(world, i) > 0 && (blocked || world->config.keep != 0 || !letter->there);
}

/* Nothing fails but one message, always: all others come, and go, after some fetches. */
static void check_poison(struct world *world, uint8_t ways) {
    static const size_t kinds[] = {POISONS_RETR, POISONS_TOP | POISONS_RETR, POISONS_DELE, POISONS_BEGIN};
    size_t left = world->letter_count;
    world->poisons = kinds[ways % COUNT_OF(kinds)];
    world->forgets = (ways & 4) != 0;
    world->poison = (ways >> 3) % LETTERS;
    world->good = true;
    world->config.dry_run = false;
    world->config.max_octets = 0;
    world->config.filter = world->config.filter && !world->no_top;
    for (size_t runs = 0; runs < 4 * LETTERS && left > 0; runs++) {
        (void)run(world);
        check(world);
        left = 0;
        for (size_t i = 0; i < world->letter_count; i++)
            left += i != world->poison && !is_done(world, i);
    }
    CHECK(left == 0);
    world->poisons = 0;
}

/* Nothing fails any more: what is left comes, and then nothing does. */
static void check_end(struct world *world) {
    const bool by_number = world->no_uidl && world->no_top;
    world->good = true;
    world->config =
        (poplin_fetch_config){.account = "a", .keep = by_number ? 0 : world->config.keep, .now = world->config.now};
    CHECK(run(world) == POPLIN_END);
    check(world);
    for (size_t i = 0; i < world->letter_count; i++) {
        const struct letter *letter = &world->letters[i];
        const bool nameless = letter->nameless && !world->no_uidl;
        CHECK(letter->excused || nameless || count_of(world, i) > 0);
        CHECK(world->config.keep != 0 || nameless || !letter->there);
    }
    world->config.keep = by_number ? 0 : POPLIN_KEEP_FOREVER;
    CHECK(run(world) == POPLIN_END);
    CHECK(world->begun == 0);
}

/* ---- a life ---- */

static void configure(struct world *world) {
    static const uint64_t keeps[] = {POPLIN_KEEP_FOREVER, 0, 14 * DAY};
    fuzz_tape *tape = &world->tape;
    world->config = (poplin_fetch_config){
        .account = "a",
        .keep = keeps[choose(tape, 3)],
        .limit = (uint32_t)choose(tape, 4),
        .newest_first = flip(tape),
        .max_octets = flip(tape) ? 60 : 0,
        .large_headers = flip(tape),
        .filter = flip(tape),
        .commit_every = (uint32_t)choose(tape, 4),
        .dry_run = choose(tape, 8) == 1,
        .settle_every = (uint32_t)choose(tape, 4),
        .now = world->config.now + (int64_t)choose(tape, 3) * 8 * DAY,
    };
}

/* A unique-id for the next letter. */
static size_t choose_id(struct world *world) {
    const size_t next = world->letter_count;
    if (world->repeats || world->no_uidl || next == 0 || choose(&world->tape, 4) != 1)
        return world->repeats ? next / 2 : next;
    const size_t id = world->letters[choose(&world->tape, next)].id;
    const struct record *record = record_of(world, id);
    for (size_t i = 0; i < next; i++)
        if (world->letters[i].id == id && world->letters[i].there)
            return next;
    return record != NULL && record->record.step == POPLIN_STEP_CONFIRMED ? id : next;
}

static void receive_mail(struct world *world) {
    for (size_t i = choose(&world->tape, 6); i > 0 && world->letter_count < LETTERS; i--, world->letter_count++)
        world->letters[world->letter_count] = (struct letter){
            .lines = choose(&world->tape, 15) +
                     world->letter_count % 2 * 15, /* by the size those of one unique-id can be told */
            .id = choose_id(world),
            .there = true,
            .nameless = choose(&world->tape, 16) == 1,
        };
    if (!world->repeats && world->letter_count > 0 && choose(&world->tape, 8) == 1) { /* another client */
        struct letter *removed = &world->letters[choose(&world->tape, world->letter_count)];
        removed->there = false;
        removed->excused = true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct world world, before;
    world = (struct world){.tape = {data, size}, .config.now = 1763800000};
    const uint8_t ways = take(&world.tape), poison = take(&world.tape);
    world.repeats = (ways & 3) == 3;
    world.no_uidl = (ways & 12) == 12;
    world.no_top = (ways & 48) == 48;
    world.liar = (ways & 192) == 192;
    world.loose = world.repeats || (world.no_uidl && world.no_top);
    for (size_t runs = 0; runs < 12 && world.tape.size > 0; runs++) {
        receive_mail(&world);
        configure(&world);
        before = world;
        (void)run(&world);
        check(&world);
        if (world.config.dry_run)
            check_dry_run(&world, &before);
    }
    if (!world.loose && !world.no_uidl)
        check_poison(&world, poison);
    check_end(&world);
    return 0;
}
