/*
 * test_tls_pins.c - servers known by their keys: pinned by the user, or kept from the first contact.
 */
#include "keys_file.h"
#include "tls_ends.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls/pin.h"
#include "wire/base64.h"

static const char STRANGER[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/* Another server, which says the same name; nobody vouches for it. */
static poplin_tls_throwaway impostor;
static poplin_tls_credentials *impostor_credentials;

static int set_up_both(void **state) {
    static const char *const NAMES[] = {"localhost"};
    set_up(state);
    assert_int_equal(poplin_tls_throwaway_new(NAMES, 1, &impostor), POPLIN_OK);
    return poplin_tls_server_credentials_pem(poplin_slice_of(impostor.cert_pem), poplin_slice_of(impostor.key_pem),
                                             &impostor_credentials, NULL);
}

static int tear_down_both(void **state) {
    poplin_tls_credentials_free(impostor_credentials);
    poplin_tls_throwaway_free(&impostor);
    return tear_down(state);
}

/* ---- one visit ---- */

typedef struct visit {
    int status;
    poplin_error error;
    poplin_tls_info info;
    bool verified;
} visit;

static visit visit_at(const poplin_tls_trust *trust, poplin_tls_credentials *server, const char *name, uint16_t port) {
    visit seen = {0};
    poplin_tls_credentials *credentials;
    poplin_tls *ours, *theirs;
    poplin_tls_facts facts = {0};
    int server_status;
    assert_int_equal(poplin_tls_client_credentials(trust, &credentials, NULL), POPLIN_OK);
    assert_int_equal(poplin_tls_client_open(credentials, &(poplin_tls_peer){.name = name, .port = port}, &ours),
                     POPLIN_OK);
    assert_int_equal(poplin_tls_server_new(server, &theirs), POPLIN_OK);
    seen.status = shake(ours, theirs, &server_status);
    seen.error = *poplin_tls_error(ours);
    if (seen.status == POPLIN_OK) {
        assert_int_equal(poplin_tls_get_info(ours, &seen.info), POPLIN_OK);
        assert_int_equal(poplin_tls_get_facts(ours, &facts), POPLIN_OK);
    } else {
        assert_int_equal(server_status, POPLIN_ERR_TLS);
        assert_non_null(strstr(poplin_tls_error(theirs)->reason, "the alert")); /* so that its log can tell */
    }
    seen.verified = facts.verified;
    poplin_tls_free(ours);
    poplin_tls_free(theirs);
    poplin_tls_credentials_free(credentials);
    return seen;
}

static visit visit_with(const poplin_tls_trust *trust, poplin_tls_credentials *server) {
    return visit_at(trust, server, "localhost", 995);
}

static void expect_proof(const visit *seen, enum poplin_tls_proof proof, bool verified) {
    if (seen->status != POPLIN_OK)
        fail_msg("\"%s\"", seen->error.reason);
    assert_int_equal(seen->info.proof, proof);
    assert_int_equal(seen->verified, verified);
}

static void expect_refusal(const visit *seen, const char *reason) {
    if (seen->status != POPLIN_ERR_CERTIFICATE || strstr(seen->error.reason, reason) == NULL)
        fail_msg("status %d, \"%s\" does not say \"%s\"", seen->status, seen->error.reason, reason);
}

/* The pin of a server's key, as a client that checks nothing learns it. */
static const char *pin_of(poplin_tls_credentials *server, char pin[45]) {
    visit seen = visit_with(&(poplin_tls_trust){.verify = false}, server);
    expect_proof(&seen, POPLIN_TLS_PROOF_NONE, false);
    return strcpy(pin, seen.info.pin);
}

/* ---- pins ---- */

static void a_pin_is_checked_besides_the_certificate(void **state) {
    (void)state;
    char text[45], pins[100];
    snprintf(pins, sizeof pins, "%s  %s ", STRANGER, pin_of(server_credentials, text));
    poplin_tls_trust trust = {.verify = true, .ca_pem = poplin_slice_of(identity.ca_pem), .pins = pins};
    visit seen = visit_with(&trust, server_credentials);
    expect_proof(&seen, POPLIN_TLS_PROOF_CA_AND_PIN, true);
    seen = visit_at(&trust, server_credentials, "example.org", 995);
    expect_refusal(&seen, "the certificate is for localhost, not example.org");
    trust.pins = pin_of(impostor_credentials, text);
    seen = visit_with(&trust, impostor_credentials);
    expect_refusal(&seen, "signed by an unknown CA");
}

static void a_wrong_pin_is_refused_and_the_key_told(void **state) {
    (void)state;
    char text[45];
    const char *pins = STRANGER;
    poplin_tls_trust trust = {.verify = true, .ca_pem = poplin_slice_of(identity.ca_pem), .pins = pins};
    visit seen = visit_with(&trust, server_credentials);
    expect_refusal(&seen, "is none of those pinned");
    expect_refusal(&seen, pin_of(server_credentials, text));
}

/* holds: POP-TLS-19 C */
static void a_pin_alone_makes_no_certificate_good(void **state) {
    (void)state;
    char text[45];
    const char *pins = pin_of(impostor_credentials, text);
    poplin_tls_trust trust = {.verify = false, .pins = pins};
    visit seen = visit_with(&trust, impostor_credentials);
    expect_proof(&seen, POPLIN_TLS_PROOF_PIN, false);
    seen = visit_with(&trust, server_credentials);
    expect_refusal(&seen, "is none of those pinned");
}

static void what_is_no_pin_is_refused_at_once(void **state) {
    (void)state;
    static const char *const BAD[] = {"",
                                      "secret",
                                      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= secret",
                                      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=",
                                      "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-="};
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        poplin_tls_trust trust = {.verify = false, .pins = BAD[i]};
        poplin_tls_credentials *credentials = NULL;
        poplin_error error;
        assert_int_equal(poplin_tls_client_credentials(&trust, &credentials, &error), POPLIN_ERR_CERTIFICATE);
        assert_non_null(strstr(error.reason, BAD[i][0] == '\0' ? "there is no pin" : "is no pin"));
        assert_null(credentials);
    }
}

