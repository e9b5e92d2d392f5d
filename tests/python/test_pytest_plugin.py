"""The pytest plugin, by test suites of their own: what the fixtures give, and what a failing test's report shows."""

import re

import pytest

pytest_plugins = ["pytester"]

LOGIN = """
    import contextlib
    import poplib

    def talk(server, *commands):
        with contextlib.closing(poplib.POP3(server.host, server.port, timeout=20)) as pop:
            pop.user("alice")
            pop.pass_("secret")
            for command in commands:
                pop._shortcmd(command)
            pop.quit()
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder for a suite, whose tests may import talk, a session of Python's own client."""
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\nfilterwarnings = ['error']\n")
    pytester.makepyfile(talking=LOGIN)
    return pytester


def run(suite: pytest.Pytester, *options: str) -> pytest.RunResult:
    return suite.runpytest_subprocess("-p", "no:cacheprovider", *options, timeout=100)


def sections(result: pytest.RunResult) -> str:
    """From the first of poplin's sections on."""
    text: str = result.stdout.str()
    found = re.search(r"^-+ poplin server", text, re.MULTILINE)
    assert found
    return text[found.start() :]


def test_without_fixtures_poplin_is_not_imported(suite: pytest.Pytester) -> None:
    suite.makeconftest(
        """
        import sys

        def pytest_unconfigure():
            print("imported:", [name for name in sys.modules if name.split(".")[0] == "poplin"])
        """
    )
    suite.makepyfile("def test_nothing(request): assert request.config.pluginmanager.has_plugin('poplin')")
    result = run(suite)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["imported: []"])


def test_the_fixtures(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import poplib
        import ssl

        import pytest
        from talking import talk

        def test_server(pop3_server):
            pop3_server.deliver("alice", b"Subject: hi\\r\\n\\r\\nhello\\r\\n")
            talk(pop3_server, "DELE 1")
            assert pop3_server.messages("alice") == []
            pop3_server.sessions[0].assert_quit()

        @pytest.mark.parametrize("time", [1, 2])
        def test_each_test_has_its_own(pop3_server, time):
            assert pop3_server.users == {"alice": "secret"}
            assert (list(pop3_server.messages("alice")), list(pop3_server.sessions)) == ([], [])
            pop3_server.deliver("alice", b"")
            pop3_server.add_user("bob", "hidden")
            talk(pop3_server)

        def test_tls(pop3_server_tls, pop3_ca):
            context = ssl.create_default_context(cadata=pop3_ca.pem)
            pop = poplib.POP3_SSL("127.0.0.1", pop3_server_tls.port, context=context)
            pop.user("alice")
            pop.pass_("secret")
            pop.quit()
            pop3_server_tls.sessions[0].assert_quit().assert_no_cleartext_secret()
            assert pop3_server_tls.ca_pem == pop3_ca.pem
            assert pop3_server_tls.ca_file.read_text() == pop3_ca.pem

        def test_the_factory(pop3_server_factory, tmp_path):
            one = pop3_server_factory(users={"bob": "hidden"})
            two = pop3_server_factory(greeting="the other", path=tmp_path / "socket")
            assert (one.users, two.users) == ({"bob": "hidden"}, {"alice": "secret"})
            assert two.path == tmp_path / "socket"

        servers = []

        def test_they_run(pop3_server, pop3_server_tls):
            servers.extend([pop3_server, pop3_server_tls])
            talk(pop3_server)

        def test_they_are_stopped():
            for server in servers:
                with pytest.raises(ConnectionRefusedError):
                    poplib.POP3(server.host, server.port)

        def test_the_authority_is_the_runs(pop3_ca, pop3_server_tls):
            assert pop3_ca.pem == pop3_server_tls.ca_pem
        """
    )
    run(suite).assert_outcomes(passed=8)


FAILING = """
    import pytest
    from talking import talk

    @pytest.fixture
    def spoilt_before(pop3_server):
        talk(pop3_server)
        raise RuntimeError

    @pytest.fixture
    def spoilt_after(pop3_server):
        yield
        talk(pop3_server)
        raise RuntimeError

    def test_setup(spoilt_before): pass
    def test_call(pop3_server_factory):
        for server in pop3_server_factory(), pop3_server_factory():
            talk(server, "STAT")
        assert 0
    def test_teardown(spoilt_after): pass
    def test_good(pop3_server): talk(pop3_server)
    @pytest.mark.xfail
    def test_known_to_fail(pop3_server):
        talk(pop3_server)
        assert 0
"""


@pytest.mark.holds("T-SEC-1", "S")
@pytest.mark.parametrize("options", [[], ["-n2"]])
def test_failures_show_the_masked_transcript(suite: pytest.Pytester, options: list[str]) -> None:
    suite.makepyfile(FAILING)
    result = run(suite, *options, "-rN", "--tb=no", "-v")
    result.assert_outcomes(errors=2, failed=1, passed=2, xfailed=1)
    result = run(suite, *options)
    text = sections(result)
    assert len(re.findall(r"^-+ poplin server pop3://127\.0\.0\.1:\d+ transcript -+$", text, re.MULTILINE)) == 4
    assert text.count("PASS ****") == 4
    assert text.count("C: STAT") == 2
    assert "secret" not in "".join(line for line in text.splitlines() if line.startswith(("C:", "S:")))


def test_a_transcript_that_the_failure_shows_is_not_shown_again(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        from talking import talk

        def test_assertion(pop3_server):
            talk(pop3_server, "STAT")
            pop3_server.sessions[0].assert_retrieved("none")

        def test_waiting(pop3_server):
            talk(pop3_server, "STAT")
            pop3_server.sessions[0].assert_outcome("committed")
            pop3_server.wait_for(lambda server: server.messages("alice"), timeout=0.01)

        def test_one_of_two(pop3_server, pop3_server_factory):
            talk(pop3_server_factory(), "STAT")
            talk(pop3_server, "STAT")
            talk(pop3_server, "NOOP")
            pop3_server.sessions[0].assert_retrieved("none")
        """
    )
    text = run(suite).stdout.str()
    text = re.split("^=+ short test summary", text, flags=re.MULTILINE)[0]  # which has whole messages where CI is set
    first, second, third = re.split("^_+ test_.*$", text, flags=re.MULTILINE)[1:]
    for report in (first, second):
        assert report.count("C: STAT") == 1
        assert "poplin server" not in report
    assert "def wait_for" not in second
    assert third.count("poplin server") == 2
    assert third.count("C: STAT") == 3


