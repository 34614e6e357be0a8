"""The words and phrases by which people say that they want no more texts, in English and Spanish. Pure data.

Phrases are regular expressions over words in small letters, without accents, apostrophes and marks, one space between.
"""

from __future__ import annotations

# 47 CFR 64.1200(a)(10) names stop, quit, end, revoke, opt out, cancel and unsubscribe. Stopall is Twilio's; the rest is
# what people write instead.
STOP = frozenset(
    {"stop", "stopall", "quit", "end", "revoke", "optout", "cancel", "unsubscribe", "remove", "nomore", "optmeout"}
    | {"alto", "baja", "basta", "cancelar", "cancele", "cancelen", "darme", "detener", "parar", "para", "pare", "paren"}
    | {"salir", "suspender", "nomas", "desuscribir", "desuscribirme", "terminar"}
)
START = frozenset({"start", "yes", "unstop"})
HELP = frozenset({"help", "info", "ayuda"})

POLITE = frozenset(
    {"again", "all", "and", "asap", "dear", "everything", "from", "hello", "hey", "hi", "immediately", "it", "just"}
    | {"me", "message", "messages", "messaging", "msgs", "my", "now", "number", "ok", "okay", "please", "pls", "plz"}
    | {"reply", "send", "sending", "sir", "sms", "text", "texting", "texts", "thank", "thanks", "the", "these", "this"}
    | {"thx", "to", "ty", "u", "you", "your"}
    | {"a", "con", "de", "favor", "gracias", "hola", "los", "mensajes", "mi", "por", "porfa", "porfavor"}
    | {"textos", "ya"}
)
# What stands beside a stop and does not take it back: "no, stop", "yes, cancel".
BESIDE_STOP = frozenset({"no", "yes", "yeah", "yep", "si", "nope", "already", "right", "away", "immediatly"})
# A sentence of its own, whatever stands before and after it.
UNMISTAKABLE = frozenset({"stop", "stopall", "unsubscribe", "optout", "nomore"})

SIGNS = {"\N{OCTAGONAL SIGN}": "stop", "$top": "stop"}
# Letters that look like others, in words that are otherwise Latin or all of such: Cyrillic and Greek for Latin.
LOOK_ALIKES = str.maketrans("аеорсухѕіјтпмнкαορντικ", "aeopcyxsijtnmhkaopvtik")
SPELLINGS = {
    **dict.fromkeys(("st0p", "stopp", "stpo", "sotp", "stoop", "stp", "stops", "stopt", "5top"), "stop"),
    **dict.fromkeys(("unsub", "unsubcribe", "unsuscribe", "unsubscibe", "unsubscrib"), "unsubscribe"),
    **dict.fromkeys(("cancle", "cancell", "canel"), "cancel"),
    "opout": "optout",
    "endd": "end",
    "quitt": "quit",
}
JOINED = (
    ("opt me out", "optout"),
    ("opt(?:ing)? out", "optout"),
    ("stop all", "stopall"),
    ("un subscribe", "unsubscribe"),
)

_TEXTS = (
    r"(?:texts?|text messages?|messages?|messaging|msgs?|sms|txts?|texting|spam|ads?|adverts?|alerts?|notifications?)"
)
_SENT = (
    rf"(?:{_TEXTS}|offers?|promos?|promotions?|deals?|coupons?|updates?|marketing|advertising|this|these|those|that)"
)
_SENDING = (
    r"(?:texting|txting|messaging|sending|contacting|spamming|bothering|harassing|emailing|bugging|pestering|annoying"
    r"|blowing up|hitting up|calling|soliciting)"
)
_END = r"(?: please| pls| plz| thanks| thank you| now| already| ok| anymore| any more| again| por favor| gracias| ya)*$"
_MENSAJES = (
    r"(?:mensajes?|mensajitos?|textos?|sms|ofertas?|promociones|promos?|publicidad|propaganda|anuncios?"
    r"|notificaciones|avisos|cupones|spam|alertas?)"
)

