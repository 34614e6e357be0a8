"""What servers say when they refuse a mail, and what it means. The first that fits decides, so the order counts.

Collected from the documentation of the large mailbox providers and of mail servers (Postfix, Exim, Sendmail, qmail,
Exchange, Domino, GroupWise, Ironport), and from bounces. Texts come in lower case, without addresses and links.
"""

from __future__ import annotations

import re

from messaging.incoming import Verdict

WHO = (
    r"(?:users?|user ?name|recipient|rcpt|account|mailbox|mail box|inbox|address|addressee|e-?mail address|local part|"
    r"person|customer|destination(?! (?:computer|host|server|system|mail)))(?:e?s|\(e?s\))?"
)
GONE = (
    r"(?:unknown|invalid|not found|(?:does )?not exist\w*|doesn'?t exist\w*|non-?existent|"
    r"no longer (?:exists?|valid|active|here|available|in use|on)|not (?:an? )?(?:valid|known|recogni[sz]ed|"
    r"local|here|listed|present|active|registered)|unregistered|closed|deactivated|disabled|"
    r"discontinued|terminated|inactive|deleted|removed|retired|expired|archived|misspelled)"
)
DOES_NOT = r"(?:(?:do|does|did|is|are|was|were|has|have|could)(?: not|n'?t)|can(?: ?not|'?t))"

# It is the sender's address, domain, host or account that is unknown or closed: not to be taken for the recipient's.
SENDERS_SIDE = [
    r"(?:helo|ehlo) (?:command |name |host |string )?(?:rejected|invalid|not|must|mismatch)",
    r"(?:invalid|bad) (?:helo|ehlo)|unroute?able sender",
    r"reverse (?:dns|lookup|host ?name|mapping)|\bptr\b|client host (?:rejected|blocked|not)",
    r"(?:in|with|your) (?:helo|ehlo)\b(?! command)",
    (
        r"\b(?:sending|originating|originator|client|source|envelope|mail[- ]from|from|return[- ]path|reply-to)"
        r"(?: (?:e-?mail|from|ip|address|domain|host|user|mailbox|name)){1,3}:?(?: <>)? "
        r"(?:is|was|does|doesn'?t|can|could|not|invalid|unknown|rejected)\b"
    ),
    r"too many (?:\w+ )?(?:invalid|unknown|bad|non-?existent|unregistered) (?:recipients?|users?|address)",
    r"(?:invalid|bad|missing|no) (?:spf|dkim|dmarc|rdns)\b|backscatter|\bbatv\b",
    r"(?:sent|sending|send|mail|e-?mails?|messages?) from (?:an? )?(?:unregistered|unknown|invalid|unverified)",
    r"\byour (?:\w+ )?(?:account|host ?name|host|ip|server|domain|dns|from)\b",
    r"(?:daily|hourly|sending|your|package|senders?) quota",
    (
        r"sender(?:'s)?(?: (?:address|domain|e-?mail|ip|host))*(?: is| was)?:? (?:rejected|refused|unknown|invalid|"
        r"blocked|denied|not|verif\w+|does)"
    ),
    r"(?:domain|address) of (?:the )?sender",
    r"sender (?:address )?verif\w+ (?:failed|error)|sender verify failed|verify (?:the )?sender",
    (
        r"(?:invalid|bad|unknown|unresolvable|unresolved|rejected|blocked|unverified) (?:sender|envelope sender|"
        r"return path|from address)"
    ),
    r"cannot resolve (?:your|sender)|could not resolve sender|sender(?:'s)? domain",
    r"badmailfrom|mail from (?:address|domain)\W* (?:rejected|invalid|not)",
]

# The mail is too large. Before "full", which is said in the same words.
TOO_LARGE = [
    r"(?:message|mail|e-?mail|attachment|file)(?: is| was|'s)? (?:size|length)(?! limit for mailbox)|size limit=",
    r"(?<!mailbox )(?<!storage )size limit \d",
    r"(?:message|mail|e-?mail|file|it) (?:is |was |being )?(?:too (?:large|big|long)|larger than)",
    r"too (?:large|big) (?:a )?(?:message|mail)",
    r"(?:maximum|max|fixed) (?:message|allowed|mail|e-?mail) (?:size|length)",
    r"(?<!mailbox )exceeds (?:the )?(?:maximum|max|fixed|allowed) (?:message |mail )?(?:size|length)",
]

