"""The same with unittest: each test has its server in self.pop3_server."""

import tempfile
import unittest
from pathlib import Path

import mailfetch

import poplin
from poplin.testing import PopServerMixin


class FetcherTest(PopServerMixin, unittest.TestCase):
    pop3_options = {"greeting": "ready", "max_sessions": 1}

    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory())) / "mail"

    def fetch(self) -> mailfetch.Fetcher:
        def connect() -> poplin.Client:
            return poplin.connect(self.pop3_server.url, user="alice", password="secret")

        fetcher = mailfetch.Fetcher(connect, self.folder)
        fetcher.fetch()
        return fetcher

    def test_mail_that_comes_later_is_new(self) -> None:
        self.pop3_server.deliver("alice", b"Subject: first\r\n\r\n")
        self.assertEqual(self.fetch().saved, 1)
        self.pop3_server.deliver("alice", b"Subject: second\r\n\r\n")
        self.assertEqual(self.fetch().saved, 1)
        self.assertEqual(len(list((self.folder / "new").iterdir())), 2)

    def test_a_commit_that_is_lost_is_made_good(self) -> None:
        uid = self.pop3_server.deliver("alice", b"Subject: first\r\n\r\n")
        self.pop3_server.fault("QUIT", drop_after=0, times=1)
        self.assertEqual(self.fetch().saved, 1)
        self.pop3_server.sessions[0].assert_retrieved(uid)
        self.assertEqual(self.pop3_server.messages("alice"), [])
