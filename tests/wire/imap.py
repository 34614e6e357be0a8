"""A real IMAP server on this machine, with as many abilities and as much patience as it is told to have."""

from __future__ import annotations

import re
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.wire.loopback import serving


@dataclass
class Mail:
    uid: int
    content: bytes
    flags: set[str] = field(default_factory=set)


@dataclass
class ImapServer:
    """Its folders, its one user, and its quirks.

    `context`: its TLS, by STARTTLS, or from the start where `is_tls`. `can_move`: RFC 6851. `root`: what the names
    of all folders but INBOX must begin with. `hangs_up_at`: the commands at which it breaks off, each once, without
    carrying them out; `refuses`: those it answers with NO.
    """

    user: str = "bounces@corner-bar.example"
    password: str = 'pass "word" \\ %'
    context: ssl.SSLContext | None = None
    is_tls: bool = False
    can_move: bool = True
    keeps_keywords: bool = True
    delimiter: str = "/"
    root: str = ""
    validity: int = 7
    hangs_up_at: list[str] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    folders: dict[str, list[Mail]] = field(default_factory=lambda: {"INBOX": []})
    commands: list[str] = field(default_factory=list)
    sent_bytes: int = 0
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, content: bytes, folder: str = "INBOX") -> Mail:
        """Deliver a mail."""
        uid = max((mail.uid for mails in self.folders.values() for mail in mails), default=0) + 1
        mail = Mail(uid, content)
        self.folders.setdefault(folder, []).append(mail)
        return mail

    def contents(self, folder: str = "INBOX") -> list[bytes]:
        return [mail.content for mail in self.folders.get(folder, [])]


@contextmanager
def imap_server(state: ImapServer) -> Iterator[ImapServer]:
    """Serve on a free loopback port until the block ends."""
    with serving(_handler(state), context=state.context if state.is_tls else None) as state.port:
        yield state


def _handler(state: ImapServer) -> type[socketserver.StreamRequestHandler]:
    class Handler(_Handler):
        server_state = state

    return Handler


_ATOM = re.compile(r'"((?:[^"\\]|\\.)*)"|(\([^)]*\))|(\S+)')


def _words(line: str) -> list[str]:
    """Split a command: a quoted string counts as one word, and so does a list in parentheses."""
    return [re.sub(r"\\(.)", r"\1", quoted) or listed or plain for quoted, listed, plain in _ATOM.findall(line)]


class _Handler(socketserver.StreamRequestHandler):
    server_state: ImapServer

    def handle(self) -> None:
        self.folder = ""
        self.say("* OK ready")
        try:
            while line := self.rfile.readline().decode().strip():
                tag, *words = _words(line)
                if not self.answer(tag, words):
                    return
        except (ConnectionError, ssl.SSLError):
            return

    def finish(self) -> None:
        super().finish()
        if isinstance(self.request, ssl.SSLSocket):  # else it is closed by whoever opened it
            self.request.close()

    def say(self, line: str | bytes) -> None:
        data = line.encode() if isinstance(line, str) else line
        self.server_state.sent_bytes += len(data)
        self.wfile.write(data + b"\r\n")

    def answer(self, tag: str, words: list[str]) -> bool:
        """Answer one command; return whether the connection goes on."""
        state = self.server_state
        length = 2 if words[0].upper() == "UID" else 1
        name, arguments = " ".join(words[:length]).upper(), words[length:]
        with state.lock:
            state.commands.append(name)
            if name in state.hangs_up_at:
                state.hangs_up_at.remove(name)
                return False
            act = getattr(self, f"do_{name.replace(' ', '_').lower()}")
            is_done = name not in state.refuses and act(*arguments)
            self.say(f"{tag} {'OK' if is_done else 'NO'} {name} answered")
        if name == "STARTTLS":
            assert state.context
            self.request = state.context.wrap_socket(self.request, server_side=True)
            self.setup()
        return name != "LOGOUT"

    # --- Commands -----------------------------------------------------------------------------------------------------

    def do_capability(self) -> bool:
        state = self.server_state
        tls = " STARTTLS" if state.context and not state.is_tls else ""
        self.say(f"* CAPABILITY IMAP4rev1{tls}{' MOVE' * (state.can_move and bool(self.folder))}")
        return True

    def do_starttls(self) -> bool:
        return self.server_state.context is not None

    def do_login(self, user: str, password: str) -> bool:
        return (user, password) == (self.server_state.user, self.server_state.password)

    def do_select(self, folder: str) -> bool:
        if folder not in self.server_state.folders:
            return False
        self.folder = folder
        self.say(f"* {len(self.mails)} EXISTS")
        self.say(f"* OK [UIDVALIDITY {self.server_state.validity}] valid")
        return True

    def do_list(self, *arguments: str) -> bool:
        self.say(f'* LIST (\\Noselect) "{self.server_state.delimiter}" ""')
        return True

    def do_create(self, folder: str) -> bool:
        state = self.server_state
        if folder in state.folders or not folder.startswith(state.root):
            return False
        state.folders[folder] = []
        return True

    def do_status(self, folder: str, names: str) -> bool:
        if folder not in self.server_state.folders:
            return False
        self.say(f'* STATUS "{folder}" (MESSAGES 0)')
        return True

    def do_uid_search(self, *arguments: str) -> bool:
        found = self.mails
        if arguments[0] == "UID":
            first = int(arguments[1].partition(":")[0])
            # As RFC 3501 says, `n:*` is never empty: it names the last mail at least.
            found = [mail for mail in found if mail.uid >= first] or found[-1:]
        self.say(" ".join(["* SEARCH", *(str(mail.uid) for mail in found)]))
        return True

    def do_uid_fetch(self, number: str, what: str) -> bool:
        asked = re.fullmatch(r"\(BODY\.PEEK\[\]<0\.(\d+)>\)", what)
        assert asked, f"a mail must stay unread: {what}"
        for mail in self.mails:
            if mail.uid == int(number):
                content = mail.content[: int(asked[1])]
                head = f"* 1 FETCH (UID {mail.uid} BODY[]<0> {{{len(content)}}}\r\n"
                self.say(head.encode() + content + b")")
        return True

    def do_uid_store(self, number: str, how: str, flags: str) -> bool:
        wanted = set(flags.strip("()").split())
        if not self.server_state.keeps_keywords and any(not flag.startswith("\\") for flag in wanted):
            return False
        assert how == "+FLAGS.SILENT"
        for mail in self.mails:
            if mail.uid == int(number):
                mail.flags |= wanted
        return True

    def do_uid_move(self, number: str, folder: str) -> bool:
        state = self.server_state
        if folder not in state.folders:
            return False
        for mail in [mail for mail in self.mails if mail.uid == int(number)]:
            self.mails.remove(mail)
            state.folders[folder].append(mail)
        return True

    def do_logout(self) -> bool:
        self.say("* BYE")
        return True

    @property
    def mails(self) -> list[Mail]:
        return self.server_state.folders[self.folder]