# Full for now. Before "disabled", which some servers call a mailbox that is full.
FULL = [
    r"quota|over its limit|mailbox (?:is )?(?:currently )?(?:full|too large)|full mailbox|mail ?box .{0,40}is full",
    r"inbox is full|mail(?:box|folder)? (?:is )?full|disk (?:is )?full",
    (
        r"(?:storage|space|size|disk|allocated?)\w* (?:allocation |limit |capacity )?(?:has been |is |"
        r"was )?(?:exceed\w*|limit)"
    ),
    r"(?:mailbox|inbox|account) (?:\w+ )?exceed\w*",
    r"exceed\w* (?:\w+ ){0,4}(?:storage|space|capacity|mailbox size|disk)",
    r"(?:insufficient|not enough) (?:free |disk |system |storage |mailbox )*(?:storage|space)",
    r"no space left",
    r"too many messages (?:in|on)|mailbox has too many|maximum (?:number of )?messages (?:has|have) been",
    r"przepe[łl]nion|postfach (?:ist )?voll|bo[iî]te (?:aux lettres )?pleine|buz[oó]n lleno|casella piena",
    r"caixa (?:postal )?cheia",
]

# Closed for now; before what is closed for good.
CLOSED_FOR_NOW = [
    (
        r"temporar\w* (?:\w+ )?(?:locked|disabled|suspended|unavailable|deactivated|blocked|inactive|"
        r"not (?:available|accept\w+)|over)"
    ),
    r"(?:locked|disabled|suspended|unavailable|deactivated) temporar\w+|host not found,? try again",
]