ENGLISH = (
    # Stop it.
    rf"\b(?:stop|quit|cease|end) (?:\w+ ){{0,2}}?{_SENDING}(?: (?:me|us|my|this|these|those|here|to|so)\b|{_END})",
    rf"\b(?:stop|stopall|end|quit|discontinue) (?:(?:all|of|the|these|those|your|any|with|my|sending|getting|receiving"
    rf"|future|further|more|this|me) )*{_TEXTS}\b",
    rf"\b(?:stop|end|quit) (?:the|these|your|with the|all the) {_SENT}\b",
    rf"\b{_TEXTS} (?:to|must|need to|have to)? ?stop\b",
    r"\b(?:make|get|want|need) (?:it|this|them|these|you|yall) (?:all )?to stop\b",
    r"\b(?:make|just make) (?:it|this|them|these) stop\b",
    r"\bcease and desist\b|\bplease (?:discontinue|desist|cease)\b|\bcut it out\b|\bknock it off\b",
    # No more.
    rf"^(?:please |pls |ok |hey |hi )*no more(?: (?:of )?(?:this|these|those|from you|for me))?{_END}",
    r"\b(?:no|not|without) (?:more |any |anymore |further |other )+(?:of )?(?:your |these |those |the )?"
    rf"{_TEXTS}\b",
    rf"^(?:please |pls )*no (?:{_TEXTS}|texting me){_END}",
    rf"\benough (?:with |of )?(?:all )?(?:the |these |your )?{_TEXTS}\b",
    # Do not text me.
    r"\b(?:dont|do not|donot|never|not to|no longer|quit) (?:ever |please |you ever |dare |keep )?(?:re)?"
    r"(?:text|texting|message|messaging|msg|contact|contacting|txt|send|sending|sms|bother|bothering|spam|call|solicit)"
    r"(?: to)? (?:me|us|this (?:number|phone)|my (?:number|phone|cell)|anymore|any more|again|anything|these|here)\b",
    rf"^(?:please )?(?:do not|dont) (?:text|message|contact|txt|disturb|call){_END}",
    rf"\b(?:dont|do not|didnt|did not|no longer|never|not) (?:want|wish|like|need|care|ask|sign|signed|wanna|subscribe"
    rf"|subscribed|agree|agreed|consent|consented|authorize|request|requested)\b(?: \w+){{0,4}}? {_TEXTS}\b",
    r"\b(?:dont|do not|no longer) (?:want|wish|care|wanna|need)(?: to)? (?:be (?:texted|contacted|messaged|bothered)"
    r"|(?:get|receive|hear)(?: \w+){0,3}? (?:from you|these|this|those|anymore|any more|deals|offers|coupons|promos?))",
    r"\b(?:dont|do not|no longer) (?:want|wish|care|wanna|need) (?:your|these|any more|anymore|more) (?:offers?|deals?"
    r"|coupons?|promos?|promotions?)\b",
    r"\b(?:didnt|did not|never) (?:sign|signed|opt|opted|agree|agreed|consent|consented|subscribe|subscribed|ask|asked)"
    r" (?:up |in )?(?:for|to) (?:this|these|any|get|be)\b",
    r"\b(?:not|no longer|isnt|aint) interested\b|\buninterested\b",
    # Take me off.
    rf"\b(?:remove|delete|erase) (?:me|us|my (?:phone )?(?:number|phone|cell|info|information|name|contact|data)"
    rf"|this (?:number|phone)|the number)(?: (?:from|off|out of) (?:your|the|this|ur|all|any) (?:\w+ ){{0,2}}?"
    rf"(?:lists?|{_TEXTS}|database|system|contacts?|marketing|group|phone|files?|records?)\b|{_END})",
    r"\b(?:take|get|drop|scratch|pull|keep) (?:me|us|my (?:number|name|phone)|this number) off\b",
    r"\b(?:lose|forget|block|erase) (?:my|this) number\b|\bforget me\b",
    r"\b(?:do not call|dnc|do not contact|do not text|no call) list\b",
    r"\b(?:unsubscribe|optout)\b",
    rf"\b(?:cancel|end|terminate|stop) (?:\w+ ){{0,2}}?(?:subscription|{_TEXTS}|sms service|enrollment|sign ?up)\b",
    r"\b(?:revoke|withdraw|rescind|take back) (?:my |all )?(?:consent|permission|authorization)\b|\bi revoke\b",
    r"\b(?:without|no) (?:my )?(?:consent|permission|authorization)\b|\bi (?:do not|dont) (?:give )?consent\b",
    # It is somebody else's.
    r"\bwrong (?:number|person|num|nbr)\b",
    r"\b(?:isnt|is not|not|no longer) (?:\w+ ){0,2}?(?:number|phone)(?: anymore| any more)?$",
    r"\b(?:isnt|is not|not) (?:my|his|her|their|this persons) (?:number|phone)\b",
    # Go away.
    r"\bleave (?:me|us) (?:alone|be)\b|\bgo away\b|\bget lost\b|\bbuzz off\b",
    r"\b(?:f|fuck|fk|fck|piss|screw|bugger) (?:off|you|u)\b|\bshut up\b",
)

