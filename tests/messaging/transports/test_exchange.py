"""Requests written and answers read, over a pair of sockets."""

import socket
import threading
from http.client import IncompleteRead
from urllib.parse import urlsplit

import pytest

from messaging.transports.exchange import Reply, UnreadableAnswer, exchange, request_bytes
from messaging.transports.http import host_header

WITH_LENGTH = b"HTTP/1.1 202 Accepted\r\nX-Message-Id: abc\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nX-Late: 1\r\n\r\n"
TO_THE_END = b"HTTP/1.1 200 OK\r\nX-Message-Id: abc\r\n\r\nhello"
NOTHING_IN_IT = b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n"


@pytest.fixture
def sockets():
    """Yield the client's end and the server's."""
    ends = socket.socketpair()
    for end in ends:
        end.settimeout(10)
    yield ends
    for end in ends:
        end.close()


@pytest.fixture
def answered(sockets):
    """Return a function that reads an answer, sent in pieces of so many bytes; then the server may hang up."""
    client, server = sockets

    def answered(answer: bytes, *, pieces: int = 1 << 20, hangs_up: bool = False) -> Reply:
        def serve():
            for start in range(0, len(answer), pieces):
                server.sendall(answer[start : start + pieces])
            if hangs_up:
                server.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            reply = Reply()
            reply.read_from(client)
            return reply
        finally:
            thread.join()

    return answered


