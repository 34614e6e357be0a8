"""Every word staff read on the web scanner, in the page's language. The page carries them to `texts.js`."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

ONE_AND_MANY = (1, 2)


def scanner_words() -> dict[str, Any]:
    """Return the words by the names `texts.js` calls them. A pair is what is said of one, and of any other number."""
    return {**_of_answers(), **_of_no_answer(), **_of_the_till(), **_of_the_camera(), **_of_the_queue(), **_of_set_up()}


def _of_answers() -> dict[str, Any]:
    return {
        "seconds": [ngettext("%(count)s second", "%(count)s seconds", count) for count in ONE_AND_MANY],
        "minutes": [ngettext("%(count)s minute", "%(count)s minutes", count) for count in ONE_AND_MANY],
        "tail": _("Code …%(end)s"),
        "checking": _("Checking …"),
        "redeemed": _("Redeemed"),
        "off": _("%(amount)s off"),
        "percentOff": _("%(percent)s %% off"),
        "atMost": _("%(worth)s, at most %(amount)s"),
        "kinds": {"item": _("Free item"), "bogo": _("Buy one, get one")},
        "from": _("For orders from %(amount)s"),
        "orderOf": _("Order %(amount)s"),
        "uses": _("Use %(used)s of %(limit)s"),
        "receipt": _("Receipt %(number)s"),
        "confirmedNow": _("Confirmed now"),
        "refused": _("Not valid"),
        "ours": _("You redeemed this %(time)s ago on this phone."),
        "conflict": _("Given, but it should not have been"),
        "takenBack": _("Taken back"),
        "takenBackDetail": _("The code is good again."),
        "takenBackBefore": _("It was redeemed, and taken back since. To give the deal now, scan the code again."),
        "recorded": _("Recorded"),
        "recordedDetail": _("This scan was turned down. Nothing was given."),
        "noted": _("Noted"),
    }


def _of_no_answer() -> dict[str, Any]:
    return {
        "notConfirmed": _("Not confirmed"),
        "noAnswer": _("No answer from the server. The code may or may not be redeemed."),
        "offline": _("This phone has no network."),
        "wait": _("Wait for the answer, or send the guest away."),
        "takeIt": _("Take it: not confirmed"),
        "takeItDetail": _("No network. This deal may be given anyway; the server is told later."),
        "listOf": _("By the list of %(time)s."),
        "alreadyHere": _("Given on this phone at %(time)s, not confirmed yet."),
        "notGiven": _("Not given"),
        "sentAway": _("Sent away"),
        "sentAwayDetail": _("Nothing was given. The server is told that this code was turned down."),
        "takingBack": _("The server had redeemed it all the same. It is being taken back."),
        "redeemedAnyway": _("Was redeemed all the same"),
        "redeemedAnywayDetail": _("It was turned down here, and the guest's code is used. The owner can take it back."),
        "answeredElsewhere": _("It was answered in another window, and may be redeemed. Scan the code again to see."),
        "localRules": {
            "unknown": _("The code is not on this phone's list."),
            "taken": _("By this phone's list it is used already."),
            "notYet": _("By this phone's list it is not valid yet."),
            "over": _("By this phone's list it is over."),
            "closed": _("By this phone's list it is not valid at this time."),
            "enough": _("This phone has given this deal as often as it may without network today."),
            "small": _("The order is too small for this deal."),
            "tooMuch": _("This discount is more than may be given without network."),
            "value": _("Without network the order's value is needed first."),
            "policy": _("This deal waits for the network."),
        },
    }


def _of_the_till() -> dict[str, Any]:
    return {
        "orderValueBad": _("Type an amount such as 42.50."),
        "save": _("Save"),
        "redeem": _("Redeem"),
        "reasons": {
            "wrong_item": _("Wrong item"),
            "customer_changed_mind": _("Guest changed their mind"),
            "scanned_by_mistake": _("Scanned by mistake"),
            "duplicate": _("Scanned twice"),
            "test": _("Only a test"),
            "other": _("Other reason"),
        },
        "mistyped": _("Typing error: check the code."),
        "notACode": _("A code has ten letters and digits."),
        "notOurs": _("This is not one of our codes."),
        "stillInView": _("Same code, still in view."),
        "point": _("Point the camera at the guest's code."),
        "today": _("Today: %(redeemed)s redeemed, %(refused)s refused"),
        "pinWrong": _("Type four to six digits."),
        "pinUnanswered": _("No answer from the server. Try again."),
        "staff": _("Scanning: %(name)s"),
    }


def _of_the_camera() -> dict[str, Any]:
    return {
        "camera": {
            "starting": _("Starting the camera …"),
            "insecure": _("The camera works on https only. Type the code instead."),
            "denied": _(
                "The camera is not allowed. Allow it in the browser's settings of this site, or type the code."
            ),
            "none": _("This device has no camera. Type the code instead."),
            "busy": _("Another app uses the camera. Close it and try again, or type the code."),
            "broken": _("The camera did not start. Try again, or type the code."),
            "decoder": _("The code reader did not load. Reload the page, or type the code."),
        },
        "cameraNumber": _("Camera %(number)s"),
    }


def _of_the_queue() -> dict[str, Any]:
    return {
        "allSent": _("All sent"),
        "waiting": _("%(count)s not confirmed"),
        "troubled": _("%(count)s to look at"),
        "lastSync": _("last answer %(time)s"),
        "neverSynced": _("no answer yet"),
        "noNetwork": _("no network"),
        "noServer": _("no answer"),
        "newLink": _("Ask the owner for a new link. What is not confirmed stays on this phone."),
        "tooOld": _("This page is too old. Reload it; what is not confirmed stays on this phone."),
        "noJournal": _("This browser keeps nothing, so nothing can be redeemed safely. Leave private browsing."),
        "otherDevice": _("Scanned as “%(name)s”, which this phone no longer is."),
        "states": {
            "undecided": pgettext("scan", "open"),
            "honoured": _("given without network"),
            "refused": _("turned down without network"),
            "void": _("taking back"),
            "order": _("order value"),
        },
        "again": _("Send again"),
        "remove": _("Remove"),
        "removeSure": _("The server will never hear of this scan. Remove it?"),
        "removeSeen": _("Remove it from this list? The code stays used until the owner takes it back."),
    }


def _of_set_up() -> dict[str, Any]:
    return {
        "notSetUp": _("Open the link or scan the QR code that the owner made for this device."),
        "settingUp": _("Setting up this device …"),
        "setUpUnanswered": _("No answer from the server. Check the connection."),
        "linkWrong": _("This link does not work."),
        "signOutSure": _("Take this device out of use here?"),
        "signOutQueue": _("%(count)s not confirmed would be lost for good. Take this device out of use anyway?"),
        "signOutUnanswered": _("No answer from the server: the device is still in use. Try again."),
        "signedOut": _("This device is no longer in use."),
    }
