"""What a column may hold, and the headers by which such a column is known in seven languages. Pure."""

from __future__ import annotations

import re
import unicodedata

from django.utils.translation import gettext_noop

from contacts.importing.reading.words import Claim

FIELDS: dict[str, str] = {
    "email": gettext_noop("E-mail"),
    "phone": gettext_noop("Phone"),
    "first_name": gettext_noop("First name"),
    "last_name": gettext_noop("Last name"),
    "name": gettext_noop("Full name"),
    "birthday": gettext_noop("Birthday"),
    "postal_code": gettext_noop("Postal code"),
    "region": gettext_noop("State"),
    "time_zone": gettext_noop("Time zone"),
    "tags": gettext_noop("Tags"),
    "notes": gettext_noop("Notes"),
    "email_status": gettext_noop("E-mail: agreed or not"),
    "email_consent_at": gettext_noop("E-mail: agreed when"),
    "email_consent_note": gettext_noop("E-mail: agreed how"),
    "email_unsubscribed_at": gettext_noop("E-mail: unsubscribed when"),
    "sms_status": gettext_noop("Texts: agreed or not"),
    "sms_consent_at": gettext_noop("Texts: agreed when"),
    "sms_consent_note": gettext_noop("Texts: agreed how"),
    "sms_unsubscribed_at": gettext_noop("Texts: opted out when"),
    "status": gettext_noop("Status of the person"),
}

# The columns that a file of problems has beside its own. The first two are read when it is uploaded again.
FROM_IMPORT = "Regulars: import"
STATE = "Regulars: state"
LINE, TO_MEND, IMPORTED = "Regulars: line", "Regulars: what to mend", "Regulars: imported already"

# Fields that several columns may fill. Texts are joined; of several statuses a refusal holds, of times the last.
MULTIPLE = frozenset({"notes", "tags", "status"}) | {field for field in FIELDS if field.startswith(("email_", "sms_"))}