# The address does not exist, and the server says so.
NO_SUCH_ADDRESS = [
    rf"no such (?:{WHO}|person|mailbox|recipient|local|domain|host|name)",
    (
        r"(?:unknown|invalid|nonexistent|non-existent|illegal|bad|inactive|disabled|expired|unroute?able|"
        r"undeliverable|obsolete|unregistered) (?:or (?:\w+ )?)?(?:local |destination |mail |recipient |e-?mail |"
        rf"host or |virtual |final |delivery )*(?:{WHO}|host|domain|user name|userid|alias)(?! syntax)"
    ),
    (
        rf"\b{WHO}[\"'\]>)]*:?(?: name| id| address| account| mailbox)?(?: <>)?[\"'\]>)]* (?:is |was |"
        rf"were |has been |have been |are |seems |appears to be |status )*(?:currently )?{GONE}"
    ),
    rf"<>[\"'\]>)]*:?,? (?:is |was |has been )*{GONE}",
    (
        rf"\b{WHO}(?: <>)?[^.;]{{0,40}} (?:{DOES_NOT}|not) (?:exists?|be found|found|listed|"
        r"have an? (?:\w+ ){0,2}account)"
    ),
    rf"\b{WHO}(?: <>)? {DOES_NOT} (?:known|valid|recogni[sz]ed|active|registered|present)",
    rf"(?:host|domain)(?: name)?(?: <>| \S+)? {DOES_NOT} (?:exist|be found|found|known)",
    r"(?:doesn'?t|does not|do not) have an? (?:\S+ ){0,3}(?:account|mailbox|inbox)",
    (
        r"no (?:valid |mail ?|e-?mail )?(?:recipients?|mailbox|mail box|user|account|inbox)(?: \w+){0,3} (?:here|"
        r"found|exists?|available|by that|with that|of that|at this|on this|for this|under this|named)"
    ),
    (
        r"(?<!you are )(?<!you're )(?:not|isn'?t) (?:a|an|our|my|one of our|the) "
        r"(?:known |valid |active |local |current |registered )?(?:user|customer|recipient|address|mailbox|account)"
    ),
    r"not our customer|not a known user|no ?(?:one|body) (?:\w+ )?(?:at|by|with|of) (?:this|that)",
    (
        r"not (?:listed|found|recogni[sz]ed) in (?:\S+ ){0,3}(?:directory|name ?& ?address|address book|public|"
        r"domino|table)"
    ),
    r"user (?:name )?(?:was |is )?(?:not|un)(?: |-)?(?:known|listed|recogni[sz]ed|found|valid|exist\w*|registered)",
    (
        r"(?:recipient|user|account|mailbox|address|mail ?account) (?:\S+ ){0,3}(?:disabled|deactivated|"
        r"suspended|discontinued|inactive|terminated|cancell?ed)(?! mail| e-?mail| messages| delivery)"
    ),
    r"\b(?:disabled|deactivated|suspended|inactive) (?:mailbox|account|user|recipient)",
    r"mailbox (?:currently )?suspended|\[suspend\]|account (?:expired|inactive)",
    r"unknown in (?:local|virtual|relay)|unknown (?:local.?part|to me)|unknown user|user.?unknown",
    r"unroute?able (?:mail )?(?:address|domain)",
    r"(?:recipient|address|addressee|user) (?:\S+ )?(?:unknown|not found|invalid)",
    r"resolver\.adr\.(?:recip|recipient|exrecip)? ?notfound|recipnotfound|recipientnotfound",
    rf"(?:unable to|{DOES_NOT}) (?:find|locate) (?:the |a |any )?(?:recipient|user|mailbox|host|domain)",
    r"archived recipient|valid(?:rcptto|recipients?)|reserved by rfc|does not like recipient",
    r"bad.?recipient|badrcptto|bad destination (?:mailbox |email )?(?:address|system)|bad (?:mail)?box",
    rf"(?:address|user|recipient|mailbox|account) (?:you|that you) (?:\w+ ){{1,6}}(?:is )?{GONE}",
    r"\bthis (?!e?-?mail |message |sender |file |directory |folder )\w+ (?:does not|doesn'?t) exist",
    r"\b(?:user|recipient|person|addressee)(?: <>)? has (?:been )?(?:moved|replaced)",
    r"(?:<>|address) has been replaced by",
    r"no forwarding address|new (?:e-?mail )?address is",
    r"^(?:[45]\d\d[ -])?(?:5\.\d\.\d{1,2} )?[^\s/:]+ (?:does not|doesn'?t) exist\b|no \S+ in name directory",
    r"this (?:address|account|mailbox|user|e-?mail(?: address)?) (?:is )?no longer",
    r"mailbox unavailable or access denied|did not (?:exactly )?match|no match(?:es)? (?:to|for|in|found)",
    (
        r"no longer (?:accept\w* (?:mail|messages|e-?mail)|on (?:this )?server|works? (?:here|at|for)|"
        r"an? (?:valid|active|employee)|employed|with (?:the|this|our)|valid|in use|a member|available)"
    ),
    r"(?:left|has left|is no longer with) (?:the|this|our) (?:company|organi[sz]ation|firm)",
    # Exchange Online: the directory does not know the address. With another code it is anybody's policy.
    r"5\.4\.1\b.{0,80}recipient address rejected: access denied",
    r"does not (?:accept|receive) (?:mail|e-?mail|messages)(?: at all)?\W*(?:\(?nullmx|$)|null ?mx",
    (
        r"(?:host|domain|dns|server)(?: name)?(?: <>| \S+)? (?:(?:is|was) )?(?:unknown|not found|does not exist|"
        r"not exist|lookup failed permanently)"
    ),
    r"(?:unknown|no such|non-?existent|invalid|bad) (?:host|domain|mail domain)|host unknown",
    r"domain (?:name )?(?:not found|not exist)",
    r"name or service not known|couldn'?t find any host|nxdomain|host not found",
    r"answer with no data|lookups? failed permanently",
    r"indicated no smtp service|recipient domain (?:must exist|does not exist)",
    r"no (?:route|mx)[^.]{0,20} (?:host|domain) found|unroute?able",
    r"name service error for name=\S+ type=(?:mx|a|aaaa): (?:host not found|malformed)",
    r"name service error for domain \S+: host not found",
    r"delivery to the following recipients? failed permanently because (?:the )?(?:user|address)",
    r"odbiorca .{0,20}nie istnieje|nie ma takiego|konto .{0,30}(?:nieaktywne|zablokowane|nie istnieje)",
    r"empf[aä]nger (?:ist )?(?:unbekannt|nicht gefunden)|benutzer (?:ist )?unbekannt",
    r"unbekannter (?:benutzer|empf[aä]nger)|utilisateur inconnu|destinataire inconnu|n'existe pas",
    r"(?:non|pas) répertorié|no se encuentra en el directorio|nicht im .{0,20}verzeichnis",
    r"(?:utente|casella|indirizzo) .{0,20}(?:non (?:trovat|elencat)|inesistente)|nessun utente",
    r"(?:usu[aá]rio|destinat[aá]rio|endere[cç]o) .{0,20}não encontrad",
    r"destinataire .{0,20}(?:invalide|inexistant|archiv)",
    r"ディレクトリ.{0,10}(?:見つかりません|ありません)|(?:宛先|ユーザー?).{0,10}(?:見つかりません|存在しません|不明)",
    r"usuario (?:desconocido|inexistente)|no existe|utente sconosciuto|casella inesistente",
    r"usu[aá]rio (?:desconhecido|inexistente)|inexistente|desconocid[oa]",
]