SPANISH = (
    # No me escriban.
    r"\bno (?:me |nos |le )?(?:vuelvan? a |sigan? )?(?:mand(?:e|en|es|ar)|envi(?:e|en|es|ar)|escrib(?:a|an|as|ir)"
    r"|texte(?:e|en|es|ar)|contact(?:e|en|es|ar)|molest(?:e|en|es|ar)|llam(?:e|en|es|ar)|mensaje(?:e|en|es|ar)"
    r"|mandando|enviando|escribiendo|molestando)(?:me|nos|rme)?\b",
    # Quítenme de la lista.
    r"\b(?:quit|saqu|sac|borr|elimin|remuev|retir|bloque)[a-z]{1,5}(?:me|nos)(?: (?:ya )?de (?:la|su|tu|esta|sus|ese"
    r"|este|las|los) (?:\w+ ){0,2}?(?:lista|listas|base|grupo|sistema|mensajes|contactos|registro)\b"
    r"| (?:ya|por favor|porfa)|$)",
    r"\b(?:quit|saqu|sac|borr|elimin|remuev|retir)[a-z]{1,4} (?:ya )?(?:mi|este|el)"
    r" (?:numero|telefono|contacto|nombre)\b",
    r"\b(?:dar|darme|denme|deme|dame|darse|den|dese|doy|den me|de) (?:me )?de baja\b|\b(?:dar|dame|denme) baja\b",
    r"\bdes(?:u|in)s[ck]r[a-z]+\b",
    # Dejen de mandarme.
    r"\b(?:deje|dejen|deja|dejar|dejame|dejenme|deje me|paren?|parar|pares) (?:ya )?de (?:\w+ )?(?:mand|envi|escrib"
    r"|molest|texte|llam|contact|fastidi|jod|chinga|mensaje)[a-z]*",
    r"\b(?:deje|deja|dejen)(?:me|nos)? (?:ya )?(?:en paz|tranquil[oa]s?|solo|sola)\b",
    # No quiero más.
    rf"\bno (?:quiero|deseo|necesito|quisiera|queremos|pedi|autorice|solicite|autorizo)(?: \w+){{0,4}}? {_MENSAJES}\b",
    r"\bno (?:quiero|deseo|quisiera|queremos) (?:ya |seguir )?(?:recib|que me"
    r" (?:mand|envi|escrib|contact|molest|texte))",
    r"\bno (?:quiero|deseo) (?:nada|mas|nada mas|mas nada|esto)(?: por favor| gracias| de ustedes)*$",
    r"\bno (?:me interesa|me interesan|estoy interesad[oa]|nos interesa)\b",
    rf"\bno ?mas(?: de)?(?: sus| estos| los| tantos)? {_MENSAJES}\b",
    r"^(?:por favor |porfavor |porfa |ya )*no ?mas(?: por favor| porfavor| porfa| gracias| ya)*$",
    rf"\b(?:ya )?basta(?: ya)?(?: (?:de|con)(?: \w+)? {_MENSAJES}\b|$)",
    rf"\b(?:paren?|parar|pares|detenga|detengan|alto|deten)(?: \w+){{0,3}}? {_MENSAJES}\b|\b(?:ya paren|paren ya)\b",
    rf"\b(?:cancel(?:ar|e|en|a|ame|enme)|termin(?:ar|e|en)|suspend(?:er|a|an)|anul(?:ar|en|e)|elimin(?:ar|en|e))"
    rf"(?: \w+){{0,2}}? (?:suscripcion|subscripcion|inscripcion|{_MENSAJES})\b",
    # Número equivocado.
    r"\b(?:numero|telefono|persona) (?:equivocad[oa]|incorrect[oa])\b|\bse (?:equivoco|equivocaron|equivoca) de\b",
    r"\bno es (?:mi|el|su|este) (?:numero|telefono)\b|\beste numero (?:ya )?no es\b",
)