/* Each hash has one form: base64 that a decoder takes is a pin exactly if it is what an encoder makes. */
static void a_pin_has_one_form(void **state) {
    (void)state;
    uint64_t seed = 5;
    for (int round = 0; round < 5000; round++) {
        poplin_pin pin;
        poplin_buffer hash = {0};
        char text[45];
        strcpy(text, STRANGER);
        for (int i = 0; i < 2; i++)
            text[41 + random_below(&seed, 3)] = (char)(' ' + random_below(&seed, 95));
        bool decoded = poplin_base64_decode(poplin_slice_of(text), &hash) == POPLIN_OK && hash.size == 32;
        if (poplin_pin_parse(poplin_slice_of(text), &pin) != decoded || (decoded && strcmp(pin.text, text) != 0))
            fail_msg("%s", text);
        poplin_buffer_free(&hash);
    }
}

/* ---- the file of known keys ---- */

static void write_keys(const char *text) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Ends in NUL; static. */
static const char *read_keys(void) {
    static char text[4096];
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
    return text;
}

static poplin_tls_trust first_use(void) {
    return (poplin_tls_trust){.verify = true, .first_use_file = path};
}

static void the_first_contact_keeps_the_key(void **state) {
    (void)state;
    char pin[45], line[100];
    struct stat about;
    poplin_tls_trust trust = first_use();
    visit seen = visit_with(&trust, server_credentials);
    expect_proof(&seen, POPLIN_TLS_PROOF_FIRST_USE, false);
    snprintf(line, sizeof line, "localhost:995 %s\n", pin_of(server_credentials, pin));
    assert_string_equal(read_keys(), line);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    seen = visit_at(&trust, server_credentials, "LocalHost", 995);
    expect_proof(&seen, POPLIN_TLS_PROOF_KNOWN_KEY, false);
    assert_string_equal(read_keys(), line);
}