def test_a_server_that_nobody_came_to_says_so(suite: pytest.Pytester) -> None:
    suite.makepyfile("def test_it(pop3_server): assert 0")
    run(suite).stdout.fnmatch_lines(["*poplin server*transcript*", "no client connected"])


def test_long_transcripts_are_cut(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        from talking import talk

        def test_it(pop3_server):
            talk(pop3_server, "STAT", *["NOOP"] * 1000, "RSET")
            assert 0
        """
    )
    text = sections(run(suite))
    assert "C: STAT" in text
    assert "C: RSET" in text
    assert re.search(r"^\.\.\. \d+ lines \.\.\.$", text, re.MULTILINE)
    assert len(text.splitlines()) < 450


BACKEND = """
    import pytest
    from talking import talk

    class Backend:
        def password(self, user): return "secret"
        def maildrop(self, user): raise ZeroDivisionError("in the backend")

    @pytest.fixture
    def server(pop3_server_factory): return pop3_server_factory(backend=Backend(), **OPTIONS)

    def refused(server):
        with pytest.raises(Exception, match="-ERR"):
            talk(server)
"""


def backend_suite(suite: pytest.Pytester, options: str, *tests: str) -> pytest.RunResult:
    suite.makepyfile(f"    OPTIONS = {options}\n" + BACKEND + "".join(f"\n    {test}\n" for test in tests))
    return run(suite)


@pytest.mark.holds("T-API-1", "S")
def test_an_error_of_the_backend_is_an_error_of_the_test(suite: pytest.Pytester) -> None:
    result = backend_suite(
        suite, "{}", "def test_one(server): refused(server)", "def test_two(server): refused(server); refused(server)"
    )
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(["E*ZeroDivisionError: in the backend", "*poplin server*transcript*", "*C: PASS ****"])
    result.stdout.fnmatch_lines(["*ExceptionGroup: errors of the servers' backends (2 sub-exceptions)*"])


def test_an_error_of_the_backend_is_shown_with_the_tests_own(suite: pytest.Pytester) -> None:
    result = backend_suite(suite, "{}", "def test_it(server): refused(server); assert 0")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*poplin server*errors of the backend*", "*ZeroDivisionError: in the backend"])


def test_errors_that_are_expected_are_not_raised(suite: pytest.Pytester) -> None:
    test = "def test_it(server): refused(server); assert str(server.errors[0]) == 'in the backend'"
    backend_suite(suite, "{'raise_errors': False}", test).assert_outcomes(passed=1)


def test_it_works_in_parallel(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest
        from talking import talk

        @pytest.mark.parametrize("time", range(20))
        def test_it(pop3_server, pop3_server_tls, time):
            talk(pop3_server)
            assert len(pop3_server.sessions) == 1
            assert len(pop3_server_tls.sessions) == 0
        """
    )
    run(suite, "-n2").assert_outcomes(passed=20)


def test_help(suite: pytest.Pytester) -> None:
    suite.makepyfile("")
    text = run(suite, "--fixtures", "-v").stdout.str()
    for name in ("pop3_server", "pop3_server_tls", "pop3_server_factory", "pop3_ca [session scope]"):
        found = re.search(rf"^{re.escape(name)} -- .*pytest_poplin\.py:\d+\n((    .*\n|\n)+)", text, re.MULTILINE)
        assert found, name
        assert len(found.group(1).splitlines()) > 2
