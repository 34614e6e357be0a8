"""The database itself refuses to rewrite what somebody agreed to or withdrew.

What may change: the link to a contact (erased, merged) and to a user (deleted), and what the keys and the erasure of a
person rewrite (address of the visitor, browser).
"""

from django.db import migrations

FROZEN = [
    "channel", "address_index", "action", "source", "at", "recorded_at", "wording", "version", "reference",
    "import_run_id",
]
REFUSAL = "consent events are added, never changed"


def protect(apps, schema_editor):
    columns = ", ".join(f'"{name}"' for name in FROZEN)
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            f"CREATE FUNCTION contacts_refuse_consent_change() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
        )
        schema_editor.execute(
            f"CREATE TRIGGER consent_is_append_only BEFORE UPDATE OF {columns} ON contacts_consentevent "
            "FOR EACH ROW EXECUTE FUNCTION contacts_refuse_consent_change()"
        )
    else:
        schema_editor.execute(
            f"CREATE TRIGGER consent_is_append_only BEFORE UPDATE OF {columns} ON contacts_consentevent "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )


def unprotect(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP TRIGGER consent_is_append_only ON contacts_consentevent")
        schema_editor.execute("DROP FUNCTION contacts_refuse_consent_change()")
    else:
        schema_editor.execute("DROP TRIGGER consent_is_append_only")


class Migration(migrations.Migration):
    dependencies = [("contacts", "0003_fill_name_and_birthday_indexes")]

    operations = [migrations.RunPython(protect, unprotect)]