/* By TLS 1.2 the certificate comes before the proof that its key is there: here the proof is wrong. */
static void who_does_not_hold_the_key_is_not_kept(void **state) {
    (void)state;
    enum { HELLO_DONE = 9 };
    poplin_tls_trust trust = first_use();
    poplin_tls_credentials *credentials;
    poplin_tls *client;
    raw_peer raw;
    assert_int_equal(poplin_tls_client_credentials(&trust, &credentials, NULL), POPLIN_OK);
    raw_open(&raw, GNUTLS_SERVER, TLS12, &identity);
    assert_int_equal(poplin_tls_client_new(credentials, "localhost", &client), POPLIN_OK);
    take_output(client, &raw.in);
    assert_int_equal(gnutls_handshake(raw.session), GNUTLS_E_AGAIN);
    char *last = raw.out.memory + raw.out.start + raw.out.size - HELLO_DONE - 1; /* of the signature */
    *last = (char)(*last ^ 1);
    assert_int_equal(feed_handshake(client, &raw.out), POPLIN_ERR_TLS);
    struct stat about;
    assert_true(stat(path, &about) != 0 || about.st_size == 0);
    poplin_tls_free(client);
    raw_close(&raw);
    poplin_tls_credentials_free(credentials);
}

static void a_changed_key_is_refused_with_both(void **state) {
    (void)state;
    char one[45], other[45];
    poplin_tls_trust trust = first_use();
    visit seen = visit_with(&trust, server_credentials);
    expect_proof(&seen, POPLIN_TLS_PROOF_FIRST_USE, false);
    seen = visit_with(&trust, impostor_credentials);
    expect_refusal(&seen, pin_of(server_credentials, one));
    expect_refusal(&seen, pin_of(impostor_credentials, other));
    expect_refusal(&seen, "remove the line of localhost:995 from /tmp/poplin-test-");
    assert_null(strstr(read_keys(), other));
    seen = visit_with(&trust, server_credentials);
    expect_proof(&seen, POPLIN_TLS_PROOF_KNOWN_KEY, false);
}

static void each_server_has_its_own_key(void **state) {
    (void)state;
    poplin_tls_trust trust = first_use();
    visit seen = visit_with(&trust, server_credentials);
    expect_proof(&seen, POPLIN_TLS_PROOF_FIRST_USE, false);
    seen = visit_at(&trust, impostor_credentials, "localhost", 110);
    expect_proof(&seen, POPLIN_TLS_PROOF_FIRST_USE, false);
    seen = visit_at(&trust, impostor_credentials, "example.org", 995);
    expect_proof(&seen, POPLIN_TLS_PROOF_FIRST_USE, false);
    seen = visit_at(&trust, impostor_credentials, "::1", 995);
    expect_proof(&seen, POPLIN_TLS_PROOF_FIRST_USE, false);
    seen = visit_at(&trust, server_credentials, "0:0::1", 995);
    expect_refusal(&seen, "remove the line of [::1]:995");
}

/* What a file holds; what it must hold after a visit, where that adds a line of which the pin is %s. */
static void check_addition(const char *before, const char *after) {
    char pin[45], text[300];
    poplin_tls_trust trust = first_use();
    write_keys(before);
    visit seen = visit_with(&trust, server_credentials);
    expect_proof(&seen, POPLIN_TLS_PROOF_FIRST_USE, false);
    int size = snprintf(text, sizeof text, "%s", after);
    assert_in_range(size, 1, sizeof text - 60);
    sprintf(text + size, "localhost:995 %s\n", pin_of(server_credentials, pin));
    assert_string_equal(read_keys(), text);
}

/* A crash has left half a line: that server was not believed yet, and is met for the first time again. */
static void half_a_line_counts_for_nothing(void **state) {
    (void)state;
    static const char *const HALVES[] = {"localhost", "localhost:995 ", "localhost:995 AAAAAAAAAAAAAAAAAAAAAA"};
    static const char LINES[] = "# mine\n\nother.example:995 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    for (size_t i = 0; i < COUNT_OF(HALVES); i++) {
        char text[200];
        snprintf(text, sizeof text, "%s%s", LINES, HALVES[i]);
        check_addition(text, LINES);
    }
}

