"""How notices of failed delivery look: the patterns by which `returned` reads what is written in words."""

from __future__ import annotations

import re

ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\"-]{1,100}@[A-Za-z0-9\[][A-Za-z0-9.\[\]-]{0,250}[A-Za-z0-9\]]")
DAEMON_ADDRESS = re.compile(r"(?i)^(?:mailer-?daemon|postmaster|mdaemon|double-bounce)@")

# Who writes notices.
DAEMON = re.compile(
    r"(?i)mailer-?daemon|postmaster|mdaemon|double-bounce|\bbounces?\b|amavisd|administrator|undeliverable|"
    r"returned mail|non-?delivery|delivery[ -]?(?:sub)?system|"
    r"mail(?:er)?[ -]?(?:delivery|system|administrator|daemon|gateway)"
)
NOBODY = re.compile(r"(?i)^<(?:mailer-daemon@[^>]*)?>$")  # a return path to which nothing is ever returned

FAILED_SUBJECT = re.compile(
    r"(?i)undeliver|deliver\w* (?:fail|status|problem|error|report|notif|delay|warning)|failure|failed mail|returned|"
    r"mail(?:er)? (?:error|delivery|system|not)|could(?: not|n't) (?:be )?(?:deliver|send)|processing error|"
    r"not (?:yet )?(?:been )?(?:be )?delivered|non-?deliver|bounce|warning: (?:could not|message)|rejected|"
    r"message (?:status|error|could|delay)|unable to deliver|user unknown|unzustellbar|nicht zustellbar|niet bezorgd"
)

FAILURE = re.compile(
    r"(?im)undeliver|could(?: not|n't) (?:be )?deliver|unable to (?:deliver|complete|send|relay)|(?:not|"
    r"cannot) (?:be )?delivered|"
    r"delivery (?:\w+ ){0,4}(?:fail|error|problem)|failed (?:to|permanently|recipient|address|addresses)|"
    r"permanent (?:\w+ )?(?:error|failure|fatal)|returned to sender|did not reach|bounced|rejected|"
    r"user unknown|unknown user|"
    r"no such user|non-?existent|fatal errors|could not send|having trouble|unrouteable|wasn't able to deliver|"
    r"unknown (?:address|recipient|host)|(?:^|\s)5\d\d[ -]|\b5\.\d\.\d{1,2}\b|mailbox .{0,40}(?:full|exceed)|quota|"
    r"delivery .{0,60}delayed|does(?: not|n't) exist|error was detected|did not .{0,20}match|^<[^\s<>]+@[^\s<>]+>:"
)

# The server goes on trying.
WARNING = re.compile(
    r"(?i)will (?:be retried|keep trying|continue|retry|be re-?tried|try)|(?:has|have) been delayed|postponed|"
    r"still (?:being|trying|undelivered|in)|do(?: not|n't) need to re-?send|warning (?:message )?only|"
    r"this is (?:just |only )?a (?:warning|temporary)|delivery attempts will|not yet (?:been )?delivered|"
    r"delayed delivery|"
    r"temporarily (?:delayed|unable|undelivered)|delivery (?:is|was) delayed|attempts? to deliver .{0,60} will continue"
)
GAVE_UP = re.compile(
    r"(?i)giv(?:en|ing) up|has been (?:removed|deleted) from|will not be retried|no further|permanent|fatal|"
    r"failed after|"
    r"retry (?:time )?(?:limit|timeout) exceeded"
)

# An absence note, by its subject.
AWAY = re.compile(
    r"(?i)out of (?:the )?office|auto(?:matic|mated)?[- ]?(?:reply|response|antwort)|autoreply|vacation|"
    r"on (?:holiday|leave)|"
    r"abwesen|away from (?:my|the)|currently away|absence|r[eé]ponse automatique|respuesta autom|"
    r"automatische antwort|urlop"
)

# Where the notice ends and the mail that was returned begins.
COPY = re.compile(
    r"(?im)^[ \t>*=|-]*(?:below this line is a copy|this is a copy of (?:the|your) message|a copy of (?:the|your) |"
    r"the (?:text|headers?|body|content) of (?:the|your) (?:original |message|mail)|unsent message|"
    r"returned m(?:essage|ail)|"
    r"your (?:original )?message (?:follows|was|is|reads|began)|message (?:header|text|follows|contents)|"
    r"(?:the )?original (?:message|mail)(?: text| header| content)?s?\b|received message follows|included is a copy|"
    r"(?:here is a )?copy of (?:the )?(?:original|your|first)|start of (?:returned|original)|"
    r"headers? of the (?:original|message)|the first \d+ (?:lines|bytes)|message that (?:caused|was)).*$"
    r"|^(?:>? ?)(?:Return-Path|Received|X-Originating-IP|Message-ID): .*$"
)
