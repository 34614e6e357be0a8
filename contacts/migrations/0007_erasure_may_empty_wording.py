"""Erasing a person empties what was written about them beside their consent; no other change of it passes."""

from django.db import migrations

FROZEN = [
    "channel", "address_index", "action", "source", "at", "recorded_at", "version", "reference", "import_run_id",
]
REFUSAL = "consent events are added, never changed"
TABLE = "contacts_consentevent"


def allow_emptying(apps, schema_editor):
    columns = ", ".join(f'"{name}"' for name in FROZEN)
    if schema_editor.connection.vendor == "postgresql":
        refuse = "FOR EACH ROW {} EXECUTE FUNCTION contacts_refuse_consent_change()"
        schema_editor.execute(f"DROP TRIGGER consent_is_append_only ON {TABLE}")
        always, unless_emptied = refuse.format(""), refuse.format("WHEN (NEW.wording <> '')")
    else:
        schema_editor.execute("DROP TRIGGER consent_is_append_only")
        raising = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        always, unless_emptied = raising, f"WHEN NEW.wording <> '' {raising}"
    schema_editor.execute(f"CREATE TRIGGER consent_is_append_only BEFORE UPDATE OF {columns} ON {TABLE} {always}")
    schema_editor.execute(
        f"CREATE TRIGGER consent_wording_is_kept BEFORE UPDATE OF wording ON {TABLE} {unless_emptied}"
    )


def freeze_again(apps, schema_editor):
    columns = ", ".join(f'"{name}"' for name in [*FROZEN, "wording"])
    if schema_editor.connection.vendor == "postgresql":
        for name in ("consent_wording_is_kept", "consent_is_append_only"):
            schema_editor.execute(f"DROP TRIGGER {name} ON {TABLE}")
        refuse = "FOR EACH ROW EXECUTE FUNCTION contacts_refuse_consent_change()"
    else:
        for name in ("consent_wording_is_kept", "consent_is_append_only"):
            schema_editor.execute(f"DROP TRIGGER {name}")
        refuse = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    schema_editor.execute(f"CREATE TRIGGER consent_is_append_only BEFORE UPDATE OF {columns} ON {TABLE} {refuse}")


class Migration(migrations.Migration):
    dependencies = [("contacts", "0006_signup_limits")]

    operations = [migrations.RunPython(allow_emptying, freeze_again)]