/* The user wrote it, and his editor no line end: it is as good as the others. */
static void a_whole_line_counts_without_its_end(void **state) {
    (void)state;
    char text[100];
    poplin_tls_trust trust = first_use();
    snprintf(text, sizeof text, "localhost:995 %s", STRANGER);
    write_keys(text);
    visit seen = visit_with(&trust, server_credentials);
    expect_refusal(&seen, STRANGER);
    assert_string_equal(read_keys(), text);
    check_addition("other.example:995 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                   "other.example:995 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
    check_addition("# mine", "# mine\n");
}

static void a_damaged_file_lets_nobody_in(void **state) {
    (void)state;
    char good[45], text[300];
    poplin_tls_trust trust = first_use();
    static const char *const LINES[] = {"localhost:995\n", "localhost:995 secret\n", " localhost:995\n", "\r\n",
                                        "localhost:995  AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"};
    for (size_t i = 0; i < COUNT_OF(LINES); i++) {
        snprintf(text, sizeof text, "# mine\n%s", LINES[i]);
        write_keys(text);
        visit seen = visit_with(&trust, server_credentials);
        expect_refusal(&seen, "line 2 of the file of known keys");
        assert_string_equal(read_keys(), text);
    }
    snprintf(text, sizeof text, "localhost:995 %s\nlocalhost:995 %s\n", pin_of(server_credentials, good), STRANGER);
    write_keys(text);
    visit seen = visit_with(&trust, server_credentials);
    expect_refusal(&seen, "line 2 of the file of known keys");
}

static void the_file_goes_with_pins_but_not_with_cas(void **state) {
    (void)state;
    char pin[45];
    const char *pins = STRANGER;
    poplin_tls_trust trust = first_use();
    poplin_tls_credentials *credentials = NULL;
    poplin_error error;
    trust.pins = pins;
    visit seen = visit_with(&trust, server_credentials);
    expect_refusal(&seen, "is none of those pinned");
    assert_int_equal(access(path, F_OK), -1); /* nothing is kept of who is refused */
    trust.pins = pin_of(server_credentials, pin);
    seen = visit_with(&trust, server_credentials);
    expect_proof(&seen, POPLIN_TLS_PROOF_FIRST_USE, false);
    trust.ca_pem = poplin_slice_of(identity.ca_pem);
    assert_int_equal(poplin_tls_client_credentials(&trust, &credentials, &error), POPLIN_ERR_CERTIFICATE);
    assert_non_null(strstr(error.reason, "takes the place of the CAs"));
    trust = first_use(), trust.verify = false;
    assert_int_equal(poplin_tls_client_credentials(&trust, &credentials, &error), POPLIN_ERR_CERTIFICATE);
    assert_null(credentials);
}

#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up_file, tear_down_file)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pin_is_checked_besides_the_certificate),
        cmocka_unit_test(a_wrong_pin_is_refused_and_the_key_told),
        cmocka_unit_test(a_pin_alone_makes_no_certificate_good),
        cmocka_unit_test(what_is_no_pin_is_refused_at_once),
        cmocka_unit_test(a_pin_has_one_form),
        FILE_TEST(the_first_contact_keeps_the_key),
        FILE_TEST(who_does_not_hold_the_key_is_not_kept),
        FILE_TEST(a_changed_key_is_refused_with_both),
        FILE_TEST(each_server_has_its_own_key),
        FILE_TEST(half_a_line_counts_for_nothing),
        FILE_TEST(a_whole_line_counts_without_its_end),
        FILE_TEST(a_damaged_file_lets_nobody_in),
        FILE_TEST(the_file_goes_with_pins_but_not_with_cas),
    };
    return cmocka_run_group_tests(tests, set_up_both, tear_down_both);
}
