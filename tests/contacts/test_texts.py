"""What people mean by a text to the shop's number: labelled texts, in English and Spanish."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.texts import RESERVED, Meaning, meaning_of

QUOTE = "The Corner Bar: half price tonight! Reply STOP to opt out"
CITA = "The Corner Bar: ¡hoy a mitad de precio! Responda STOP para darse de baja"

WORDS = """
STOP|stop|Stop.|Stop!!|stop!!!| STOP please|S T O P|s.t.o.p|stopp|st0p|STOOOOP|“Stop”|STOP 🙏|🛑|ok stop thanks
Please stop
stop it|stop now|stop stop stop|stop all|STOPALL|Reply STOP|Reply STOP to opt out|yes, stop|No. Stop.|no stop
Stop texting me
OPT-OUT|opt out|optout|Opt me out please|Unsubscribe|Unsubscribe me|un subscribe|unsub|unsuscribe|Quit|quit it
End|END.
Cancel|cancle|revoke|Remove|No more|NO MORE!!|No more please
ALTO|Alto!|Parar|¡Para!|para por favor|pare|Paren ya|¡BASTA!|ya basta|Cancelar|cancelar por favor|baja|Baja por favor
no más|No mas por favor|NO MÁS|Salir|detener|desuscribir
"""
SENTENCES = """
please stop texting me|Can you please stop texting me?|quit texting me|STOP TEXTING THIS NUMBER|stop sending me these
stop sending messages|stop all messages|stop the texts|please make these texts stop
I want these messages to stop|Make it stop
STOP. I am at work|Texting me at 3am?? STOP|Stop, this is harassment|cease and desist|please discontinue
no more texts|no more messages please|no texts please|no spam|enough with the texts|I want no more of your texts
don't text me|Don’t text me anymore|do not contact me again|never text me again
please don't message this number|do not disturb
I don't want these texts|I do not wish to receive any more messages|I dont want to get texts from you
I don't want your offers
I never signed up for this|I didn't sign up for these texts|not interested|No longer interested thanks
remove me|Please remove me from your list|remove my number from your system|take me off your list|take me off
delete my number
get me off this list|get my number off your list|lose my number|put me on your do not call list
I want to unsubscribe|how do I unsubscribe|how do I stop these texts?|unsubscribe my number please
cancel my subscription
I revoke my consent|you don't have my permission. no consent|you are texting me without my consent
wrong number|You have the wrong number|Sorry wrong person|this isn't my number|This is no longer Maria's number
leave me alone|go away|fuck off|f off
quítenme de la lista|Quíteme de su lista por favor|bórrenme|elimínenme|borren mi número|eliminar mi numero
sáquenme de su lista
no me escriban más|No me manden más mensajes|ya no me envíen mensajes|por favor no me texteen|no me molesten
No me contacten
dejen de mandarme mensajes|Dejen de molestar|déjenme en paz|paren los mensajes|ya paren|basta de mensajes
paren de escribirme
No quiero más mensajes|ya no quiero recibir sus ofertas|no me interesa|no quiero nada|No quiero publicidad
darme de baja|Quiero darme de baja|denme de baja|cancelar suscripción|quiero cancelar los mensajes
número equivocado|este no es mi número|Se equivocó de número
"""
PERHAPS = f"""
can I stop by at 5?|Can I stop in for lunch|Is it the last stop on the bus line?|I'm stopping by later|stopping
don't stop|Please don't stop sending me deals|Don't stop the music!|why did you stop texting me?|it never stops
end of the month|Are you open until the end of the month?|The end is near|when does this deal end?
how do I cancel my reservation?|Can we cancel our table tonight?|Sorry, can't make it tonight. Cancel please.
I want to cancel
no more onions please?|remove the onions please|remove me from the waitlist|wrong number of wings in my order
I already unsubscribed|was I removed from the list?|I don't want to miss your deals!|block party is on Friday
No|nope|no thanks|No thank you|enough!|spam|too many texts|you text too much|I'll sue you|How did you get my number?
Disliked “{QUOTE}”
no mas cebolla por favor|quiero cancelar mi reserva|¿a qué hora puedo salir?
quiten la cebolla, quítenme la cebolla|no quiero cancelar
¿por qué ya no me mandan ofertas?|No gracias|No le gustó “{QUOTE}”|No le gustó “{CITA}”
"""
CHATTER = f"""
Are you open on Monday?|thanks|👍|See you at 7|Table for 4 please|Do you have vegan options|I love this place
join us|on my way
weekend hours?|Can I bring my dog|What's the code|it says expired|great deal!|recommend a wine?
I don't eat meat|can't wait!
not sure yet|I'm not hungry|take out?|no problem|no worries see you then|new phone who dis|We met in Palo Alto
Is the Baja fish taco back?|I'll have a Baja blast|the blend was nice|full stomach|
Liked “{QUOTE}”|Loved "{QUOTE}"|Laughed at “{QUOTE}”|👍 to “{QUOTE}”|Reacted 👍 to “{QUOTE}”|Le encantó “{QUOTE}”
Is this real? “{QUOTE}”|Le encantó “{CITA}”|¿Es cierto? “{CITA}”
¿Están abiertos hoy?|mesa para dos por favor|para hoy|nomas quiero dos tacos|por favor una mesa|gracias
¿Tienen menú vegano?
"""


def texts(table: str) -> list[str]:
    return [text for line in table.strip("\n").splitlines() for text in line.split("|")]


LABELLED = [
    *((text, Meaning.STOP) for text in texts(WORDS) + texts(SENTENCES)),
    *((text, Meaning.DOUBT) for text in texts(PERHAPS)),
    *((text, Meaning.REVIEW) for text in texts(CHATTER)),
]


@pytest.mark.parametrize(("body", "meaning"), LABELLED)
def test_hears_what_is_meant(body, meaning):
    assert meaning_of(body, keywords=frozenset({"join"})) == meaning


@pytest.mark.parametrize("written", [str.upper, str.lower, "  {}\n".format, "{} 😡".format, "Hi! {}".format])
def test_hears_a_stop_however_it_is_written(written):
    bodies = [written(body) for body in texts(WORDS) + texts(SENTENCES)]

    assert [body for body in bodies if meaning_of(body) != Meaning.STOP] == []


@pytest.mark.parametrize(
    ("body", "meaning"),
    [
        ("Yes!", Meaning.START),
        ("START", Meaning.START),
        ("unstop", Meaning.START),
        ("start texting me again", Meaning.START),
        ("Help", Meaning.HELP),
        ("info please", Meaning.HELP),
        ("AYUDA", Meaning.HELP),
        (" join. ", Meaning.JOIN),
    ],
)
def test_hears_the_other_words(body, meaning):
    assert meaning_of(body, keywords=frozenset({"join"})) == meaning


def test_no_sign_up_may_take_a_word_that_stops():
    assert {"stop", "alto", "baja", "start", "help", "ayuda"} <= RESERVED


@given(st.text())
def test_never_fails_to_read_a_text(body):
    assert meaning_of(body) in Meaning


@given(st.text(max_size=60), st.sampled_from(["stop", "unsubscribe", "cancel", "quit"]), st.text(max_size=60))
def test_a_stop_word_anywhere_is_at_least_a_doubt(before, word, after):
    """But for a reaction, which quotes what the shop wrote."""
    body = f"{before} {word} {after}"
    if '"' in body or "“" in body or "«" in body or "”" in body or "»" in body:
        return

    assert meaning_of(body) in {Meaning.STOP, Meaning.DOUBT}


def test_reads_a_long_text_in_no_time():
    """The patterns look at each place once: what would make them try again and again takes no longer."""
    for piece in ("no more ", "stop ", "dont want ", "a ", "s t o p ", "“reply stop ", "liked “"):
        assert meaning_of(piece * 5_000) in Meaning


# --- What readers of this found ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("Liked “Sale today, Reply STOP to end” STOP", "stop"),
        ('Loved "2 for 1" but please stop texting me', "stop"),
        ("Liked “Sale today, Reply STOP to end”", "review"),
        ("Enfatizó “Bar: Responda YES para confirmar. STOP para terminar, HELP para ayuda.”", "review"),
        ("ѕtор", "stop"),  # Cyrillic letters
        ("$top", "stop"),
        *(
            (text, "doubt")
            for text in (
                "STOP2END",
                "stoptexting",
                "leave me off your list",
                "I'd like off this list",
                "refrain from texting me",
                "rather not get texts",
                "I would prefer not to get texts",
                "I would like to not receive messages",
                "I never signed up",
                "I didn't sign up",
                "do not solicit",
                "turn off notifications",
                "cease",
                "discontinue",
                "withdraw",
                "unenroll",
                "wrong #",
                "I want out",
                "exclude me",
                "I'm on the national DNC registry",
                "equivocado",
                "no soy Maria",
                "quitar",
                "retirar",
                "no quisiera más",
            )
        ),
    ],
)
def test_a_stop_in_unusual_words_is_at_least_a_doubt(text, meaning):
    found = meaning_of(text)

    assert found == meaning or (meaning == "doubt" and found == "stop")


def test_no_text_takes_long_to_read():
    """A pattern that can match in many ways takes twice as long for each repetition: this one would take years."""
    assert meaning_of("no " + "any more " * 170 + "onions") in {"doubt", "review"}