# Headers after folding. For a field of one column, the column whose header stands first here is taken.
_HEADERS = {
    "email": "email emailaddress primaryemail customeremail emailprimary emailadresse mail mailadresse "
    "correoelectronico direcciondecorreoelectronico correo adresseemail adressemail courriel adresseelectronique "
    "adressedemessagerie indirizzoemail indirizzodipostaelettronica postaelettronica enderecodeemail "
    "enderecoeletronico emailadres mailadres",
    "phone": "mobile mobilephone mobilenumber mobilephonenumber phonemobile cell cellphone cellphonenumber sms "
    "smsphone smsphonenumber smsnumber textnumber handy handynummer mobiltelefon mobilnummer mobil movil "
    "telefonomovil numerodemovil celular numerodecelular telefonecelular telemovel portable telephoneportable "
    "mobiel mobielnummer mobielenummer gsm cellulare telefonocellulare phone phonenumber telephone telephonenumber "
    "tel telefon telefonnummer rufnummer telefono numerodetelefono numerotelefono numerodetelephone telefone "
    "numerodetelefone telefoon telefoonnummer phonehome homephone phonework businessphone",
    "first_name": "firstname first fname givenname forename vorname rufname nombre nombredepila primernombre "
    "prenom primeironome voornaam",
    "last_name": "lastname last lname surname familyname nachname familienname zuname apellido apellidos nom "
    "nomdefamille cognome sobrenome apelido achternaam",
    "name": "name fullname contactname customername customer contact vollername nombrecompleto nomcomplet "
    "nomecompleto nome volledigenaam naam clientname guestname guest",
    "birthday": "birthday birthdate dateofbirth dob bday geburtstag geburtsdatum cumpleanos fechadenacimiento "
    "fechadecumpleanos datedenaissance anniversaire compleanno datadinascita aniversario datadenascimento "
    "verjaardag geboortedatum",
    "postal_code": "postalcode zip zipcode postcode zippostalcode postalzip plz postleitzahl codigopostal "
    "codepostal cap codicepostale cep defaultaddresszip",
    "region": "state statecode usstate homestate stateregion stateprovince stateregioncode stateprovincecode region "
    "regioncode province provincecode provincestate addressstate addressregion billingstate mailingstate shippingstate "
    "bundesstaat bundesland estado provincia",
    "time_zone": "timezone timezonename contacttimezone tz zeitzone zonahoraria husohorario fuseauhoraire fusoorario "
    "fusohorario tijdzone",
    "tags": "tags tag labels label categories category groups group segments schlagworte schlagwort gruppen gruppe "
    "etiquetas etiqueta etiquettes etichette etiketten kategorien",
    "notes": "notes note comment comments memo remarks notizen notiz bemerkung bemerkungen kommentar notas "
    "comentarios commentaire commentaires remarques osservazioni observacoes opmerkingen notities",
    "email_status": "emailstatus emailconsent emailmarketingconsent emailmarketing emailoptin emailoptedin optin "
    "optedin emailsubscription emailsubscriptionstatus emailpermission subscriptionstatus subscribed issubscribed "
    "newsletter newsletterconsent newslettersubscribed acceptsmarketing acceptsemailmarketing marketingconsent "
    "marketingoptin emailoptout emailoptedout emailunsubscribed emailblacklisted emailblocklisted bounced "
    "emailbounced hardbounced einwilligung newsletteranmeldung suscrito consentimiento inscrit consentement "
    "iscritto consenso inscrito consentimento ingeschreven toestemming donotemail regularsstate",
    "sms_status": "smsstatus smsconsent smsmarketingconsent smsmarketing smsoptin smsoptedin smssubscription "
    "smssubscriptionstatus smspermission acceptssmsmarketing textconsent textoptin textsoptin smsoptout "
    "smsoptedout smsunsubscribed smsblacklisted smsblocklisted textoptout donottext",
    "email_consent_at": "emailconsentat emailconsenttimestamp emailmarketingconsenttimestamp emailoptindate "
    "emailoptintime optindate optintime optedinat subscribedat subscribeddate subscribedon consentdate consenttime "
    "consentedat dateofconsent einwilligungam anmeldedatum fechadesuscripcion dateinscription datadiiscrizione",
    "email_unsubscribed_at": "emailunsubscribedat unsubscribedat unsubscribeddate unsubscribedon unsubscribedate "
    "optoutdate optouttime optedoutat unsubtime abmeldedatum fechadebaja",
    "email_consent_note": "consentmethod consentsource emailconsentmethod emailconsentsource optinmethod "
    "optinsource optinip consentip",
    "sms_consent_at": "smsconsentat smsconsenttimestamp smsmarketingconsenttimestamp smsoptindate smsoptintime",
    "sms_unsubscribed_at": "smsunsubscribedat smsoptoutdate smsoptouttime smsoptedoutat",
    "sms_consent_note": "smsconsentmethod smsconsentsource smsoptinmethod smsoptinsource",
    "status": "status subscriberstatus contactstatus memberstatus optout optedout unsubscribed isunsubscribed "
    "unsubscribe blacklisted blocklisted suppressed abgemeldet desabonne donotcontact",
}
FIELD_OF_HEADER = {header: field for field, headers in _HEADERS.items() for header in headers.split()}
RANK_OF_HEADER = {header: rank for headers in _HEADERS.values() for rank, header in enumerate(headers.split())}

_REFUSING_HEADERS = (
    (re.compile(r"bounce|invalidemail"), Claim.BOUNCED),
    (re.compile(r"complain|spamreport|markedasspam|abuse"), Claim.COMPLAINED),
    (re.compile(r"blacklist|blocklist|blocked|suppress"), Claim.BLOCKED),
    (
        re.compile(r"unsub|opt(ed)?out|donot|desabonn|desinscri|abgemeldet|abmeld|uitgeschreven|disiscritt|baja"),
        Claim.REVOKED,
    ),
)


def folded(header: str) -> str:
    """`E-Mail Adresse` -> `emailadresse`, `Cumpleaños` -> `cumpleanos`."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", header) if not unicodedata.combining(char))
    return re.sub(r"[\W_]+", "", plain.casefold())


def refusal_of(header: str) -> Claim | None:
    """Return what a plain *yes* in a status column of this name says: `Opted out`: REVOKED, `Bounced`: BOUNCED.

    None: the column asks for agreement, and a *yes* grants it.
    """
    name = folded(header)
    for pattern, claim in _REFUSING_HEADERS:
        if pattern.search(name):
            return claim
    return None
