"""Mails that were kept to start from again."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from campaigns.models import Template
from contacts.admin.base import PlainAdmin


class TemplateAdmin(PlainAdmin[Template]):
    """A list of them. They are made on the page of a campaign."""

    list_display = ("name", "subject", "created_at", "use")
    fields = ("name", "subject", "preheader")
    search_fields = ("name",)
    actions = None
    empty_title = gettext_lazy("No templates of your own yet")
    empty_text = gettext_lazy("Write a campaign with blocks, and press “Keep as template” on its page.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description=pgettext_lazy("column of templates", "Start"))
    def use(self, template: Template) -> SafeString:
        url = f"{reverse('admin:campaigns_campaign_add')}?start=own-{template.pk}"
        return format_html('<a href="{}">{}</a>', url, _("Write a campaign"))