# Policy, reputation and content: nothing is wrong with the address.
SENDERS_FAULT = [
    r"\bspam|\banti-?spam\b|x-spam|spamassassin",
    r"\bunsolicited|\bjunk ?mail|\bube\b|\buce\b|bulk ?mail|mass ?mail|advert",
    r"looks like spam|message scored|mail score",
    r"black.?list|block.?list|deny.?list|\brbl\b|dnsbl|\bdnsrbl|spamhaus|spamcop|barracuda|sorbs|uribl|surbl",
    r"cloudmark|proofpoint|senderscore|\bdul\b|open (?:relay|proxy)",
    r"reputation|poor score|bad sender|notorious|abus(?:e|ive)|complaint",
    r"\bdmarc|\bspf\b|\bdkim|\barc\b|unauthenticated|not authenticated",
    r"members?[- ]only|non-?members?\b|closed (?:mailing )?list|protocol (?:violation|error)",
    r"credential",
    r"authentication (?:required|failed|failure|is required|check)|authenticat\w+ (?:checks|policy)|authrequired",
    r"\bpolicy|policies|prohibited|forbidden|not permitted|not allowed|not authori[sz]ed|unauthori[sz]ed",
    r"permission|administrative(?:ly)? (?:prohibition|denied|rejected)|admin(?:istrator)? has (?:blocked|refused)",
    r"restrict",
    r"rdns|fcrdns|greeting|hostname (?:does not|mismatch)",
    r"\brelay(?:ing)?\b|rcpthosts|open relay|cannot relay",
    r"virus|malware|malicious|phish|suspicious|infected|worm\b|dangerous|trojan",
    r"content (?:rejected|filter|blocked|violat\w+|denied|not)",
    r"contents? (?:was|is|has been|were) (?:rejected|blocked|denied)|message (?:content|body|header|subject)",
    r"attachment|body contains|subject contains|keyword|blocked word|url (?:in|found)|links? in",
    r"message (?:was |is |has been )?(?:rejected|refused|blocked|denied|filtered|discarded|not accepted)",
    r"rejected (?:by|due to|because of|for) (?:\w+ ){0,3}(?:filter|content|policy|spam|rule)|filter(?:ed|ing)?\b",
    r"line too long|exceeds (?:the )?(?:max|limit|fixed|size)",
    (
        r"(?:your|the sending|sending|source|remote|client) (?:\w+ )?(?:ip|host|server|network|address|domain|"
        r"isp)[^.]{0,60}(?:block|reject|listed|denied|banned|refus|not accept)"
    ),
    r"\bblocked\b|\bbanned\b|\bblocking\b|access denied|denied by|refused by|not accepting mail (?:with|from)",
    r"we do not accept|do(?:es)? not accept mail from|connection rejected|not welcome",
    r"rejected by (?:the )?(?:recipient|user|system)",
    r"rfc ?(?:28|53|8)22|duplicate header|multiple (?:subject|from) headers|malformed (?:message|header)",
    r"non-?compliant|improperly formatted|invalid (?:message|header|mime|message-id)|bare lf",
    r"starttls|tls (?:is )?required|must issue",
    r"white.?list|challenge|confirm (?:your|that)|sender must",
    r"not (?:on|in) (?:my|the|our|his|her) (?:list|address book|contacts)|only accepts? mail from",
]