class TestAnswer:
    @pytest.mark.parametrize("pieces", [1, 7, 1 << 20])
    @pytest.mark.parametrize("before", [b"", CONTINUE, CONTINUE + CONTINUE])
    @pytest.mark.parametrize(
        ("answer", "status", "body"),
        [(WITH_LENGTH, 202, b"hello"), (CHUNKED, 200, b"hello"), (NOTHING_IN_IT, 204, b"")],
        ids=["length", "chunks", "no body"],
    )
    def test_is_read_to_its_end_and_no_further(self, answered, before, answer, status, body, pieces):
        reply = answered(before + answer, pieces=pieces)
        assert (reply.status, reply.body, reply.keeps_open) == (status, body, True)
        assert "X-Early" not in reply.headers

    def test_what_stands_behind_the_body_changes_no_header(self, answered):
        late = CHUNKED.replace(b"X-Late: 1", b"X-Message-Id: other").replace(
            b"200 OK\r\n", b"200 OK\r\nX-Message-Id: abc\r\n"
        )
        assert answered(late).headers["X-Message-Id"] == "abc"

    @pytest.mark.parametrize("pieces", [1, 1 << 20])
    def test_without_a_length_ends_with_the_connection(self, answered, pieces):
        reply = answered(TO_THE_END, pieces=pieces, hangs_up=True)
        assert (reply.status, reply.body, reply.keeps_open) == (200, b"hello", False)

    def test_names_of_headers_are_found_in_any_case(self, answered):
        headers = answered(b"HTTP/1.1 429 Slow\r\nretry-AFTER:  7 \r\nContent-Length: 0\r\n\r\n").headers
        assert (headers["Retry-After"], headers["RETRY-AFTER"]) == ("7", "7")

    @pytest.mark.parametrize("whole", [WITH_LENGTH, CHUNKED], ids=["length", "chunks"])
    def test_cut_off_anywhere_is_none(self, whole):
        for length in range(len(whole)):
            client, server = socket.socketpair()
            with client, server:
                server.sendall(whole[:length])
                server.shutdown(socket.SHUT_WR)
                with pytest.raises(IncompleteRead):
                    Reply().read_from(client)

    def test_cut_off_within_the_head_is_none_though_no_length_is_given(self, answered):
        with pytest.raises(IncompleteRead):
            answered(TO_THE_END.partition(b"\r\n\r\n")[0], hangs_up=True)

    def test_cut_off_after_continue_is_none(self, answered):
        with pytest.raises(IncompleteRead):
            answered(CONTINUE, hangs_up=True)

    @pytest.mark.parametrize(
        "answer",
        [
            b"<html>login</html>",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"HTTP/1.1 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n",
        ],
    )
    def test_of_another_kind_is_none(self, answered, answer):
        with pytest.raises(UnreadableAnswer):
            answered(answer, hangs_up=True)

    def test_that_says_goodbye_is_the_last(self, answered):
        reply = answered(WITH_LENGTH.replace(b"X-Message-Id: abc", b"Connection: close"))
        assert (reply.body, reply.keeps_open) == (b"hello", False)

    def test_of_an_old_server_is_the_last(self, answered):
        reply = answered(WITH_LENGTH.replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert (reply.body, reply.keeps_open) == (b"hello", False)

    @pytest.mark.parametrize("more", [WITH_LENGTH, b"\x00", b"HTTP/1.1 "])
    def test_with_more_behind_it_counts_and_is_the_last(self, answered, more):
        """What comes unasked would be taken for the answer to the next request."""
        reply = answered(WITH_LENGTH + more)
        assert (reply.status, reply.body, reply.headers["X-Message-Id"]) == (202, b"hello", "abc")
        assert not reply.keeps_open


class TestRequest:
    def test_is_written_whole(self):
        written = request_bytes("POST", "/v3/mail?a=1", host="x.example", headers={"X-Key": "k"}, body=b"\xc3\xa9")
        assert written == (
            b"POST /v3/mail?a=1 HTTP/1.1\r\nHost: x.example\r\nAccept-Encoding: identity\r\n"
            b"Content-Length: 2\r\nX-Key: k\r\n\r\n\xc3\xa9"
        )

    def test_a_question_has_no_length(self):
        assert b"Content-Length" not in request_bytes("GET", "/", host="x.example", headers={}, body=None)

    def test_nothing_to_post_has_one(self):
        assert b"Content-Length: 0\r\n" in request_bytes("POST", "/", host="x.example", headers={}, body=None)

    def test_what_is_given_is_not_said_twice(self):
        given = {"host": "signed.example", "content-length": "2", "accept-encoding": "br"}
        written = request_bytes("POST", "/", host="x.example", headers=given, body=b"ab").lower()
        assert [written.count(name) for name in (b"host:", b"content-length:", b"accept-encoding:")] == [1, 1, 1]
        assert b"host: signed.example" in written

    @pytest.mark.parametrize("bad", ["a\r\nBcc: b", "a\nb", "a\rb", "a\x00b", "a\x7fb"])
    def test_no_header_begins_another(self, bad):
        with pytest.raises(ValueError, match="control character"):
            request_bytes("POST", "/", host="x.example", headers={"X-Key": bad}, body=b"")
        with pytest.raises(ValueError, match="control character"):
            request_bytes("POST", "/", host="x.example", headers={bad: "x"}, body=b"")

    @pytest.mark.parametrize("bad", ["/a b", "/a\r\nHost: y", "/a\x00"])
    def test_no_address_begins_a_header(self, bad):
        with pytest.raises(ValueError, match="control character"):
            request_bytes("POST", bad, host="x.example", headers={}, body=b"")


def test_an_answer_to_half_a_request_is_read(sockets):
    """A server may refuse before it has read all, and close its end."""
    client, server = sockets
    server.sendall(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    server.close()
    assert exchange(client, b"POST / HTTP/1.1\r\n" + b"x" * (1 << 22)).status == 413


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.example/v3/", "api.example"),
        ("https://api.example:443/v3/", "api.example"),
        ("http://api.example:443/v3/", "api.example:443"),
        ("http://127.0.0.1:8025", "127.0.0.1:8025"),
        ("https://[::1]:8025", "[::1]:8025"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://user:pass@api.example/", "api.example"),
    ],
)
def test_the_host_is_named_as_the_signature_of_a_request_has_it(url, host):
    assert host_header(urlsplit(url)) == host