PHRASES = (*ENGLISH, *SPANISH)

# What turns a phrase around, or gives it another sense: somebody has to read it.
UNLESS = (
    r"\b(?:dont|do not|never|didnt|did not|wont|will not|cant|cannot|couldnt|wouldnt|not) (?:ever |just "
    r"|want (?:you )?to |mean to |please )?(?:stop|unsubscribe|optout|cancel|quit|end|revoke|remove me|take me off"
    r"|be removed)\b",
    r"\b(?:why|when|how come) (?:did|have|has|do|does|was|were|am|are) (?:you|i|we|it|they) (?:guys |all |ever )?"
    r"(?:stop|end|quit|cancel|unsubscribe|remove|optout)",
    r"\bwas i (?:removed|unsubscribe)|\bi (?:was|got|am|been) (?:removed|unsubscribe)",
    r"\b(?:miss|missing|missed) (?:\w+ ){0,4}?(?:texts?|messages?|deals?|offers?|coupons?|out)\b",
    r"\bwrong number of\b",
    r"\bno (?:quiero|deseo) (?:dejar|parar|cancelar|perder|salir)",
    r"\bpor que (?:ya )?no me (?:mand|envi|escrib)",
)

DOUBTS = (
    # A word that may stop, wherever it stands; but for those that mostly mean something else.
    r"\b(?:" + "|".join(sorted(STOP - {"alto", "baja", "para", "nomas", "darme", "terminar", "suspender"})) + r")\b",
    r"(?<!palo )\balto\b|\bbaja\b(?! (?:blast|bowl|burrito|california|fish|sauce|shrimp|style|tacos?)\b)",
    r"\b(?:stopping|stopped|ends|ended|ending|quits|quitting|revoked|revoking|cancell?ed|cancell?ing|cancels"
    r"|cancelaron)\b",
    r"\b(?:unsubscrib|remov|harass|sue\b|suing|lawyer|attorney|lawsuit|legal action|report(?:ed|ing)? (?:you|this|it)"
    r"|spam|scam|fcc|tcpa|bloque|demand(?:a|ar)\b|abogad)",
    r"\b(?:block(?:ed|ing)?|delete|enough|no more|any ?more|opt|opted|opting|too many|too much|annoying"
    r"|sick of|tired of)\b",
    r"\b(?:dont|do not|never|not|quit) (?:text|message|contact|call|bother|send|want)\b",
    rf"\b{_TEXTS} (?:too|every|all the time|constantly)\b",
    r"\b(?:how|where) (?:did|do|d) (?:you|u|yall) (?:get|have|got) (?:my|this) (?:number|phone|info)",
    r"\b(?:wrong number|not my|take me|get me|who gave you)\b",
    r"^(?:no|nope|nah|no thanks?|no thank you|no thx|no gracias|nel|f you|ugh|hell no|no way)$",
    r"\b(?:no mas|ya no|quite(?:n|nme|me)|saque(?:n|nme|me)|borre(?:n|nme|me)|paren|harto|harta)\b"
    r"|\b(?:elimin|desuscri|molest)",
    r"\b(?:dejen|deje) de\b|\bno me (?:mand|envi|escrib|llam)",
    # Less usual ways to say it, and what may be one.
    r"\bstop\w|\b(?:refrain|cease|discontinue|withdraw|exclude me|leave me off|want out|wrong|solicit\w*|dnc)\b",
    r"\bun ?enroll|\boff (?:of )?(?:your|this|the|ur) (?:\w+ )?list|\bturn off\b",
    r"\b(?:rather|prefer|like|want)(?: to)? not\b|\bnot (?:to )?(?:get|receive|be)\b",
    r"\b(?:never|didnt|did not|dont remember) (?:sign|signing|signed|opt|opted|subscrib)",
    r"\bequivocad|\bno soy\b|\bquitar\b|\bretir(?:ar|en|eme|enme)\b|\bno (?:quisiera|deseo|quiero)\b",
)