# Refused for good, too fast is the sender's fault; refused for now, it is how a busy server asks for time.
TOO_FAST = [
    r"rate ?limit|throttl|too many (?:connections|messages|recipients|mails|e-?mails|invalid)",
    r"sending (?:limit|too fast|quota)|limit exceeded|unusual (?:rate|volume)|please try again slower",
    r"over package quota|too quickly|too fast|at a rate|(?:receiving|hourly|daily) limit",
]

# Nothing says that the address is wrong, or right.
PROBABLY_NO_ADDRESS = [
    (
        r"(?:mailbox|account|user|recipient|address)(?: <>)? (?:is )?(?:unavailable|not available|not accessible|"
        r"access denied)"
    ),
    r"recipient (?:address )?(?:was |is |has been )*(?:rejected|refused|denied|not accepted)|recipient not ok\b",
    r"(?:cannot|can ?not|can'?t|unable to|will not|refus\w+ to) accept (?:the |this |that )?(?:user|recipient)",
    r"rejected recipient|rejecting recipient",
    r"rcpt .{0,20}(?:rejected|refused)",
    r"requested action not taken|unable to deliver to (?:this )?(?:address|recipient)|invalid address",
    r"address error|addressing error",
]

# It may work another time.
NOT_THIS_TIME = [
    r"grey.?list|temporar|try (?:again|later)|later\b|defer|retry|delayed|for now\b",
    r"timed? ?out|timeout|time limit|expired|too long in|undeliver\w+ for|days? in the queue",
    r"message has been in the queue",
    r"connection (?:was )?(?:refused|reset|lost|dropped|closed|failed|error)|no route to host|unreachable",
    r"host (?:is )?down|not responding|did not respond|unable to connect|couldn'?t connect|could not connect",
    r"no answer|network",
    r"too many hops|hop count|mail loop|loops? back|routing loop|loop detected|excessive",
    r"resources|out of memory|system error|internal (?:server )?error|local (?:configuration )?error|local problem",
    r"i/o error|cannot (?:open|create|append|write|lock)|busy|overload|service (?:un|not )available|maintenance",
    r"no mx|dns|name ?server|lookup|resolve",
    r"mailbox (?:is )?(?:locked|busy)|currently (?:unavailable|unable|not)|unavailable",
]


def _any_of(patterns: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


HARD, SOFT, SENDER = Verdict.HARD, Verdict.SOFT, Verdict.SENDER

# The verdict on a text that comes with a permanent code or none, and with temporary ones alone: who is unknown today
# may be there tomorrow, the server says so.
TEXTS: tuple[tuple[re.Pattern[str], Verdict, Verdict], ...] = (
    (_any_of(SENDERS_SIDE), SENDER, SENDER),
    (_any_of(TOO_LARGE), SENDER, SENDER),
    (_any_of(FULL), SOFT, SOFT),
    (_any_of(CLOSED_FOR_NOW), SOFT, SOFT),
    (_any_of(NO_SUCH_ADDRESS), HARD, SOFT),
    (_any_of(SENDERS_FAULT), SENDER, SENDER),
    (_any_of(TOO_FAST), SENDER, SOFT),
    (_any_of(PROBABLY_NO_ADDRESS), HARD, SOFT),
    (_any_of(NOT_THIS_TIME), SOFT, SOFT),
)
