"""Spanish as in Mexico and the United States: 1,234.56 as on every price tag there, not 1.234,56 as in Spain."""

from django.conf.locale.es_MX.formats import *  # type: ignore[import-untyped]  # noqa: F403
