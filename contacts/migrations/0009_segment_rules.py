"""Bring the rules of segments into the shape of today, and make the first few segments, once: deleted ones stay away."""

from django.db import migrations


def rule(field, op, *value):
    return {"field": field, "op": op, **({"value": value[0]} if value else {})}


READY_MADE = {
    "New this month": [rule("created", "this_month")],
    "Never redeemed": [rule("redeemed", "never"), rule("email", "is", ["subscribed"])],
    "Lapsed 60 days": [rule("redeemed", "ever"), rule("redeemed", "not_within", 60)],
    "Birthday this week": [rule("birthday", "within", 7)],
    "Regulars": [rule("redemptions", "at_least", 3)],
}


def convert(apps, schema_editor):
    for segment in apps.get_model("contacts", "Segment").objects.all():
        tags = [rule("tag", "has", old["tag"]) for old in (segment.rules or {}).get("all", [])]
        segment.rules = {"match": "all", "rules": tags} if tags else {}
        segment.save(update_fields=["rules"])


def convert_back(apps, schema_editor):
    """Keep what the first shape can hold, the tags people must all have; what asks for more becomes a question about
    nobody, so that no campaign goes to more people than it did.
    """
    for segment in apps.get_model("contacts", "Segment").objects.all():
        rules = (segment.rules or {}).get("rules", [])
        plain = all("field" in each and (each["field"], each["op"]) == ("tag", "has") for each in rules)
        fits = plain and (len(rules) < 2 or segment.rules["match"] == "all")
        if rules:
            segment.rules = {"all": [{"tag": each["value"]} for each in rules] if fits else [{"tag": 0}]}
            segment.save(update_fields=["rules"])


def make(apps, schema_editor):
    segments = apps.get_model("contacts", "Segment").objects
    for name, rules in READY_MADE.items():
        segments.get_or_create(name=name, defaults={"rules": {"match": "all", "rules": rules}})


class Migration(migrations.Migration):
    dependencies = [("contacts", "0008_segment_indexes")]

    operations = [
        migrations.RunPython(convert, convert_back),
        migrations.RunPython(make, migrations.RunPython.noop),
    ]
